"""What the command says, and how it ends."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

FAILED, WRONG_USE, NOT_FOUND, REFUSED = 1, 2, 3, 4
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_T = TypeVar("_T")


class Output(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


def fail(message: str, *, detail: str = "", code: int = FAILED) -> NoReturn:
    """Say what went wrong and end with a status that tells."""
    if detail:
        errors.print(detail, style="dim", markup=False, soft_wrap=True)
    errors.print(f"Error: {message}", style="bold red", markup=False, soft_wrap=True)
    raise typer.Exit(code)


def say(message: str) -> None:
    """Say something that is no result."""
    errors.print(printable(message), markup=False, soft_wrap=True)


def tell(message: object) -> None:
    """Say what was done, in one line however long: scripts read it too."""
    console.print(printable(message), markup=False, soft_wrap=True)


def printable(value: object) -> str:
    """Text for a terminal: what a server says cannot steer it."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", "" if value is None else str(value))


def refuse_existing(path: Path, *, force: bool) -> None:
    """Never replace a file unasked."""
    if path.exists() and not force:
        fail(f"{path} is there already. Choose another name with --to, or replace it with --force.", code=REFUSED)


def print_rows(rows: Sequence[_T], columns: Mapping[str, Callable[[_T], object]], empty: str) -> None:
    """Print a table, or `empty` when there is nothing in it. A column whose title ends with > is set to the right."""
    if not rows:
        say(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in columns:
        table.add_column(title.rstrip(">"), justify="right" if title.endswith(">") else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(value(row))) for value in columns.values()))
    console.print(table)


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print names and values; those without a value are left out."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts:
        if value not in (None, ""):
            table.add_row(name, Text(printable(value)))
    console.print(table)


def print_json(document: Any) -> None:
    """Print a result for programs."""
    console.print_json(data=document)
