"""How each message type looks on the wire, read off its model once and kept: what the codecs are driven by."""

import datetime as dt
import functools
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal

from ingot.messages.base import Items, Message


@dataclass(frozen=True)
class FieldTable:
    """One field: `item` is the element of each item of a wrapped list, `message` the type of what it holds."""

    attribute: str
    name: str
    kind: Literal["text", "boolean", "number", "time", "binary", "message"]
    is_list: bool
    item: str | None
    message: type[Message] | None


@dataclass(frozen=True)
class MessageTable:
    """A message type: its fields in the schema's order, and by their names on the wire."""

    type: type[Message]
    fields: tuple[FieldTable, ...]
    by_name: dict[str, FieldTable]


@functools.cache
def table_of(message_type: type[Message]) -> MessageTable:
    """The table of a message type."""
    fields = tuple(_field(name, info) for name, info in message_type.model_fields.items())
    return MessageTable(message_type, fields, {field.name: field for field in fields})


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


def _field(attribute: str, info: Any) -> FieldTable:
    item = next((mark.name for mark in info.metadata if isinstance(mark, Items)), None)
    annotation, is_list = info.annotation, False
    while True:
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin in (typing.Union, types.UnionType):
            annotation = next(argument for argument in arguments if argument is not type(None))
            item = item or next(
                (mark.name for mark in getattr(annotation, "__metadata__", ()) if isinstance(mark, Items)), None
            )
        elif origin is typing.Annotated:
            item = item or next((mark.name for mark in arguments[1:] if isinstance(mark, Items)), None)
            annotation = arguments[0]
        elif origin is list:
            annotation, is_list = arguments[0], True
        else:
            break
    if isinstance(annotation, type) and issubclass(annotation, Message):
        return FieldTable(attribute, info.alias, "message", is_list, item, annotation)
    kinds: dict[Any, Any] = {bool: "boolean", int: "number", bytes: "binary", dt.datetime: "time"}
    return FieldTable(attribute, info.alias, kinds.get(annotation, "text"), is_list, item, None)
