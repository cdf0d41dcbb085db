"""FIELD=VALUE: how objects whose fields depend on their type are given at a command line."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from ingot.cli.output import NOT_FOUND, WRONG_USE, fail
from ingot.messages.base import Message

_M = TypeVar("_M", bound=Message)


def aliases(message: type[Message], names: Iterable[str]) -> dict[str, str]:
    """The names that fields of a type have in documents, with those of their attributes."""
    return {str(message.model_fields[name].alias or name): name for name in names}


def parse(words: Sequence[str], known: dict[str, str], what: str) -> dict[str, str]:
    """The values of FIELD=VALUE words by attribute; `=@FILE` reads a file. Ends the command for what is none of the
    `known` fields of `what`."""
    values: dict[str, str] = {}
    for word in words:
        alias, sign, value = word.partition("=")
        if not sign:
            fail(f"{word} is no FIELD=VALUE. Fields of {what}: {', '.join(known)}.", code=WRONG_USE)
        if alias not in known:
            near = difflib.get_close_matches(alias.lower(), {name.lower() for name in known}, n=1)
            hint = f" Did you mean {next(name for name in known if name.lower() == near[0])}?" if near else ""
            fail(f"{what} has no field {alias}.{hint} It has: {', '.join(known)}.", code=WRONG_USE)
        if known[alias] in values:
            fail(f"{alias} is given twice.", code=WRONG_USE)
        values[known[alias]] = _content(Path(value[1:])) if value.startswith("@") else value
    return values


def build(message: type[_M], values: dict[str, Any]) -> _M:
    """An object of a type from the values of its attributes; ends the command for one of the wrong kind."""
    try:
        return message.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        fail(f"{first['loc'][0]}={first['input']} is wrong: {first['msg']}.", code=WRONG_USE)


def _content(file: Path) -> str:
    try:
        return file.expanduser().read_text(encoding="utf-8")
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.", code=NOT_FOUND)
    except UnicodeDecodeError:
        fail(f"{file} is no text.", code=WRONG_USE)
