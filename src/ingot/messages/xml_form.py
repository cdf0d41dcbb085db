"""Messages as XML documents, and back."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from lxml import etree

from ingot.messages.base import Message
from ingot.messages.table import NAMESPACE, FieldTable, Kind, element_of, is_abstract, subtypes, table_of
from ingot.messages.values import (
    MOST_VALUES,
    READERS,
    MalformedMessageError,
    binary_text,
    check_depth,
    check_size,
    clean,
    time_text,
    unknown,
    validated,
)

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_XSI_TYPE = f"{{{_XSI}}}type"
_XSI_NIL = f"{{{_XSI}}}nil"
_DECLARED_ENCODING = re.compile(rb"<\?xml[^>]*?\sencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
#: The only place where a DOCTYPE can stand: before the root element, among comments and instructions.
_DOCTYPE = re.compile(rb"(?:\s+|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL)
_ENCODINGS = {"utf-8", "us-ascii", "iso-8859-1"}
_EMPTY: dict[Kind, Any] = {"text": "", "boolean": False, "int": 0, "long": 0, "integer": 0}
_M = TypeVar("_M", bound=Message)


def to_xml(message: Message, declared: type[Message] | None = None) -> bytes:
    """The XML document of a message."""
    element = element_of(declared or type(message))
    is_own = "ELEMENT" in type(message).__dict__ and declared in (None, type(message))
    kind = "" if is_own else f' xsi:type="u:{type(message).__name__}"'
    parts = [
        "<?xml version='1.0' encoding='UTF-8'?>\n",
        f'<u:{element} xmlns:u="{NAMESPACE}" xmlns:xsi="{_XSI}"{kind}>',
    ]
    _write_fields(message, parts.append)
    parts.append(f"</u:{element}>")
    return "".join(parts).encode("utf-8")


def from_xml(data: bytes, message_type: type[_M]) -> _M:
    """Read an XML document; raises MalformedMessageError."""
    root = _parse(data)
    name = etree.QName(root)
    if name.namespace not in (None, NAMESPACE):
        raise MalformedMessageError(
            f"The document's root element is in the namespace {name.namespace[:80]}; expected is {NAMESPACE}."
        )
    expected = element_of(message_type)
    own: dict[str | None, type[Any]] = {
        subtype.__dict__.get("ELEMENT"): subtype for subtype in subtypes(message_type).values()
    }
    if name.localname != expected and name.localname not in own:
        raise MalformedMessageError(f"The document's root element is {name.localname[:80]}; expected is {expected}.")
    try:
        chosen = own[name.localname] if name.localname != expected else _type_of(root, message_type)
        message: _M = _read(chosen, root, 0)
    except MalformedMessageError as fault:
        fault.place.append(name.localname)
        raise
    return message


# Writing


def _write_fields(message: Message, write: Callable[[str], None]) -> None:
    values = message.__dict__
    table = table_of(type(message))
    if table.abstract:
        raise TypeError(f"{table.type.__name__} is abstract: only its subtypes can be written")
    for field in table.fields:
        value = values[field.attribute]
        name = field.name
        if value is None:
            if field.nillable:
                write(f'<{name} xsi:nil="true"/>')
        elif field.is_list:
            _write_list(field, value, write)
        elif field.message is None:
            write(f"<{name}>{_WRITERS[field.kind](value)}</{name}>")
        else:
            _write_message(name, field.message, value, write)


def _write_list(field: FieldTable, values: list[Any], write: Callable[[str], None]) -> None:
    name = field.item or field.name
    if field.item is not None:
        write(f"<{field.name}>")
    for value in values:
        if field.message is None:
            write(f"<{name}>{_WRITERS[field.kind](value)}</{name}>")
        else:
            _write_message(name, field.message, value, write)
    if field.item is not None:
        write(f"</{field.name}>")


def _write_message(name: str, declared: type[Message], value: Message, write: Callable[[str], None]) -> None:
    kind = f' xsi:type="u:{type(value).__name__}"' if type(value) is not declared else ""
    write(f"<{name}{kind}>")
    _write_fields(value, write)
    write(f"</{name}>")


def _text(text: str) -> str:
    if "&" in text or "<" in text or ">" in text:
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if not text.isprintable():
        # A carriage return would come back as a line feed.
        text = clean(text).replace("\r", "&#13;")
    return text


_WRITERS: dict[Kind, Callable[[Any], str]] = {
    "text": _text,
    "boolean": lambda value: "true" if value else "false",
    "int": str,
    "long": str,
    "integer": str,
    "float": repr,
    "time": time_text,
    "binary": binary_text,
}


# Reading


def _parse(data: bytes) -> etree._Element:
    """The root element; what could cost more than its size is refused before it is parsed."""
    check_size(data)
    data = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not data:
        raise MalformedMessageError("The document is empty.")
    if _DOCTYPE.match(data):
        raise MalformedMessageError("The XML document has a DOCTYPE, which is not allowed. Leave it out.")
    if data.count(b"<") - data.count(b"</") > MOST_VALUES:
        raise MalformedMessageError(f"The XML document has more than {MOST_VALUES} elements.")
    declared = _DECLARED_ENCODING.match(data)
    encoding = declared[1].decode("ascii").lower() if declared else "utf-8"
    if encoding not in _ENCODINGS:
        raise MalformedMessageError(f"The XML document is in {encoding}. Send it in UTF-8.")
    parser = etree.XMLParser(
        encoding=encoding,
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
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise MalformedMessageError(f"The XML document is malformed: {' '.join(str(error.msg).split())}.") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise MalformedMessageError("The XML document has a DOCTYPE, which is not allowed. Leave it out.")
    return root


def _type_of(element: etree._Element, declared: type[Message]) -> type[Any]:
    """The type of an element: what xsi:type says where subtypes exist; clients write nonsense elsewhere."""
    choices = subtypes(declared)
    if len(choices) > 1 or is_abstract(declared):
        stated = str(element.get(_XSI_TYPE, "")).rpartition(":")[2]
        if stated in choices:
            return choices[stated]
        if is_abstract(declared):
            needed = f"an xsi:type that names its kind: {', '.join(sorted(choices))}"
            found = f", not {stated[:80]}" if stated else ""
            raise MalformedMessageError(f"it needs {needed}{found}.")
    return declared


def _read(message_type: type[_M], element: etree._Element, depth: int) -> _M:
    check_depth(depth)
    table = table_of(message_type)
    if element.text and (text := element.text.strip()):
        raise MalformedMessageError(f"has the text {text[:60]!r}, where only elements can stand.")
    values: dict[str, Any] = {}
    for child in element:
        field = table.by_tag.get(child.tag)
        if field is None:
            raise unknown(etree.QName(child).localname, table)
        try:
            values[field.attribute] = _read_field(field, child, values.get(field.attribute), depth)
        except MalformedMessageError as fault:
            fault.place.append(field.name)
            raise
    return validated(message_type, values)


def _read_field(field: FieldTable, element: etree._Element, before: Any, depth: int) -> Any:
    if field.is_list and field.item is None:
        items: list[Any] = [] if before is None else before
        items.append(_read_value(field, element, depth))
        return items
    if before is not None:
        raise MalformedMessageError("stands twice in one message.")
    return _read_items(field, element, depth) if field.is_list else _read_value(field, element, depth)


def _read_items(field: FieldTable, element: etree._Element, depth: int) -> list[Any]:
    items: list[Any] = []
    wanted = (field.item, f"{{{NAMESPACE}}}{field.item}")
    for child in element:
        if child.tag not in wanted:
            name = etree.QName(child).localname
            raise MalformedMessageError(f"unknown element {name[:80]}; its items are called {field.item}.")
        try:
            items.append(_read_value(field, child, depth))
        except MalformedMessageError as fault:
            fault.place.append(f"{field.item}[{len(items)}]")
            raise
    return items


def _read_value(field: FieldTable, element: etree._Element, depth: int) -> Any:
    if field.message is not None:
        return _read(_type_of(element, field.message), element, depth + 1)
    if len(element):
        raise MalformedMessageError("holds elements, but it is a plain value.")
    text = element.text
    kind = field.kind
    if text is None:
        if element.get(_XSI_NIL) in ("true", "1"):
            return None
        text = ""
    if kind == "text":
        return text
    text = text.strip()
    return READERS[kind](text) if text or kind not in _EMPTY else _EMPTY[kind]
