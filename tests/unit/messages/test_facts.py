"""Every message is what the facts about the API say: `facts.tsv` has a line for each type.

A line is: name (`!` when only subtypes occur), base, root elements, fields in order. A field is `name:type`, a string
where no type stands; `name[item]:type` is a wrapped list, `type*` a list without a wrapper, `=a|b` an enumeration.
"""

import importlib
import pkgutil
import typing
from pathlib import Path

import pytest

import ingot.messages
from ingot.messages.base import Message
from ingot.messages.table import FieldTable, is_abstract, table_of

_KINDS = {
    "": "text",
    "anyURI": "text",
    "seLinuxMode": "text",
    "boolean": "boolean",
    "long": "number",
    "int": "number",
    "dateTime": "time",
    "base64Binary": "binary",
}


def _all_messages() -> dict[str, type[Message]]:
    for module in pkgutil.iter_modules(ingot.messages.__path__):
        importlib.import_module(f"ingot.messages.{module.name}")
    found: dict[str, type[Message]] = {}
    pending = [Message]
    while pending:
        for subtype in pending.pop().__subclasses__():
            found[subtype.__name__] = subtype
            pending.append(subtype)
    return found


MESSAGES = _all_messages()
FACTS = {
    line.split("\t")[0].rstrip("!"): line.split("\t")
    for line in (Path(__file__).parent / "facts.tsv").read_text(encoding="utf-8").splitlines()
}


def test_there_is_a_fact_for_every_message_and_a_message_for_every_fact() -> None:
    assert set(MESSAGES) == set(FACTS)


@pytest.mark.parametrize("name", sorted(FACTS))
def test_a_message_is_as_the_facts_say(name: str) -> None:
    marked, base, elements, fields = FACTS[name]
    message = MESSAGES[name]
    assert is_abstract(message) == marked.endswith("!")
    assert (message.__mro__[1].__name__ if message.__mro__[1] is not Message else "-") == base
    assert (message.__dict__.get("ELEMENT") or "-") == elements.split(",")[0]
    inherited = len(table_of(message.__mro__[1]).fields) if message.__mro__[1] is not Message else 0
    assert [_spell(message, field) for field in table_of(message).fields[inherited:]] == [
        _normalize(field) for field in fields.split(" ; ") if field
    ]


def _normalize(field: str) -> tuple[str, str, str, tuple[str, ...]]:
    field, _, choices = field.partition("=")
    name, _, kind = field.partition(":")
    name, _, item = name.rstrip("]").partition("[")
    is_plain_list = kind.endswith("*")
    kind = _KINDS.get(kind.rstrip("*"), kind)
    if kind == "text" and field.endswith("seLinuxMode"):
        choices = "disabled|permissive|enforcing"
    return name, f"{item}*" if is_plain_list else item, kind, tuple(sorted(choices.split("|"))) if choices else ()


def _spell(message: type[Message], field: FieldTable) -> tuple[str, str, str, tuple[str, ...]]:
    kind = field.message.__name__ if field.message else field.kind
    item = (field.item or "*") if field.is_list else ""
    return field.name, item, kind, tuple(sorted(_choices(message.model_fields[field.attribute].annotation)))


def _choices(annotation: object) -> list[str]:
    if typing.get_origin(annotation) is typing.Literal:
        return list(typing.get_args(annotation))
    return [choice for argument in typing.get_args(annotation) for choice in _choices(argument)]
