"""`ingot cache`: what builds keep for the next one."""

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import typer

from ingot.build.cache import Cache, CacheEntry, Kind
from ingot.build.differences import differences
from ingot.cli.engine import ask_engine
from ingot.cli.output import FAILED, NOT_FOUND, WRONG_USE, Output, console, errors, fail, print_json, print_rows, say

_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_SHORT = 12
_KINDS: dict[Kind, str] = {"trees": "tree", "disks": "disk", "clusters": "clusters"}


def show_list(cache_dir: Path, output: Output) -> None:
    """Print the entries, and the package files as one line."""
    cache = Cache(_absolute(cache_dir))
    entries, files = cache.entries(), list(cache.files())
    if output is Output.JSON:
        print_json(
            {
                "entries": [
                    {"kind": e.kind, "key": e.key, "title": e.title, "size": e.size, "used": e.used} for e in entries
                ],
                "packages": {"count": len(files), "size": sum(file.size for file in files)},
            }
        )
        return
    columns = {
        "Key": lambda entry: entry.key[:_SHORT],
        "Kind": lambda entry: _KINDS[entry.kind],
        "What": lambda entry: entry.title,
        "MiB>": lambda entry: entry.size >> 20,
        "Last used": lambda entry: f"{dt.datetime.fromtimestamp(entry.used, dt.UTC):%Y-%m-%d %H:%M}",
    }
    print_rows(entries, columns, "There are no trees, no disks and no clusters.")
    say(f"{len(files)} package files with {sum(file.size for file in files) >> 20} MiB")


def prune(cache_dir: Path, to: str) -> None:
    """Remove down to a size."""
    count = size = 0
    for document in ask_engine("prune", str(_absolute(cache_dir)), str(_bytes(to))):
        count, size = count + 1, size + int(document["size"])
    say(f"Removed {count} things with {size >> 20} MiB.")


def verify(cache_dir: Path) -> None:
    """Check everything; ends with 1 when something was damaged."""
    count, damaged = 0, []
    with errors.status("Checking"):
        for document in ask_engine("verify", str(_absolute(cache_dir))):
            count += 1
            if document["problem"]:
                damaged.append(document)
    for document in damaged:
        end = "removed" if document["removed"] else "in use, and left"
        console.print(f"{document['checked'][:_SHORT]}: {document['problem']}; {end}", markup=False)
    say(f"Checked {count} things; {len(damaged)} were damaged.")
    if damaged:
        raise typer.Exit(FAILED)


def why(cache_dir: Path, first: str, second: str) -> None:
    """Print the differences of two descriptions, a line each."""
    cache = Cache(_absolute(cache_dir))
    before, after = _description(cache, first), _description(cache, second)
    lines = list(differences(before, after))
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    if not lines:
        say("They are made from the same things.")


def _description(cache: Cache, name: str) -> dict[str, Any]:
    file = Path(name)
    if file.is_file():
        try:
            document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            fail(f"{name} is no manifest: {error}.", code=WRONG_USE)
        return document
    found: list[CacheEntry] = [entry for entry in cache.entries() if entry.key.startswith(name)]
    if len(found) != 1:
        words = "Nothing" if not found else f"More than one thing ({len(found)})"
        fail(f"{words} in the cache has a key that begins with {name}. See `ingot cache list`.", code=NOT_FOUND)
    return found[0].description


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+)([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None:
        fail(f"{text} is no size: use bytes, or a number with K, M, G or T, such as 20G.", code=WRONG_USE)
    return int(match[1]) << _UNITS[match[2].upper()]


def _absolute(cache_dir: Path) -> Path:
    return cache_dir.expanduser().absolute()
