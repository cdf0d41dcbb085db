"""Every message is what the facts about the API say: `facts.tsv` has a line for each type.

A line is: name (`!` when only subtypes occur), base, root elements, fields in order. A field is `name:type`, a string
where no type stands; `name[item]:type` is a wrapped list, `type*` a list without a wrapper, `=a|b` an enumeration;
a `!` after the type marks what a message must have, a `?` what it must have but may have as nil.
"""

import importlib
import pkgutil
from pathlib import Path

import pytest

import ingot.messages
from ingot.messages.base import Message
from ingot.messages.table import FieldTable, table_of

_KINDS = {
    "": "text",
    "anyURI": "text",
    "seLinuxMode": "text",
    "boolean": "boolean",
    "long": "long",
    "int": "int",
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
            if subtype.__module__ != "ingot.messages.extension":  # of ours, and no fact about the original's API
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
    assert table_of(message).abstract == marked.endswith("!")
    assert (message.__mro__[1].__name__ if message.__mro__[1] is not Message else "-") == base
    assert (message.__dict__.get("ELEMENT") or "-") == elements.split(",")[0]
    inherited = len(table_of(message.__mro__[1]).fields) if message.__mro__[1] is not Message else 0
    assert [_spell(field) for field in table_of(message).fields[inherited:]] == [
        _normalize(field) for field in fields.split(" ; ") if field
    ]


_Spelling = tuple[str, str, str, str, tuple[str, ...]]


def _normalize(field: str) -> _Spelling:
    field, _, choices = field.partition("=")
    mark = field[-1] if field[-1] in "!?" else ""
    field = field.removesuffix(mark)
    name, _, kind = field.partition(":")
    name, _, item = name.rstrip("]").partition("[")
    is_plain_list = kind.endswith("*")
    kind = _KINDS.get(kind.rstrip("*"), kind)
    if kind == "text" and field.endswith("seLinuxMode"):
        choices = "disabled|permissive|enforcing"
    item = f"{item}*" if is_plain_list else item
    return name, item, kind, mark, tuple(sorted(choices.split("|"))) if choices else ()


def _spell(field: FieldTable) -> _Spelling:
    kind = field.message.__name__ if field.message else field.kind
    item = (field.item or "*") if field.is_list else ""
    mark = "!" if field.required else "?" if field.nillable else ""
    return field.name, item, kind, mark, tuple(sorted(field.choices))
