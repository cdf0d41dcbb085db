"""Say where two images differ: which partition, which file in it, and what of the file.

Disks in any format that QEMU reads and tar archives, also compressed with gzip. Must run inside the namespace of a
build, so that the files of file systems keep their owners.
"""

import difflib
import filecmp
import gzip
import hashlib
import json
import os
import stat
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ingot.build.errors import BuildError
from ingot.build.run import ProgramFailedError, run
from ingot.build.sparse import data

_SECTOR = 512
_CHUNK = 1 << 20
_LONGEST_DIFF = 12
_LARGEST_TEXT = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_EXT_MAGIC, _EXT_MAGIC_AT = b"\x53\xef", 1024 + 56
_FAT_MAGIC, _FAT_MAGIC_AT = b"FAT", (54, 82)


@dataclass(frozen=True)
class _Entry:
    """What a directory says of a file: everything but its content."""

    kind: str
    mode: int
    owner: int
    group: int
    size: int
    modified: int
    target: str


def compare(first: Path, second: Path, scratch: Path) -> Iterator[str]:
    """One line for each difference of two images, in words for people; none when they hold the same.

    `scratch` is a directory with room for what is in both.
    """
    if filecmp.cmp(first, second, shallow=False):
        return
    if tarfile.is_tarfile(first) and tarfile.is_tarfile(second):
        yield from _compare_archives(first, second)
        return
    plain = [_decompressed(file, scratch / f"plain-{number}") for number, file in enumerate((first, second), 1)]
    disks = [_raw(file, scratch / f"disk-{number}") for number, file in enumerate(plain, 1)]
    before = list(_compare_disks(disks[0], disks[1], scratch))
    yield from before
    if not before:
        yield "the machine's disk is the same; the files differ in how they hold it"


def _decompressed(file: Path, target: Path) -> Path:
    """What a gzip file holds; any other file as it is."""
    with file.open("rb") as head:
        if head.read(len(_GZIP_MAGIC)) != _GZIP_MAGIC:
            return file
    with gzip.open(file) as reader, target.open("wb") as writer:
        while chunk := reader.read(_CHUNK):
            if chunk.strip(b"\0"):
                writer.write(chunk)
            else:
                writer.seek(len(chunk), os.SEEK_CUR)
        writer.truncate(writer.tell())
    return target


def _raw(file: Path, target: Path) -> Path:
    """The disk that an image holds, as raw bytes."""
    try:
        info = json.loads(run(["qemu-img", "info", "--output=json", file]))
        if info["format"] == "raw":
            return file
        run(["qemu-img", "convert", "-O", "raw", file, target])
    except ProgramFailedError as error:
        raise BuildError(f"{file} is no image that can be read: {error.message}") from error
    return target


def _compare_disks(first: Path, second: Path, scratch: Path) -> Iterator[str]:
    tables = [_partitions(disk) for disk in (first, second)]
    if first.stat().st_size != second.stat().st_size:
        yield f"disk: {first.stat().st_size} → {second.stat().st_size} bytes"
    yield from _compare_values("partition table", tables[0]["table"], tables[1]["table"])
    for name in dict.fromkeys([*tables[0]["partitions"], *tables[1]["partitions"]]):
        one, other = (table["partitions"].get(name) for table in tables)
        if one is None or other is None:
            yield f"partition {name}: only in the {'first' if other is None else 'second'}"
            continue
        yield from _compare_values(f"partition {name}", one, other)
        place = (one["start"] * _SECTOR, one["size"] * _SECTOR)
        offset = _first_difference(first, second, place, (other["start"] * _SECTOR, other["size"] * _SECTOR))
        if offset is not None:
            yield from _compare_file_systems(name, (first, one), (second, other), offset, scratch)
    offset = _first_difference(first, second, (0, 34 * _SECTOR), (0, 34 * _SECTOR))
    if offset is not None and offset < _SECTOR:
        yield f"boot sector: byte {offset} differs"


def _partitions(disk: Path) -> dict[str, Any]:
    """{"table": {field: value}, "partitions": {name: {field: value}}}; of a disk without a table, nothing."""
    try:
        table = json.loads(run(["sfdisk", "--json", disk]))["partitiontable"]
    except ProgramFailedError:
        size = disk.stat().st_size // _SECTOR
        return {"table": {}, "partitions": {"(whole disk)": {"start": 0, "size": size}}}
    partitions = {}
    for number, fields in enumerate(table.pop("partitions", []), 1):
        del fields["node"]
        partitions[f"{number} ({fields.get('name', fields['type'])})"] = fields
    del table["device"]
    return {"table": table, "partitions": partitions}


def _compare_values(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for field in sorted({*before, *after}):
        if before.get(field) != after.get(field):
            yield f"{what}: {field} {before.get(field)} → {after.get(field)}"


def _first_difference(first: Path, second: Path, place: tuple[int, int], other: tuple[int, int]) -> int | None:
    """The first byte, counted from the start of each part (start, size), that is not the same."""
    with first.open("rb", buffering=0) as one, second.open("rb", buffering=0) as two:
        extents = {
            start - begin
            for file, (begin, size) in ((one, place), (two, other))
            for lower, upper in data(file.fileno())
            for start in range(max(lower, begin) // _CHUNK * _CHUNK, min(upper, begin + size), _CHUNK)
        }
        for offset in sorted(max(0, extent) for extent in extents):
            length = min(_CHUNK, place[1] - offset)
            a = os.pread(one.fileno(), length, place[0] + offset)
            b = os.pread(two.fileno(), min(_CHUNK, other[1] - offset), other[0] + offset)
            if a != b:
                return offset + next((n for n, pair in enumerate(zip(a, b, strict=False)) if pair[0] != pair[1]), 0)
    return None


def _compare_file_systems(
    name: str,
    first: tuple[Path, Mapping[str, Any]],
    second: tuple[Path, Mapping[str, Any]],
    offset: int,
    scratch: Path,
) -> Iterator[str]:
    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        trees = []
        for number, (disk, partition) in enumerate((first, second), 1):
            tree = Path(directory) / str(number)
            tree.mkdir()
            if not _extract(disk, partition["start"] * _SECTOR, tree):
                yield f"partition {name}: byte {offset} differs"
                return
            trees.append(tree)
        lines = list(_compare_trees(trees[0], trees[1]))
    yield from (f"partition {name}: {line}" for line in lines)
    if not lines:
        yield f"partition {name}: the files are the same; byte {offset} of the file system differs"


def _extract(disk: Path, start: int, tree: Path) -> bool:
    """Copy the files of a file system; whether it is one that we can read."""
    with disk.open("rb") as file:
        file.seek(start)
        head = file.read(4096)
    if head[_EXT_MAGIC_AT:][:2] == _EXT_MAGIC:
        run(["debugfs", "-R", f"rdump / {tree}", f"{disk}?offset={start}"])
        return True
    if any(head[at:].startswith(_FAT_MAGIC) for at in _FAT_MAGIC_AT):
        run(["mcopy", "-s", "-m", "-n", "-i", f"{disk}@@{start}", "::*", tree], env={"MTOOLS_SKIP_CHECK": "1"})
        return True
    return False


def _compare_trees(first: Path, second: Path) -> Iterator[str]:
    before, after = dict(_entries(first)), dict(_entries(second))
    for path in sorted({*before, *after}):
        if path not in before or path not in after:
            yield f"{path}: only in the {'second' if path not in before else 'first'}"
            continue
        yield from _compare_entries(path, before[path], after[path])
        if before[path].kind == after[path].kind == "file":
            yield from _compare_contents(path, first / path.lstrip("/"), second / path.lstrip("/"))


def _entries(tree: Path) -> Iterator[tuple[str, _Entry]]:
    for directory, names, files in os.walk(tree):
        for name in (*names, *files):
            file = Path(directory) / name
            status = file.lstat()
            kind = _kind(status.st_mode)
            target = str(file.readlink()) if kind == "link" else ""
            size = status.st_size if kind == "file" else 0
            modified = int(status.st_mtime) if kind == "file" else 0  # debugfs does not set those of others
            entry = _Entry(kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, size, modified, target)
            yield f"/{file.relative_to(tree)}", entry


def _kind(mode: int) -> str:
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
    return kinds.get(stat.S_IFMT(mode), "special file")


def _compare_entries(path: str, before: _Entry, after: _Entry) -> Iterator[str]:
    words = {"mode": oct}
    for field in before.__dataclass_fields__:
        one, other = getattr(before, field), getattr(after, field)
        if one != other:
            show = words.get(field, str)
            yield f"{path}: {field} {show(one)} → {show(other)}"


def _compare_contents(path: str, first: Path, second: Path) -> Iterator[str]:
    if filecmp.cmp(first, second, shallow=False):
        return
    yield f"{path}: the content differs"
    if max(first.stat().st_size, second.stat().st_size) > _LARGEST_TEXT:
        return
    try:
        before, after = (file.read_text(encoding="utf-8").splitlines() for file in (first, second))
    except UnicodeDecodeError:
        return
    lines = difflib.unified_diff(before, after, lineterm="", n=0)
    for line in islice(lines, 2, 2 + _LONGEST_DIFF):  # without the two lines that name the files
        yield f"{path}: {line}"


def _compare_archives(first: Path, second: Path) -> Iterator[str]:
    with tarfile.open(first) as one, tarfile.open(second) as other:
        before, after = ({member.name: member for member in archive} for archive in (one, other))
        if list(before) != list(after) and set(before) == set(after):
            yield "archive: the files come in another order"
        for name in sorted({*before, *after}):
            if name not in before or name not in after:
                yield f"{name}: only in the {'second' if name not in before else 'first'}"
                continue
            fields = ("type", "mode", "uid", "gid", "uname", "gname", "size", "mtime", "linkname", "pax_headers")
            values = [{field: getattr(of[name], field) for field in fields} for of in (before, after)]
            yield from _compare_values(name, values[0], values[1])
            if _content(one, before[name]) != _content(other, after[name]):
                yield f"{name}: the content differs"


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    """The hash of a file's content; of what has none, that of nothing."""
    sha256 = hashlib.sha256()
    file = archive.extractfile(member) if member.isreg() else None
    while file is not None and (chunk := file.read(_CHUNK)):
        sha256.update(chunk)
    return sha256.hexdigest()
