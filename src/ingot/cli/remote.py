"""Commands that talk to a server: the connection, and what its refusals mean for the exit status."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from ingot.cli.output import FAILED, NOT_FOUND, REFUSED, Output, fail, print_json, print_rows, printable
from ingot.client import login as logins
from ingot.client.connection import Connection
from ingot.client.errors import ClientError, NoLoginError, RefusedError
from ingot.messages.base import Message
from ingot.messages.package import Pkg

_M = TypeVar("_M", bound=Message)
#: What opens a download without a login: no output that may end up in a log shows it.
_KEYS = {"download_key", "download_uri"}


@contextmanager
def connected() -> Iterator[Connection]:
    """A connection of the user who is logged in; what goes wrong ends the command."""
    try:
        with Connection(logins.find(os.environ)) as connection:
            yield connection
    except ClientError as error:
        fail(printable(error), code=exit_code(error))


def exit_code(error: ClientError) -> int:
    """The exit status that an error means."""
    match error:
        case RefusedError(status=404):
            return NOT_FOUND
        case RefusedError(status=status) if status < 500:
            return REFUSED
        case NoLoginError():
            return REFUSED
    return FAILED


def package_version(package: Pkg) -> str:
    """A package's version with its release."""
    return f"{package.version}{f'-{package.release}' if package.release else ''}"


def print_messages(
    rows: Sequence[_M], output: Output, columns: Mapping[str, Callable[[_M], object]], empty: str
) -> None:
    """Print objects of a server as asked for: as documents, or as a table (see `print_rows`)."""
    if output is Output.JSON:
        print_json([plain(row) for row in rows])
    else:
        print_rows(rows, columns, empty)


def plain(message: Message) -> dict[str, Any]:
    """A message as plain values for --output json, without keys."""
    return message.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=_KEYS, serialize_as_any=True)
