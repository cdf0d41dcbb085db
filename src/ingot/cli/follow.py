"""Follows what a server does in its own time."""

import time
from collections.abc import Callable

from rich.filesize import decimal
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ingot.cli.output import errors, printable, say
from ingot.client.connection import Connection
from ingot.messages.base import OpStatus

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 2.0


def is_over(status: OpStatus) -> bool:
    """Whether nothing more will come of it."""
    return bool(status.complete or status.error or status.cancelled)


def await_end(connection: Connection, path: str) -> OpStatus:
    """Poll a status until nothing more will come of it."""
    return await_end_of(lambda: connection.get(path, OpStatus))


def await_end_of(read: Callable[[], OpStatus]) -> OpStatus:
    """Poll, often at first; where there is no terminal, each new message is a line."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    pause, said = _FIRST_PAUSE, ""
    with Progress(
        *columns, TimeElapsedColumn(), console=errors, transient=True, disable=not errors.is_terminal
    ) as progress:
        task = progress.add_task("Waiting", total=100)
        while True:
            status = read()
            message = printable(status.message)
            shown = f"{message}{_bytes(status)}".replace("[", r"\[")
            progress.update(task, completed=status.percentage or 0, description=shown)
            if message != said and not errors.is_terminal:
                say(f"{status.percentage or 0:3} %  {message}")
            said = message
            if is_over(status):
                return status
            time.sleep(pause)
            pause = min(pause * 1.2, _LONGEST_PAUSE)


def _bytes(status: OpStatus) -> str:
    if not status.bytes_total:
        return ""
    return f", {decimal(status.bytes_loaded or 0)} of {decimal(status.bytes_total)}"
