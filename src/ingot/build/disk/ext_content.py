"""The content of a tree's files on an ext file system: where it lies, and how it gets there.

Images of much the same trees have much the same clusters of 64 KiB, whose compressed form can be used again (see
`ingot.build.formats.clusters`): large files begin at a cluster, and of the small ones, which lie in a row, one in
about sixty does, which ones being a matter of their names alone. What comes in or goes moves only what follows up to
the next such place.
"""

import os
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ingot.build.disk.attributes import Entry
from ingot.build.disk.ext_volume import BLOCK, Room, Run
from ingot.build.errors import BuildError
from ingot.build.sparse import data, write_all

#: Blocks that files are aligned to: a cluster of qcow2.
UNIT = (64 << 10) // BLOCK
_LARGE = 256 << 10
_NAMES_BETWEEN = 64
_PIECE = 256 << 10
#: Bytes that one thread copies at a time.
_SHARE = 8 << 20

#: A file to copy, and the blocks that it goes to.
Copy = tuple[Entry, Sequence[Run]]


def place(entry: Entry, tree: Path, room: Room) -> list[Run]:
    """Choose the blocks of a file; files come in the tree's order."""
    size = entry.status.st_size
    name = entry.path[len(str(tree)) :]
    if size >= _LARGE or zlib.crc32(os.fsencode(name)) % _NAMES_BETWEEN == 0:
        room.align()
    runs = room.take(-(-size // BLOCK))
    if size >= _LARGE:
        room.align()
    return runs


def copy_all(copies: Iterable[Copy], target: int, start: int) -> None:
    """Write the content of files to their blocks of the file system that begins at byte `start` of an open file."""
    shares: list[list[Copy]] = [[]]
    size = 0
    for entry, runs in copies:
        shares[-1].append((entry, runs))
        size += entry.status.st_size
        if size >= _SHARE:
            shares.append([])
            size = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for copied in [pool.submit(_copy, share, target, start) for share in shares]:
            copied.result()


def _copy(copies: Sequence[Copy], target: int, start: int) -> None:
    buffer = memoryview(bytearray(_PIECE))
    for entry, runs in copies:
        source = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            _copy_file(entry, source, runs, target, start, buffer)
        finally:
            os.close(source)


def _copy_file(entry: Entry, source: int, runs: Sequence[Run], target: int, start: int, buffer: memoryview) -> None:
    size = entry.status.st_size
    # Holes stay holes of the image's file, which are zeros to whoever reads it.
    parts = data(source) if entry.status.st_blocks * 512 < size else [(0, size)]
    for begin, end in parts:
        first = 0
        for block, count in runs:
            at, stop = max(begin, first), min(end, first + count * BLOCK)
            while at < stop:
                read = os.preadv(source, [buffer[: min(stop - at, _PIECE)]], at)
                if read == 0:
                    raise BuildError(f"{entry.path} became shorter while it was read. Build again.")
                write_all(target, buffer[:read], start + block * BLOCK + at - first)
                at += read
            first += count * BLOCK
