"""How `ingot cache` is called."""

from typing import Annotated

import typer

from ingot.cli.commands.options import DEFAULT_CACHE, CacheDir, OutputOption
from ingot.cli.output import Output

app = typer.Typer(no_args_is_help=True, help="Look at what builds keep for the next one, and make room.")


@app.command("list")
def show_list(cache_dir: CacheDir = DEFAULT_CACHE, output: OutputOption = Output.TABLE) -> None:
    """List trees, disks, clusters and package files with their sizes, least recently used first."""
    from ingot.cli.cache import show_list as run  # noqa: PLC0415

    run(cache_dir, output)


@app.command()
def prune(
    to: Annotated[str, typer.Option(help="How much may stay: bytes, or with K, M, G, T.")] = "0",
    cache_dir: CacheDir = DEFAULT_CACHE,
) -> None:
    """Remove what was used least recently until the rest is small enough; what is in use stays."""
    from ingot.cli.cache import prune as run  # noqa: PLC0415

    run(cache_dir, to)


@app.command()
def verify(cache_dir: CacheDir = DEFAULT_CACHE) -> None:
    """Check everything against its hashes and remove what is damaged: it is made again when it is needed."""
    from ingot.cli.cache import verify as run  # noqa: PLC0415

    run(cache_dir)


@app.command()
def why(
    first: Annotated[str, typer.Argument(help="The beginning of a key, or a manifest file.")],
    second: Annotated[str, typer.Argument(help="The other one.")],
    cache_dir: CacheDir = DEFAULT_CACHE,
) -> None:
    """Say why two trees, disks or manifests are not the same."""
    from ingot.cli.cache import why as run  # noqa: PLC0415

    run(cache_dir, first, second)
