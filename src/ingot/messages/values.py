"""The plain values of messages: how each is written, and what is accepted in its place.

Reading is as strict as the schema's types (a date alone is no time, 1.0 no whole number), because what a lenient
reader guesses is wrong for somebody.
"""

import base64
import binascii
import datetime as dt
import difflib
import re
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError

from ingot.messages.base import Message
from ingot.messages.table import FieldTable, Kind, MessageTable, table_of

#: What a document may have: messages inside messages, and elements or JSON values altogether.
MOST_DEPTH = 48
MOST_VALUES = 400_000
MOST_BYTES = 32 * 2**20

_NUMBER = re.compile(r"[+-]?[0-9]{1,20}")
_FLOAT = re.compile(r"[+-]?([0-9]{1,30}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][+-]?[0-9]{1,3})?")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,30})?(Z|[+-][0-9]{2}:[0-9]{2})?")
#: Characters that no XML 1.0 document can have.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
#: More choices than these are not listed when a near one can be named.
_FEW = 12
_LONG_PATH = 10
_M = TypeVar("_M", bound=Message)


class MalformedMessageError(ValueError):
    """A document is not the message it should be; the text says what is wrong where, and what would be right."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        #: The names of the fields around the problem, the innermost first.
        self.place: list[str] = []

    def __str__(self) -> str:
        """Where it is wrong, as a path from the root element, and what."""
        path = self.place[::-1]
        if len(path) > _LONG_PATH:
            path = [*path[:3], "…", *path[-3:]]
        return f"{'/'.join(path)}: {self.problem}" if path else self.problem


def check_size(data: bytes) -> None:
    """Refuse a document that is too large to be a message, before any work is put into it."""
    if len(data) > MOST_BYTES:
        raise MalformedMessageError(f"The document has {len(data)} bytes; at most {MOST_BYTES} are possible.")


def check_depth(depth: int) -> None:
    """Refuse messages inside messages inside messages without end."""
    if depth > MOST_DEPTH:
        raise MalformedMessageError(f"The document is nested deeper than {MOST_DEPTH} messages.")


def clean(text: str) -> str:
    """A text that any document can carry: characters that XML does not have become U+FFFD."""
    return text if text.isprintable() else _NOT_XML.sub("\ufffd", text)


def check_characters(text: str) -> str:
    """Refuse a text with characters that no message could show again."""
    if not text.isprintable() and (found := _NOT_XML.search(text)):
        raise MalformedMessageError(f"the text has the character U+{ord(found[0]):04X}, which is not allowed.")
    return text


# Writing


def time_text(value: dt.datetime, timespec: str = "auto") -> str:
    """A time in UTC: 2026-11-24T09:30:00Z, with milliseconds when there are any (or as `timespec` says)."""
    if timespec == "auto":
        timespec = "milliseconds" if value.microsecond else "seconds"
    return value.astimezone(dt.UTC).isoformat(timespec=timespec)[:-6] + "Z"


def binary_text(value: bytes) -> str:
    """Bytes as base64."""
    return base64.b64encode(value).decode("ascii")


# Reading


def _boolean(text: str) -> bool:
    value = _BOOLEANS.get(text)
    if value is None:
        raise MalformedMessageError(f"{text[:60]!r} is no boolean: use true or false.")
    return value


def _number(text: str) -> int:
    if _NUMBER.fullmatch(text) is None:
        raise MalformedMessageError(f"{text[:60]!r} is no whole number.")
    return int(text)


def _float(text: str) -> float:
    if _FLOAT.fullmatch(text) is None:
        raise MalformedMessageError(f"{text[:60]!r} is no number.")
    return float(text)


def _time(text: str) -> dt.datetime:
    try:
        if _TIME.fullmatch(text):
            value = dt.datetime.fromisoformat(text)
            return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        pass
    raise MalformedMessageError(f"{text[:60]!r} is no time: write it like 2026-11-24T09:30:00Z.")


def _binary(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise MalformedMessageError("the value is no base64 text.") from None


#: What turns the text of each kind of value into it; raises MalformedMessageError.
READERS: dict[Kind, Callable[[str], Any]] = {
    "text": str,
    "boolean": _boolean,
    "int": _number,
    "long": _number,
    "integer": _number,
    "float": _float,
    "time": _time,
    "binary": _binary,
}


def unknown(name: str, table: MessageTable) -> MalformedMessageError:
    """The error for a name that a message does not have."""
    near = difflib.get_close_matches(name[:80], table.by_name, n=3)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return MalformedMessageError(f"there is no element {name[:80]} here.{hint}")


def validated(message_type: type[_M], values: dict[str, Any]) -> _M:
    """The message that has these values, by attribute; raises MalformedMessageError naming the first wrong one."""
    try:
        return message_type.model_validate(values, by_name=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    table = table_of(message_type)
    field = next(field for field in table.fields if first["loc"][0] in (field.attribute, field.name))
    fault = MalformedMessageError(_problem(first, field))
    fault.place.append(field.name)
    raise fault


def _problem(error: Any, field: FieldTable) -> str:
    given = error["input"]
    if error["type"] == "missing":
        return "is missing; every such message must have it."
    if field.choices and isinstance(given, str):
        near = difflib.get_close_matches(given[:80], field.choices, n=3) if len(field.choices) > _FEW else []
        hint = f"did you mean {_listed(near)}?" if near else f"it can be {_listed(field.choices)}."
        return f"{given[:60]!r} is not one of the {len(field.choices)} possible values; {hint}"
    bounds = {"int": 31, "long": 63}.get(field.kind)
    if bounds and isinstance(given, int):
        return f"{given} is out of range: it can be {-(2**bounds)} to {2**bounds - 1}."
    return f"{error['msg']}."


def _listed(choices: Any) -> str:
    return ", ".join(repr(choice) for choice in choices)
