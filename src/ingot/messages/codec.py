"""Messages as XML and JSON documents.

Both forms meet in plain values: dictionaries of attribute names, as Pydantic takes them. XML carries the root
element in the API's namespace and everything below it without one; JSON carries the root element's name as the
only key of the outermost object, and keeps the wrappers of lists: {"images": {"images": {"image": [...]}}}.
A message of a subtype says which one: `xsi:type` in XML, the key "@type" in JSON.
"""

import base64
import datetime as dt
import difflib
import json
import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

from lxml import etree
from pydantic import ValidationError

from ingot.messages.base import Message
from ingot.messages.table import FieldTable, MessageTable, is_abstract, subtypes, table_of

NAMESPACE = "http://www.usharesoft.com/uforge"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_XSI_TYPE = f"{{{_XSI}}}type"
_TYPE_KEY = "@type"
_MOST_DEPTH = 48
_MOST_ELEMENTS = 400_000
#: Characters that no XML 1.0 document can have.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_M = TypeVar("_M", bound=Message)


class MalformedMessageError(ValueError):
    """A document is not the message it should be; the text says what is wrong where, and what would be right."""


def to_xml(message: Message, declared: type[Message] | None = None) -> bytes:
    """The XML document of a message; fields that are None are left out, empty lists keep their wrapper.

    Where a message stands for a more general type, `declared` is that type: its root element is used.
    """
    parts = ["<?xml version='1.0' encoding='UTF-8'?>\n"]
    element = _element_of(declared or type(message))
    namespaces = f' xmlns:u="{NAMESPACE}" xmlns:xsi="{_XSI}"'
    is_own = "ELEMENT" in type(message).__dict__ and declared in (None, type(message))
    kind = "" if is_own else f' xsi:type="u:{type(message).__name__}"'
    parts.append(f"<u:{element}{namespaces}{kind}>")
    _write_fields(message, parts.append)
    parts.append(f"</u:{element}>")
    return "".join(parts).encode("utf-8")


def from_xml(data: bytes, message_type: type[_M]) -> _M:
    """Read an XML document; raises MalformedMessageError."""
    root = _parse_xml(data)
    name = etree.QName(root).localname
    expected = _element_of(message_type)
    own = {subtype.__dict__.get("ELEMENT"): subtype for subtype in subtypes(message_type).values()}
    if name != expected and name not in own:
        raise MalformedMessageError(f"The document's root element is {name}; expected is {expected}.")
    chosen: type[Any] = own[name] if name != expected else _xml_type(root, message_type)
    message: _M = _build(chosen, root, name)
    return message


def to_json(message: Message, declared: type[Message] | None = None) -> bytes:
    """The JSON document of a message; `declared` as with XML."""
    stands_for = declared or type(message)
    document = {_element_of(stands_for): _to_plain(message, stands_for)}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def from_json(data: bytes, message_type: type[_M]) -> _M:
    """Read a JSON document, with or without the root element's name around it; raises MalformedMessageError."""
    try:
        document = json.loads(data, object_pairs_hook=_object_without_duplicates)
    except RecursionError:
        raise MalformedMessageError("The JSON document is nested too deeply.") from None
    except UnicodeDecodeError as error:
        raise MalformedMessageError(f"The JSON document is not UTF-8: {error.reason}.") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedMessageError(f"The JSON document is malformed at {where}: {error.msg}.") from error
    expected = _element_of(message_type)
    if isinstance(document, dict) and list(document) == [expected] and isinstance(document[expected], dict):
        document = document[expected]
    return _build_json(message_type, document, expected)


def _element_of(message_type: type[Message]) -> str:
    """The root element of a type: its own, or that of the abstract type it belongs to."""
    if message_type.ELEMENT is None:
        raise TypeError(f"{message_type.__name__} is no document of its own")
    return message_type.ELEMENT


# Writing


def _write_fields(message: Message, write: Callable[[str], None]) -> None:
    values = message.__dict__
    for field in table_of(type(message)).fields:
        value = values[field.attribute]
        if value is None:
            continue
        if not field.is_list:
            _write_value(field.name, value, field, write)
            continue
        if field.item is not None:
            write(f"<{field.name}>")
        for item in value:
            _write_value(field.item or field.name, item, field, write)
        if field.item is not None:
            write(f"</{field.name}>")


def _write_value(name: str, value: Any, field: FieldTable, write: Callable[[str], None]) -> None:
    if field.message is None:
        write(f"<{name}>{_text(value, field)}</{name}>")
        return
    kind = f' xsi:type="u:{type(value).__name__}"' if type(value) is not field.message else ""
    write(f"<{name}{kind}>")
    _write_fields(value, write)
    write(f"</{name}>")


def _text(value: Any, field: FieldTable) -> str:
    match field.kind:
        case "number":
            return str(value)
        case "boolean":
            return "true" if value else "false"
        case "time":
            return _time(value)
        case "binary":
            return base64.b64encode(value).decode("ascii")
    text: str = value
    if "&" in text or "<" in text or ">" in text:
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if "\r" in text:
        text = text.replace("\r", "&#13;")
    return text if text.isascii() and text.isprintable() else _NOT_XML.sub("\ufffd", text)


def _time(value: dt.datetime) -> str:
    value = value.astimezone(dt.UTC).replace(tzinfo=None)
    return value.isoformat(timespec="milliseconds" if value.microsecond else "seconds") + "Z"


def _to_plain(message: Message, declared: type[Message]) -> dict[str, Any]:
    plain: dict[str, Any] = {} if type(message) is declared else {_TYPE_KEY: type(message).__name__}
    for field in table_of(type(message)).fields:
        value = message.__dict__[field.attribute]
        if value is None:
            continue
        if field.is_list:
            items = [_plain_value(item, field) for item in value]
            plain[field.name] = {field.item: items} if field.item else items
        else:
            plain[field.name] = _plain_value(value, field)
    return plain


def _plain_value(value: Any, field: FieldTable) -> Any:
    if field.message is not None:
        return _to_plain(value, field.message)
    if field.kind == "time":
        return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    return base64.b64encode(value).decode("ascii") if field.kind == "binary" else value


# Reading XML


def _parse_xml(data: bytes) -> etree._Element:
    if not data.strip():
        raise MalformedMessageError("The document is empty.")
    depth = elements = 0
    parser = etree.XMLPullParser(
        ("start", "end"),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        # In pieces, so that a document that is too deep or too long is refused before it is all in memory.
        for start in range(0, len(data), _CHUNK):
            parser.feed(data[start : start + _CHUNK])
            for event, _ in parser.read_events():
                depth += 1 if event == "start" else -1
                elements += event == "start"
                if depth > _MOST_DEPTH:
                    raise MalformedMessageError(f"The XML document is nested deeper than {_MOST_DEPTH} elements.")
                if elements > _MOST_ELEMENTS:
                    raise MalformedMessageError(f"The XML document has more than {_MOST_ELEMENTS} elements.")
        root: etree._Element = parser.close()
    except etree.XMLSyntaxError as error:
        raise MalformedMessageError(f"The XML document is malformed: {error.msg}.") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise MalformedMessageError("The XML document has a DOCTYPE, which is not allowed. Leave it out.")
    return root


_CHUNK = 1 << 16


def _xml_type(element: etree._Element, declared: type[Message]) -> type[Any]:
    """The type of an element: what xsi:type says where subtypes exist; clients write nonsense elsewhere."""
    choices = subtypes(declared)
    stated = str(element.get(_XSI_TYPE, "")).rpartition(":")[2]
    if stated in choices:
        return choices[stated]
    if is_abstract(declared):
        name = etree.QName(element).localname
        raise MalformedMessageError(
            f"Element {name} needs an xsi:type that names its kind: {', '.join(sorted(choices))}."
        )
    return declared


def _build(message_type: type[_M], element: etree._Element, path: str) -> _M:
    table = table_of(message_type)
    values: dict[str, Any] = {}
    for child in element:
        name = etree.QName(child).localname
        field = table.by_name.get(name)
        if field is None:
            raise MalformedMessageError(_unknown(name, table, path))
        values[field.attribute] = _read_field(field, child, values.get(field.attribute), f"{path}/{name}")
    return _validate(message_type, values, path)


def _read_field(field: FieldTable, element: etree._Element, before: Any, path: str) -> Any:
    if not field.is_list:
        return _read_value(field, element, path)
    items: list[Any] = before or []
    if field.item is None:
        return [*items, _read_value(field, element, path)]
    for child in element:
        name = etree.QName(child).localname
        if name != field.item:
            raise MalformedMessageError(f"{path}: unknown element {name}; its items are called {field.item}.")
        items.append(_read_value(field, child, f"{path}/{name}"))
    return items


def _read_value(field: FieldTable, element: etree._Element, path: str) -> Any:
    if field.message is not None:
        return _build(_xml_type(element, field.message), element, path)
    if len(element):
        raise MalformedMessageError(f"{path}: holds elements, but it is a plain value.")
    text = element.text or ""
    if not text and field.kind in ("boolean", "number"):
        return field.kind == "number" and 0
    return text if field.kind == "text" else _scalar(field, text.strip(), path)


def _scalar(field: FieldTable, text: str, path: str) -> str | bytes:
    """A value in its lexical form; what Pydantic would accept beyond the schema's form is refused here."""
    if field.kind == "boolean" and text not in ("true", "false", "1", "0"):
        raise MalformedMessageError(f"{path}: {text[:60]!r} is no boolean: use true or false.")
    if field.kind == "number" and not re.fullmatch(r"[+-]?\d{1,20}", text):
        raise MalformedMessageError(f"{path}: {text[:60]!r} is no whole number.")
    if field.kind == "binary":
        try:
            return base64.b64decode("".join(text.split()), validate=True)
        except ValueError:
            raise MalformedMessageError(f"{path}: is no base64 text.") from None
    return text


# Reading JSON


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise MalformedMessageError(f"The JSON document has the key {twice!r} twice in one object.")
    return result


def _build_json(declared: type[_M], document: Any, path: str) -> _M:
    if not isinstance(document, dict):
        raise MalformedMessageError(f"{path}: should be an object, but it is {_json_kind(document)}.")
    choices = subtypes(declared)
    stated = document.get(_TYPE_KEY, declared.__name__)
    if stated not in choices:
        raise MalformedMessageError(f'{path}: needs "{_TYPE_KEY}", one of {", ".join(sorted(choices))}.')
    message_type: type[Message] = choices[stated]
    table: MessageTable = table_of(message_type)
    values: dict[str, Any] = {}
    for name, value in document.items():
        field = table.by_name.get(name)
        if name == _TYPE_KEY or value is None:
            continue
        if field is None:
            raise MalformedMessageError(_unknown(name, table, path))
        values[field.attribute] = _json_field(field, value, f"{path}/{name}")
    return cast(_M, _validate(message_type, values, path))


def _json_field(field: FieldTable, value: Any, path: str) -> Any:
    if not field.is_list:
        return _json_value(field, value, path)
    if field.item is not None and isinstance(value, dict):
        unknown = set(value) - {field.item}
        if unknown:
            raise MalformedMessageError(f"{path}: unknown key {min(unknown)!r}; its items are in {field.item!r}.")
        value = value.get(field.item, [])
    items = value if isinstance(value, list) else [value]
    return [_json_value(field, item, f"{path}[{index}]") for index, item in enumerate(items)]


def _json_value(field: FieldTable, value: Any, path: str) -> Any:
    if field.message is not None:
        return _build_json(field.message, value, path)
    expected: dict[str, tuple[type, ...]] = {"boolean": (bool, str), "number": (int, str)}
    allowed = expected.get(field.kind, (str,))
    if not isinstance(value, allowed) or (field.kind == "number" and isinstance(value, bool)):
        raise MalformedMessageError(f"{path}: should be a {field.kind}, but it is {_json_kind(value)}.")
    return _scalar(field, value, path) if isinstance(value, str) and field.kind != "text" else value


def _json_kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")


# Both


def _unknown(name: str, table: MessageTable, path: str) -> str:
    near = difflib.get_close_matches(name, table.by_name, n=3)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return f"{path}: there is no element {name[:80]} here.{hint}"


def _validate(message_type: type[_M], values: dict[str, Any], path: str) -> _M:
    try:
        return message_type.model_validate(values, by_name=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        fields = {field.attribute: field.name for field in table_of(message_type).fields}
        place = str(first["loc"][0]) if first["loc"] else ""
        name = fields.get(place, place)
        given = first.get("input")
        shown = f"{given[:60]!r}: " if isinstance(given, str) else ""
        raise MalformedMessageError(f"{path}/{name}: {shown}{first['msg']}.") from error
