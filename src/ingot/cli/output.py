"""What the command says, and how it ends."""

from typing import NoReturn

import typer
from rich.console import Console

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

FAILED, WRONG_USE, NOT_FOUND, REFUSED = 1, 2, 3, 4


def fail(message: str, *, detail: str = "", code: int = FAILED) -> NoReturn:
    """Say what went wrong and end with a status that tells."""
    if detail:
        errors.print(detail, style="dim", markup=False)
    errors.print(f"Error: {message}", style="bold red", markup=False)
    raise typer.Exit(code)
