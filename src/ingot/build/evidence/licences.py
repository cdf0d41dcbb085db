"""Licences: from Debian's machine-readable copyright files to SPDX expressions."""

import functools
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from debian.deb822 import Deb822
from license_expression import get_spdx_licensing

#: Names that the copyright format gives to licences which SPDX calls something else.
_ALIASES = {
    "expat": "MIT",
    "artistic": "Artistic-1.0",
    "artistic-1": "Artistic-1.0",
    "artistic-2": "Artistic-2.0",
    "apache-2": "Apache-2.0",
    "cc0": "CC0-1.0",
    "bsd-2": "BSD-2-Clause",
    "bsd-3": "BSD-3-Clause",
    "openldap-2.8": "OLDAP-2.8",
    "mpl-1.1": "MPL-1.1",
    "psf-2": "PSF-2.0",
    "unicode": "Unicode-DFS-2016",
}
_EXCEPTIONS = {
    "bison": "Bison-exception-2.2",
    "classpath": "Classpath-exception-2.0",
    "font": "Font-exception-2.0",
    "gcc": "GCC-exception-3.1",
    "libtool": "Libtool-exception",
    "linux-syscall-note": "Linux-syscall-note",
    "llvm": "LLVM-exception",
    "texinfo": "Texinfo-exception",
}
_GNU = re.compile(r"(?P<name>a?gpl|lgpl|gfdl)(?P<niv>-niv)?-?v?(?P<version>\d(?:\.\d)?)(?:\.0)?(?P<later>\+?)", re.I)
_FORMAT = re.compile(r"(?im)^format(-specification)?:.*(copyright-format|dep5|\bdep-?5\b)")
_FIRST_BYTES = 4096
_LONGEST_TEXT = 20_000


@dataclass(frozen=True)
class Licence:
    """What a package is licensed under: an SPDX `expression`, empty when nothing that can be read says it; `texts`
    has the texts of the licences in it that SPDX does not know, by their LicenseRef.
    """

    expression: str = ""
    texts: tuple[tuple[str, str], ...] = ()


def read_copyright(text: str) -> Licence:
    """The licences that a copyright file declares, all of which apply to some part of the package."""
    if not _FORMAT.search(text[:_FIRST_BYTES]):
        return Licence()
    named: dict[str, None] = {}
    bodies: dict[str, str] = {}
    for paragraph in Deb822.iter_paragraphs(text.splitlines(), use_apt_pkg=False):
        synopsis, _, body = paragraph.get("License", "").partition("\n")
        synopsis = " ".join(synopsis.split())
        if not synopsis:
            continue
        if body.strip():
            bodies.setdefault(synopsis.lower(), _plain(body))
        # The packaging itself is no part of what is installed.
        if "Files" in paragraph and not _is_packaging(paragraph["Files"]):
            named[synopsis] = None
    return _joined(named, bodies)


def _is_packaging(patterns: str) -> bool:
    return all(pattern.startswith("debian/") for pattern in patterns.split())


def _plain(body: str) -> str:
    lines = [line[1:] if line.startswith(" ") else line for line in body.splitlines()]
    return "\n".join("" if line == "." else line for line in lines).strip("\n")[:_LONGEST_TEXT]


def _joined(names: Iterable[str], bodies: dict[str, str]) -> Licence:
    texts: dict[str, str] = {}
    parts: dict[str, None] = {}
    for name in names:
        part = _expression(name, bodies, texts)
        parts.update(dict.fromkeys([part] if " OR " in part else part.split(" AND ")))
    if len(parts) == 1:
        return Licence(next(iter(parts)), tuple(sorted(texts.items())))
    expression = " AND ".join(f"({part})" if " OR " in part else part for part in sorted(parts))
    return Licence(expression, tuple(sorted(texts.items())))


def _expression(name: str, bodies: dict[str, str], texts: dict[str, str]) -> str:
    """One License field: names with `or` and `and`, where a comma binds what stands before it together."""
    before, comma, after = name.rpartition(",")
    match = re.fullmatch(r"\s*(and|or)\s+(.+)", after, re.I) if comma else None
    if match:
        left, right = _expression(before, bodies, texts), _expression(match[2], bodies, texts)
        return f"({left}) {match[1].upper()} ({right})"
    words = []
    for part in re.split(r"\s+(and|or|and/or)\s+", name.replace(",", " "), flags=re.I):
        operator = {"and": "AND", "or": "OR", "and/or": "OR"}.get(part.lower())
        words.append(operator or _one(" ".join(part.split()), bodies, texts))
    return " ".join(words)


def _one(name: str, bodies: dict[str, str], texts: dict[str, str]) -> str:
    licence, has_exception, exception = re.sub(r"(?i)\s+exception$", "", name).partition(" with ")
    known = spdx_id(licence)
    if known and not has_exception:
        return known
    if known and (clause := _exception(exception, known)):
        return f"{known} WITH {clause}"
    text = bodies.get(name.lower()) or bodies.get(licence.lower()) or f"The licence that the package calls {name}."
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")[:60] or "unnamed"
    # Two packages may call different texts by the same name.
    reference = f"LicenseRef-{slug}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    texts[reference] = text
    return reference


def _exception(name: str, licence: str) -> str | None:
    word = name.lower().removesuffix(" exception")
    if word == "autoconf":
        return "Autoconf-exception-3.0" if "-3.0" in licence else "Autoconf-exception-2.0"
    return _EXCEPTIONS.get(word)


@functools.cache
def spdx_id(name: str) -> str | None:
    """SPDX's identifier of a licence that Debian calls so, or None."""
    match = _GNU.fullmatch(name)
    if match:
        version = match["version"] if "." in match["version"] else f"{match['version']}.0"
        invariants = "-no-invariants" if match["niv"] else ""
        name = f"{match['name'].upper()}-{version}{invariants}-{'or-later' if match['later'] else 'only'}"
    licensing = _licensing()
    key = _ALIASES.get(name.lower(), name)
    symbol = licensing.known_symbols_lowercase.get(key.lower())
    return str(symbol.key) if symbol is not None and not symbol.is_exception else None


@functools.cache
def _licensing() -> Any:
    return get_spdx_licensing()
