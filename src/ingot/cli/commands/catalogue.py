"""How `ingot os` and `ingot format` are called."""

from typing import Annotated

import typer

from ingot.cli.commands.options import OutputOption, SystemArgument
from ingot.cli.output import Output

os_app = typer.Typer(no_args_is_help=True, help="Operating systems and their packages.")
format_app = typer.Typer(no_args_is_help=True, help="Formats of images.")


@os_app.command("list")
def os_list(output: OutputOption = Output.TABLE) -> None:
    """List the operating systems with their profiles."""
    from ingot.cli.catalogue import os_list as run  # noqa: PLC0415

    run(output)


@os_app.command("search")
def os_search(
    system: SystemArgument,
    words: Annotated[
        str, typer.Argument(metavar="NAME", help="Part of a name; `nginx*` begins, `*nginx` ends with it.")
    ],
    limit: Annotated[int, typer.Option(help="Show at most this many.", min=1, max=100_000)] = 50,
    output: OutputOption = Output.TABLE,
) -> None:
    """Find packages of an operating system by name."""
    from ingot.cli.catalogue import os_search as run  # noqa: PLC0415

    run(system, words, limit, output)


@format_app.command("list")
def format_list(
    local: Annotated[bool, typer.Option("--local", help="Those of `ingot build`, without a server.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """List the formats that images can have."""
    from ingot.cli import catalogue  # noqa: PLC0415

    if local:
        catalogue.local_formats(output)
    else:
        catalogue.format_list(output)
