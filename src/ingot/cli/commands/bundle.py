"""How `ingot bundle` is called."""

from pathlib import Path
from typing import Annotated

import typer

from ingot.cli.commands.options import BundleArgument, OutputOption, YesOption
from ingot.cli.output import Output

app = typer.Typer(no_args_is_help=True, help="Bundles: software of your own, as files and at a server.")
BundleFile = Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle file, YAML or JSON.")]


@app.command()
def validate(bundle: BundleFile, output: OutputOption = Output.TABLE) -> None:
    """Report every mistake of a bundle file in one go."""
    from ingot.cli.bundles import validate as run  # noqa: PLC0415

    run(bundle, output)


@app.command("list")
def show_list(output: OutputOption = Output.TABLE) -> None:
    """List your bundles at the server, newest first."""
    from ingot.cli.bundles import show_list as run  # noqa: PLC0415

    run(output)


@app.command()
def show(bundle: BundleArgument, output: OutputOption = Output.TABLE) -> None:
    """Show a bundle with what is in it."""
    from ingot.cli.bundles import show as run  # noqa: PLC0415

    run(bundle, output)


@app.command()
def create(bundle: BundleFile, output: OutputOption = Output.TABLE) -> None:
    """Create a bundle at the server from a file and the files that it names."""
    from ingot.cli.bundles import create as run  # noqa: PLC0415

    run(bundle, output)


@app.command("import")
def import_archive(
    archive: Annotated[Path, typer.Argument(metavar="ARCHIVE", help="An archive that `ingot bundle export` made.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Create a bundle at the server from an archive."""
    from ingot.cli.bundles import import_archive as run  # noqa: PLC0415

    run(archive, output)


@app.command()
def export(
    bundle: BundleArgument,
    target: Annotated[
        Path | None, typer.Option("--to", help="The archive to write; else NAME-VERSION.tar.gz.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With the bundle as JSON instead of YAML.")] = False,
    force: Annotated[bool, typer.Option(help="Replace a file that is there.")] = False,
) -> None:
    """Fetch a bundle with its files as an archive."""
    from ingot.cli.bundles import export as run  # noqa: PLC0415

    run(bundle, target, as_json=as_json, force=force)


@app.command()
def clone(
    bundle: BundleArgument,
    name: Annotated[str | None, typer.Option(help="The copy's name; without it, the same.")] = None,
    version: Annotated[str | None, typer.Option(help="The copy's version; without it, the same.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Copy a bundle under another name or version."""
    from ingot.cli.bundles import clone as run  # noqa: PLC0415

    run(bundle, name, version, output)


@app.command()
def delete(bundle: BundleArgument, yes: YesOption = False) -> None:
    """Delete a bundle, also from the templates that have it."""
    from ingot.cli.bundles import delete as run  # noqa: PLC0415

    run(bundle, yes=yes)
