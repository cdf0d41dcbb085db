"""The entry of the `ingot` command."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(name="ingot", no_args_is_help=True, pretty_exceptions_enable=False, help="A machine image factory.")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any free one.", min=0, max=65535)] = 8080,
    data_dir: Annotated[Path | None, typer.Option(help="Where everything is kept.")] = None,
) -> None:
    """Run the server with a local worker."""
    from ingot.cli.serve import serve as run  # noqa: PLC0415 - a command loads only what it needs

    run(host, port, data_dir)


@app.command()
def version() -> None:
    """Print the version."""
    from ingot import __version__  # noqa: PLC0415

    typer.echo(__version__)


def main() -> None:
    """Run the command."""
    app()
