"""How each message type looks on the wire, read off its model once and kept: what the codecs are driven by."""

import datetime as dt
import functools
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

from ingot.messages.base import Items, Lexical, Message, Nillable

#: The API's namespace; root elements and the names of subtypes are in it.
NAMESPACE = "http://www.usharesoft.com/uforge"

_M = TypeVar("_M", bound=Message)
Kind = Literal["text", "boolean", "int", "long", "integer", "float", "time", "binary", "message"]
_KINDS: dict[Any, Kind] = {bool: "boolean", int: "integer", float: "float", bytes: "binary", dt.datetime: "time"}


@dataclass(frozen=True)
class FieldTable:
    """One field: `item` is the element of each item of a wrapped list, `message` the type of what it holds."""

    attribute: str
    name: str
    kind: Kind
    is_list: bool
    item: str | None
    message: type[Message] | None
    choices: tuple[str, ...]
    required: bool
    nillable: bool


@dataclass(frozen=True)
class MessageTable:
    """A message type: its fields in the schema's order, by their names on the wire, and by their XML tags.

    The schema has elements below the root without a namespace; those that inherit the API's are known as well.
    """

    type: type[Message]
    abstract: bool
    fields: tuple[FieldTable, ...]
    by_name: dict[str, FieldTable]
    by_tag: dict[str, FieldTable]


@functools.cache
def table_of(message_type: type[Message]) -> MessageTable:
    """The table of a message type."""
    fields = tuple(_field(name, info) for name, info in message_type.model_fields.items())
    by_name = {field.name: field for field in fields}
    by_tag = by_name | {f"{{{NAMESPACE}}}{name}": field for name, field in by_name.items()}
    return MessageTable(message_type, is_abstract(message_type), fields, by_name, by_tag)


def is_abstract(message_type: type[Message]) -> bool:
    """Whether only subtypes of a type occur; a subtype is not abstract because its base is."""
    return bool(message_type.__dict__.get("ABSTRACT"))


@functools.cache
def subtypes(message_type: type[Message]) -> dict[str, type[Message]]:
    """Every concrete type that may stand where `message_type` is declared, by its schema name."""
    found = {} if is_abstract(message_type) else {message_type.__name__: message_type}
    for subtype in message_type.__subclasses__():
        found |= subtypes(subtype)
    return found


def subtype(message_type: type[_M], name: str) -> type[_M]:
    """The concrete type of this schema name that may stand where `message_type` is declared; KeyError for none."""
    return cast("type[_M]", subtypes(message_type)[name])


def element_of(message_type: type[Message]) -> str:
    """The root element of a type: its own, or that of the type it extends."""
    if message_type.ELEMENT is None:
        raise TypeError(f"{message_type.__name__} is no document of its own")
    return message_type.ELEMENT


def _field(attribute: str, info: Any) -> FieldTable:
    marks = [*info.metadata]
    value: Any = None
    choices: tuple[str, ...] = ()
    is_list = False
    for part in _parts(info.annotation):
        if typing.get_origin(part) is typing.Annotated:
            marks += part.__metadata__
        elif typing.get_origin(part) is list:
            is_list = True
        elif typing.get_origin(part) is Literal:
            value, choices = str, typing.get_args(part)
        elif part is not types.NoneType and isinstance(part, type):
            value = part
    lexical = next((mark.kind for mark in marks if isinstance(mark, Lexical)), None)
    message = value if isinstance(value, type) and issubclass(value, Message) else None
    return FieldTable(
        attribute=attribute,
        name=info.alias,
        kind="message" if message else lexical or _KINDS.get(value, "text"),
        is_list=is_list,
        item=next((mark.name for mark in marks if isinstance(mark, Items)), None),
        message=message,
        choices=choices,
        required=info.is_required(),
        nillable=any(isinstance(mark, Nillable) for mark in marks),
    )


def _parts(annotation: Any) -> Iterator[Any]:
    """An annotation and, outermost first, those inside it; the values of a Literal are none."""
    yield annotation
    if typing.get_origin(annotation) is typing.Annotated:
        yield from _parts(annotation.__origin__)
    elif typing.get_origin(annotation) is not Literal:
        for argument in typing.get_args(annotation):
            yield from _parts(argument)
