"""What a template file says that cannot be built, beyond its form: names of nothing, names given twice, missing files.

The rules look at plain values, so that their mistakes are told together with those of form. What only the built tree
can tell (a group of a package) or the package lists (a package's name) is told by the build.
"""

import difflib
import re
import zoneinfo
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ingot.build.distributions import canonical, known_distributions
from ingot.build.public_key import why_no_public_key
from ingot.build.tree.keyboard import KEYBOARDS

#: (Where it stands in the document, what is wrong.)
Finding = tuple[tuple[str | int, ...], str]
HOSTNAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.(?!-)[A-Za-z0-9-]{1,63})*")
ACCOUNT = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")


def findings(stack: dict[str, Any], directory: Path) -> Iterator[Finding]:
    """Everything that is wrong with a `stack`; `directory` is where its files lie."""
    yield from _system(_section(stack, "os"))
    installation = _section(stack, "installation")
    yield from _machine(installation)
    for key in ("users", "groups"):
        accounts = _sections(installation, key)
        yield from _names(("stack", "installation", key), accounts, "is there twice")
        for index, entry in accounts:
            if isinstance(name := entry.get("name"), str) and not ACCOUNT.fullmatch(name):
                words = (
                    "cannot be the name of a user or group: use up to 32 of a-z, 0-9, '_', '-' and '.', a letter first"
                )
                yield ("stack", "installation", key, index, "name"), f"{name!r}: {words}"
    root = _section(installation, "rootUser")
    yield from _keys(("stack", "installation", "rootUser"), root)
    for index, user in _sections(installation, "users"):
        yield from _keys(("stack", "installation", "users", index), user)
    yield from _names(("stack", "os", "pkgs"), _sections(_section(stack, "os"), "pkgs"), "is asked for twice")
    scripts = _sections(stack, "config")
    yield from _names(("stack", "config"), scripts, "is there twice")
    for index, script in scripts:
        if isinstance(source := script.get("source"), str):
            yield from missing_source(("stack", "config", index, "source"), source, directory)


def near(word: str, known: Iterable[str]) -> str:
    """The known names that a word may have meant, or some of all, as the end of a sentence."""
    names = {name.lower(): name for name in known}
    found = [names[entry] for entry in difflib.get_close_matches(word.lower(), names, n=3, cutoff=0.5)]
    if found:
        return f"did you mean {', '.join(found)}?"
    return f"there are {', '.join(names.values())}" if len(names) <= 20 else "the reference names those there are"


def _system(system: dict[str, Any]) -> Iterator[Finding]:
    """The first of name, version, architecture and profile that names nothing."""
    offered = list(known_distributions())
    for key, default in (("name", None), ("version", None), ("arch", "x86_64")):
        value = system.get(key, default)
        if not isinstance(value, str | int):
            return
        value = canonical(value) if key == "arch" else value
        known = sorted({str(getattr(distribution, key)) for distribution in offered})
        offered = [entry for entry in offered if str(getattr(entry, key)).lower() == str(value).lower()]
        if not offered:
            hint = f"there are {', '.join(known)}" if key == "version" else near(str(value), known)
            yield ("stack", "os", key), f"{value!r}: cannot be built; {hint}"
            return
    profile = system.get("profile", "Minimal")
    names = [entry.name for entry in offered[0].profiles]
    is_own = system.get("profilePackages") is None
    if is_own and isinstance(profile, str) and profile.lower() not in (name.lower() for name in names):
        yield ("stack", "os", "profile"), f"{profile!r}: is no profile; {near(profile, names)}"


def _machine(installation: dict[str, Any]) -> Iterator[Finding]:
    zone, keyboard, hostname = (installation.get(key) for key in ("timezone", "keyboard", "hostname"))
    if isinstance(zone, str) and zone not in (zones := zoneinfo.available_timezones()):
        yield ("stack", "installation", "timezone"), f"{zone!r}: is no time zone; {_near_zone(zone, zones)}"
    if isinstance(keyboard, str) and keyboard not in KEYBOARDS:
        yield ("stack", "installation", "keyboard"), f"{keyboard!r}: is no keyboard; {near(keyboard, KEYBOARDS)}"
    if isinstance(hostname, str) and not HOSTNAME.fullmatch(hostname):
        words = "is no host name: use letters, digits and '-', at most 63 between dots"
        yield ("stack", "installation", "hostname"), f"{hostname!r}: {words}"


def _near_zone(zone: str, zones: Iterable[str]) -> str:
    """A city alone is what people mistake for a zone."""
    city = zone.rpartition("/")[2].replace(" ", "_").lower()
    same = sorted(name for name in zones if name.rpartition("/")[2].lower() == city)
    return f"did you mean {', '.join(same[:3])}?" if same else near(zone, zones)


def _names(
    place: tuple[str | int, ...], entries: Iterable[tuple[int, dict[str, Any]]], words: str
) -> Iterator[Finding]:
    seen: set[tuple[str, Any]] = set()
    for index, entry in entries:
        name = entry.get("name")
        if not isinstance(name, str):
            continue
        if (name, entry.get("arch")) in seen:
            yield (*place, index, "name"), f"{name!r}: {words}"
        seen.add((name, entry.get("arch")))


def _keys(place: tuple[str | int, ...], user: dict[str, Any]) -> Iterator[Finding]:
    for index, key in _sections(user, "sshKeys"):
        if isinstance(text := key.get("publicKey"), str) and (words := why_no_public_key(text)):
            yield (*place, "sshKeys", index, "publicKey"), words


def missing_source(
    place: tuple[str | int, ...], source: str, directory: Path, *, may_be_directory: bool = False
) -> Iterator[Finding]:
    """What is wrong with a source that is to be a file (or a directory) below the template's directory."""
    path = Path(source)
    if path.is_absolute() or ".." in path.parts:
        yield place, f"{source!r}: lies outside the template's directory"
    elif not (directory / path).is_file() and not (may_be_directory and (directory / path).is_dir()):
        here = [entry.name for entry in (directory / path).parent.glob("*") if entry.is_file()][:1000]
        hint = difflib.get_close_matches(path.name, here, n=1)
        meant = f"; did you mean {path.with_name(hint[0])}?" if hint else f" in {directory}"
        yield place, f"{source!r}: there is no such file{meant}"


def _section(parent: dict[str, Any], key: str) -> dict[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def _sections(parent: dict[str, Any], key: str) -> list[tuple[int, dict[str, Any]]]:
    value = parent.get(key)
    return [(i, entry) for i, entry in enumerate(value) if isinstance(entry, dict)] if isinstance(value, list) else []
