"""Messages as JSON documents, and back."""

import json
from typing import Any, NoReturn, TypeVar, cast

from ingot.messages.base import Message
from ingot.messages.table import FieldTable, element_of, subtypes, table_of
from ingot.messages.values import (
    MOST_VALUES,
    READERS,
    MalformedMessageError,
    binary_text,
    check_characters,
    check_depth,
    check_size,
    clean,
    time_text,
    unknown,
    validated,
)

_TYPE_KEY = "@type"
_NUMBERS = ("int", "long", "integer")
_M = TypeVar("_M", bound=Message)


def to_json(message: Message, declared: type[Message] | None = None) -> bytes:
    """The JSON document of a message."""
    stands_for = declared or type(message)
    document = {element_of(stands_for): _plain(message, stands_for)}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def from_json(data: bytes, message_type: type[_M]) -> _M:
    """Read a JSON document, with or without the root element's name around it; raises MalformedMessageError."""
    document = _parse(data)
    expected = element_of(message_type)
    if isinstance(document, dict) and _is_wrapped(document, expected, message_type):
        document = document[expected]
    elif isinstance(document, dict) and len(document) == 1:
        # As in XML, a subtype's own root element says which type it is.
        (name,) = document
        for subtype in subtypes(message_type).values():
            is_own = subtype is not message_type and subtype.__dict__.get("ELEMENT") == name
            if is_own and isinstance(document[name], dict):
                document = {"@type": subtype.__name__, **document[name]}
                break
    try:
        return _read(message_type, document, 0)
    except MalformedMessageError as fault:
        fault.place.append(expected)
        raise


def _is_wrapped(document: dict[str, Any], element: str, message_type: type[Message]) -> bool:
    """Whether the only key is the root element, and not the field of the same name that lists have."""
    if list(document) != [element]:
        return False
    inner, field = document[element], table_of(message_type).by_name.get(element)
    return field is None or (isinstance(inner, dict) and field.item not in inner)


# Writing


def _plain(message: Message, declared: type[Message]) -> dict[str, Any]:
    values = message.__dict__
    table = table_of(type(message))
    if table.abstract:
        raise TypeError(f"{table.type.__name__} is abstract: only its subtypes can be written")
    plain: dict[str, Any] = {} if type(message) is declared else {_TYPE_KEY: type(message).__name__}
    for field in table.fields:
        value = values[field.attribute]
        if value is None:
            continue
        if field.is_list:
            items = [_plain_value(item, field) for item in value]
            plain[field.name] = {field.item: items} if field.item else items
        else:
            plain[field.name] = _plain_value(value, field)
    return plain


def _plain_value(value: Any, field: FieldTable) -> Any:
    match field.kind:
        case "text":
            return clean(value)
        case "time":
            return time_text(value, "milliseconds")
        case "binary":
            return binary_text(value)
    return value if field.message is None else _plain(value, field.message)


# Reading


def _parse(data: bytes) -> Any:
    check_size(data)
    if data.count(b",") + data.count(b"[") + data.count(b"{") > MOST_VALUES:
        raise MalformedMessageError(f"The JSON document has more than {MOST_VALUES} values.")
    try:
        text = data.decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    except RecursionError:
        raise MalformedMessageError("The JSON document is nested too deeply.") from None
    except UnicodeDecodeError as error:
        raise MalformedMessageError(f"The JSON document is not UTF-8: {error.reason}.") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedMessageError(f"The JSON document is malformed at {where}: {error.msg}.") from error
    except MalformedMessageError:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise MalformedMessageError(f"The JSON document is malformed: {error}.") from error


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise MalformedMessageError(f"The JSON document has the key {twice[:80]!r} twice in one object.")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedMessageError(f"The JSON document has {name}, which is no JSON.")


def _read(declared: type[_M], document: Any, depth: int) -> _M:
    check_depth(depth)
    if not isinstance(document, dict):
        raise MalformedMessageError(f"should be an object, but it is {_kind_of(document)}.")
    choices = subtypes(declared)
    stated = document.get(_TYPE_KEY, declared.__name__)
    if not isinstance(stated, str) or stated not in choices:
        raise MalformedMessageError(f'needs "{_TYPE_KEY}", one of {", ".join(sorted(choices))}.')
    message_type = choices[stated]
    table = table_of(message_type)
    values: dict[str, Any] = {}
    for name, value in document.items():
        if name == _TYPE_KEY or value is None:
            continue
        field = table.by_name.get(name)
        if field is None:
            raise unknown(name, table)
        try:
            values[field.attribute] = _read_list(field, value, depth) if field.is_list else _value(field, value, depth)
        except MalformedMessageError as fault:
            fault.place.append(name)
            raise
    return cast(_M, validated(message_type, values))


def _read_list(field: FieldTable, value: Any, depth: int) -> list[Any]:
    if field.item is not None and isinstance(value, dict):
        strange = set(value) - {field.item}
        if strange:
            raise MalformedMessageError(f"unknown key {min(strange)[:80]!r}; its items are in {field.item!r}.")
        value = value.get(field.item) or []
    read: list[Any] = []
    for item in value if isinstance(value, list) else [value]:
        try:
            read.append(_value(field, item, depth))
        except MalformedMessageError as fault:
            fault.place.append(f"{field.item or ''}[{len(read)}]")
            raise
    return read


def _value(field: FieldTable, value: Any, depth: int) -> Any:
    """A value, or its text: clients differ in whether they quote numbers and booleans."""
    if field.message is not None:
        return _read(field.message, value, depth + 1)
    if isinstance(value, str):
        return check_characters(value) if field.kind == "text" else READERS[field.kind](value.strip())
    if isinstance(value, bool):
        fits = field.kind == "boolean"
    elif isinstance(value, int):
        fits = field.kind in _NUMBERS or field.kind == "float"
    else:
        fits = isinstance(value, float) and field.kind == "float"
    if not fits:
        kind = "whole number" if field.kind in _NUMBERS else field.kind
        shown = f" ({value})" if isinstance(value, int | float) else ""
        raise MalformedMessageError(f"should be a {kind}, but it is {_kind_of(value)}{shown}.")
    return value


def _kind_of(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")
