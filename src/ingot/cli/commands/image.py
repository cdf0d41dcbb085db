"""How `ingot image` is called."""

from pathlib import Path
from typing import Annotated

import typer

from ingot.cli.commands.options import (
    FormatOption,
    ImageArgument,
    ImagesArgument,
    OutputOption,
    TemplateArgument,
    TemplateOption,
    YesOption,
)
from ingot.cli.output import Output

app = typer.Typer(no_args_is_help=True, help="Generate images at a server, follow and fetch them.")


@app.command()
def generate(
    template: TemplateArgument,
    format_name: FormatOption,
    disk_size: Annotated[int | None, typer.Option(help="MB that the disk has.", min=1)] = None,
    memory: Annotated[int | None, typer.Option(help="MB of memory.", min=1)] = None,
    swap_size: Annotated[int | None, typer.Option(help="MB of swap space.", min=0)] = None,
    simulate: Annotated[bool, typer.Option(help="Only find out which packages it would have.")] = False,
    wait: Annotated[bool, typer.Option(help="Follow it to its end.")] = True,
    output: OutputOption = Output.TABLE,
) -> None:
    """Generate an image of a template."""
    from ingot.cli.images import generate as run  # noqa: PLC0415

    run(
        template,
        format_name,
        disk_size=disk_size,
        memory=memory,
        swap_size=swap_size,
        simulate=simulate,
        wait=wait,
        output=output,
    )


@app.command("list")
def show_list(template: TemplateOption = None, output: OutputOption = Output.TABLE) -> None:
    """List images, newest first."""
    from ingot.cli.images import show_list as run  # noqa: PLC0415

    run(template, output)


@app.command()
def show(image: ImageArgument, output: OutputOption = Output.TABLE) -> None:
    """Show an image."""
    from ingot.cli.images import show as run  # noqa: PLC0415

    run(image, output)


@app.command()
def follow(image: ImageArgument, output: OutputOption = Output.TABLE) -> None:
    """Show the progress of a generation until it ends."""
    from ingot.cli.images import follow as run  # noqa: PLC0415

    run(image, output)


@app.command()
def download(
    image: ImageArgument,
    target: Annotated[
        Path | None, typer.Option("--to", help="A file or directory; else, the image's own name.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace a file that is there.")] = False,
) -> None:
    """Download an image; what was begun before is gone on with, and the SHA-256 is verified."""
    from ingot.cli.images import download as run  # noqa: PLC0415

    run(image, target, force=force)


@app.command()
def packages(image: ImageArgument, output: OutputOption = Output.TABLE) -> None:
    """List the packages that a finished image has."""
    from ingot.cli.images import packages as run  # noqa: PLC0415

    run(image, output)


@app.command()
def cancel(image: ImageArgument) -> None:
    """Cancel a generation."""
    from ingot.cli.images import cancel as run  # noqa: PLC0415

    run(image)


@app.command()
def delete(images: ImagesArgument, yes: YesOption = False) -> None:
    """Delete images."""
    from ingot.cli.images import delete as run  # noqa: PLC0415

    run(images, yes=yes)
