"""What the bundles of a template file say that cannot be built, beyond their form; see `template_rules`."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ingot.build import restriction
from ingot.build.addresses import is_remote
from ingot.build.bundles import PACKAGE_SUFFIXES
from ingot.build.template_rules import Finding, missing_source

#: There only while the machine runs: what the image has there is never seen.
_VOLATILE = ("/dev", "/proc", "/run", "/sys")
_OF_SOFTWARE = ("rights", "ownerGroup", "symlink", "destination", "extract", "install")
_OF_SCRIPTS = ("bootOrder", "bootType")
_SUMS = {"md5sum": 32, "sha256sum": 64}
_Place = tuple[str | int, ...]


def findings(stack: dict[str, Any], directory: Path) -> Iterator[Finding]:
    """Everything that is wrong with the bundles of a `stack`; `directory` is where their files lie."""
    entries = stack.get("bundles")
    seen: set[tuple[object, str]] = set()
    for index, bundle in enumerate(entries if isinstance(entries, list) else []):
        if not isinstance(bundle, dict):
            continue
        place = ("stack", "bundles", index)
        key = (bundle.get("name"), str(bundle.get("version")))
        if key in seen:
            yield (*place, "name"), f"{key[0]!r}: this version of it is there twice"
        seen.add(key)
        yield from bundle_findings(place, bundle, directory)


def bundle_findings(place: _Place, bundle: dict[str, Any], directory: Path) -> Iterator[Finding]:
    """Everything that is wrong with one bundle."""
    yield from _destination(place, bundle, is_relative=False)
    if isinstance(rule := bundle.get("restrictionRule"), str):
        try:
            restriction.parse(rule)
        except restriction.RuleError as error:
            yield (*place, "restrictionRule"), error.message
    for key in ("license", "source_logo"):
        value = bundle.get(key)
        source = value.get("source") if isinstance(value, dict) else value
        if isinstance(source, str) and not is_remote(source):
            yield from missing_source((*place, key), source, directory)
    yield from _files((*place, "files"), bundle.get("files"), directory, depth=0)


def _files(place: _Place, entries: object, directory: Path, *, depth: int) -> Iterator[Finding]:
    names: set[tuple[object, object, object]] = set()
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            key = (entry.get("tag", "softwarefile"), entry.get("destination"), entry.get("name"))
            if key in names:
                yield (*place, index, "name"), f"{entry.get('name')!r}: is there twice"
            names.add(key)
            yield from _file((*place, index), entry, directory, depth=depth)


def _file(place: _Place, entry: dict[str, Any], directory: Path, *, depth: int) -> Iterator[Finding]:
    tag = str(entry.get("tag") or "softwarefile").lower()
    if isinstance(name := entry.get("name"), str) and (name in (".", "..") or "/" in name) and tag == "softwarefile":
        yield (*place, "name"), f"{name!r}: is no file name; say where it goes with destination"
    if tag != "softwarefile" and depth:
        yield (*place, "tag"), f"{tag!r}: is possible only for what stands in the bundle itself, not in a directory"
    for key in _OF_SCRIPTS if tag != "bootscript" else _OF_SOFTWARE:
        if key in entry:
            yield (*place, key), f"has no meaning for a {tag}"
    yield from _destination(place, entry, is_relative=True)
    for key, length in _SUMS.items():
        if isinstance(text := entry.get(key), str) and not re.fullmatch(f"[0-9a-fA-F]{{{length}}}", text):
            yield (*place, key), f"{text!r}: is no {key[:-3].upper()}; it has {length} digits of 0-9 and a-f"
    yield from _source(place, entry, tag, directory)
    if entry.get("files"):
        if tag != "softwarefile":
            yield (*place, "files"), f"has no meaning for a {tag}"
        yield from _files((*place, "files"), entry["files"], directory, depth=depth + 1)


def _source(place: _Place, entry: dict[str, Any], tag: str, directory: Path) -> Iterator[Finding]:
    source = entry.get("source")
    if tag == "ospkg":
        return
    if source is None:
        if tag == "bootscript" or "files" not in entry:
            yield (*place, "source"), "is missing"
    elif isinstance(source, str) and source.lower().startswith("ftp:"):
        yield (*place, "source"), f"{source!r}: cannot be fetched; use an http or https address"
    elif isinstance(source, str) and not is_remote(source):
        yield from missing_source((*place, "source"), source, directory, may_be_directory=tag == "softwarefile")
        is_package = str(entry.get("name")).lower().endswith(PACKAGE_SUFFIXES)
        if entry.get("extract") in (True, "true") and (is_package or (directory / source).is_dir()):
            yield (*place, "extract"), "is for archives: tar (also with gzip, bzip2, xz), zip or one compressed file"


def _destination(place: _Place, entry: dict[str, Any], *, is_relative: bool) -> Iterator[Finding]:
    destination = entry.get("destination")
    if not isinstance(destination, str):
        return
    if ".." in PurePosixPath(destination).parts:
        yield (*place, "destination"), f"{destination!r}: has '..'; name the directory itself"
    elif any(destination == top or destination.startswith(f"{top}/") for top in _VOLATILE):
        yield (
            (*place, "destination"),
            f"{destination!r}: is there only while the machine runs; choose another directory",
        )
    elif not is_relative and not destination.startswith("/"):
        yield (*place, "destination"), f"{destination!r}: is no absolute path"
