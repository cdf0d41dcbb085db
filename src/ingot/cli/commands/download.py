"""How `ingot download` is called, which is also `ingot image download`."""

from pathlib import Path
from typing import Annotated

import typer

from ingot.cli.commands.options import complete_images


def download(
    image: Annotated[
        str,
        typer.Argument(
            metavar="IMAGE", help="The image's id, or a whole address with its key.", autocompletion=complete_images
        ),
    ],
    target: Annotated[
        Path | None, typer.Option("--output", "-o", "--to", help="A file or directory; else, the image's own name.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace a file that is there.")] = False,
) -> None:
    """Download an image; what was begun before is gone on with, and the SHA-256 is verified."""
    from ingot.cli.download import download as run  # noqa: PLC0415

    run(image, target, force=force)
