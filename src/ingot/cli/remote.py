"""Commands that talk to a server: the connection, and what its refusals mean for the exit status."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ingot.cli.output import FAILED, NOT_FOUND, REFUSED, fail, printable
from ingot.client import login as logins
from ingot.client.connection import Connection
from ingot.client.errors import ClientError, NoLoginError, RefusedError
from ingot.messages.base import Message

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


def plain(message: Message) -> dict[str, Any]:
    """A message as plain values for --output json, without keys."""
    return message.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=_KEYS)
