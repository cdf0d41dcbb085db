"""Restriction rules: for which distributions and formats a bundle is meant.

A rule compares `Distribution#family|pkgType|name|version|arch` and `TargetFormat#name|type` with values (`=`, `!=`),
joined with `&&`, `||` and parentheses. Capitals do not matter; a version also means its major part.
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from ingot.build.errors import BuildError

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

#: {`Object#field`: all values that it has, in small letters}; what is missing is not known.
Facts = Mapping[str, frozenset[str]]
FIELDS = (
    "Distribution#family",
    "Distribution#pkgType",
    "Distribution#name",
    "Distribution#version",
    "Distribution#arch",
    "TargetFormat#name",
    "TargetFormat#type",
)
_LONGEST, _DEEPEST = 4096, 32
_PACKAGE_TYPES = {"application/x-debian-package": "deb", "application/x-rpm": "rpm"}


class RuleError(BuildError):
    """A rule cannot be read."""


@dataclass(frozen=True)
class Rule:
    """A rule that was read; an empty one fits everything."""

    text: str
    _tree: "Tree[Token] | None"

    def fits(self, facts: Facts) -> bool | None:
        """Whether it fits; None when that depends on what is not known."""
        return True if self._tree is None else _evaluate(self._tree, facts)

    def asks_for(self, thing: str) -> bool:
        """Whether it mentions Distribution or TargetFormat."""
        return self._tree is not None and any(
            str(comparison.children[0]).lower() == thing.lower() for comparison in self._tree.find_data("comparison")
        )


def parse(text: str) -> Rule:
    """Read a rule; raises RuleError that shows where it is wrong."""
    from lark.exceptions import UnexpectedInput  # noqa: PLC0415 - few templates have rules, and all builds a start

    plain = text.strip()
    if not plain:
        return Rule("", None)
    if len(plain) > _LONGEST or plain.count("(") > _DEEPEST:
        raise RuleError(f"A restriction rule has at most {_LONGEST} characters and {_DEEPEST} parentheses.")
    if "\n" in plain or "\r" in plain:
        raise RuleError("A restriction rule is one line.")
    try:
        tree = _parser().parse(plain)
    except UnexpectedInput as error:
        at_end = getattr(getattr(error, "token", None), "type", "") == "$END"
        place = len(plain) if at_end else max(0, getattr(error, "pos_in_stream", None) or 0)
        rest = plain[place : place + 30] or "its end"
        raise RuleError(
            f"The restriction rule {plain!r} cannot be read at {rest!r}. A rule looks like "
            "Distribution#name=Debian && (TargetFormat#type=virtual || TargetFormat#type=cloud)."
        ) from error
    for comparison in tree.find_data("comparison"):
        name = "#".join(str(part) for part in comparison.children[:2])
        if name.lower() not in (field.lower() for field in FIELDS):
            raise RuleError(f"The restriction rule has {name}, which is not known: use {', '.join(FIELDS)}.")
    return Rule(plain, tree)


def distribution_facts(name: str, version: str, arch: str, package_type: str) -> dict[str, frozenset[str]]:
    """What rules can ask of a distribution; `package_type` is the media type of its packages."""
    return {
        "distribution#family": frozenset({"linux"}),
        "distribution#pkgtype": _values(package_type, _PACKAGE_TYPES.get(package_type.lower(), package_type)),
        "distribution#name": _values(name),
        "distribution#version": _values(version, version.partition(".")[0]),
        "distribution#arch": _values(arch),
    }


def format_facts(names: Iterable[str], kind: str) -> dict[str, frozenset[str]]:
    """What rules can ask of a target format: it may have several names."""
    return {"targetformat#name": _values(*names), "targetformat#type": _values(kind)}


def rule_of_systems(systems: Iterable[Mapping[str, str]]) -> str:
    """The rule of an old file's `oses`: any of those distributions."""
    terms = []
    for system in systems:
        parts = [f"Distribution#{key}='{system[key]}'" for key in ("name", "version", "arch") if system.get(key)]
        if parts:
            terms.append(f"({' && '.join(parts)})")
    return " || ".join(terms)


def _values(*values: str) -> frozenset[str]:
    return frozenset(value.lower() for value in values)


@functools.cache
def _parser() -> "Lark":
    from lark import Lark  # noqa: PLC0415 - as above

    grammar = resources.files("ingot.build").joinpath("restriction.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr")


def _evaluate(tree: "Tree[Token]", facts: Facts) -> bool | None:
    if tree.data == "comparison":
        return _compare(*(str(child) for child in tree.children), facts=facts)
    parts = [_evaluate(child, facts) for child in tree.children if not isinstance(child, str)]
    decisive = tree.data == "any"
    if decisive in parts:
        return decisive
    return None if None in parts else not decisive


def _compare(thing: str, field: str, symbol: str, value: str, *, facts: Facts) -> bool | None:
    known = facts.get(f"{thing}#{field}".lower())
    if known is None:
        return None
    plain = value[1:-1] if value[:1] in "'\"" else value.strip()
    return (plain.lower() in known) is (symbol != "!=")
