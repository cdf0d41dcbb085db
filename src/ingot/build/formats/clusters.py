"""Raw disks as clusters of 64 KiB: the hash of each, and compressed ones that disks like them can use again.

Disks that begin with the same packages have most clusters in common (see `ingot.build.disk.ext_content`), and to
compress them takes far longer than to copy what was compressed before.
"""

import hashlib
import os
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import zstandard

from ingot.build.formats.blocks import Disk, in_order

CLUSTER = 1 << 16
_LEVEL = 3
#: What the bytes of a compressed cluster depend on, beside its content.
CODEC = f"zstd {'.'.join(map(str, zstandard.ZSTD_VERSION))} level {_LEVEL}"
_NOTHING = bytes(CLUSTER)
_SIZE = struct.Struct("<Q")
_RECORDED = struct.Struct("<Q32s")
_INDEXED = struct.Struct("<32sQI")
#: The names of a store's files.
_INDEX, _PACKED = "index", "packed"
#: Clusters of a disk that are kept, which are 8 GiB: their index is in memory.
_MOST = 1 << 17
#: Clusters that one thread looks at in one go.
_SHARE = 16

_thread = threading.local()

#: A cluster of a disk: its number, and the SHA-256 of its content.
Cluster = tuple[int, bytes]


def compress(content: bytes) -> bytes:
    """A cluster, compressed: the same bytes each time."""
    compressor = getattr(_thread, "compressor", None)
    if compressor is None:
        compressor = _thread.compressor = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=False)
    packed: bytes = compressor.compress(content)
    return packed


def record(raw: Path) -> bytes:
    """What is in a raw disk, as it is kept beside it: its size, and the clusters that are not all zeros."""

    def look(chunk: tuple[int, int]) -> list[bytes]:
        start, length = chunk
        content = disk.read(start, length)
        pieces = ((at, content[at : at + CLUSTER]) for at in range(0, length, CLUSTER))
        return [
            _RECORDED.pack((start + at) // CLUSTER, hashlib.sha256(piece).digest())
            for at, piece in pieces
            if piece != _NOTHING
        ]

    with Disk(raw) as disk:
        return b"".join(
            [_SIZE.pack(disk.size), *(one for found in in_order(disk.chunks(CLUSTER), look) for one in found)]
        )


def recorded(content: bytes) -> Iterator[Cluster]:
    """The clusters of a record, in order."""
    return iter(_RECORDED.iter_unpack(memoryview(content)[_SIZE.size :]))


def shares(clusters: Iterator[Cluster]) -> Iterator[list[Cluster]]:
    """Clusters as a thread takes them."""
    share = []
    for cluster in clusters:
        share.append(cluster)
        if len(share) == _SHARE:
            yield share
            share = []
    if share:
        yield share


def pack(raw: Path, content: bytes, place: Path, on_progress: Callable[[float], None] = lambda _part: None) -> None:
    """Compress the clusters of a disk with that record into an empty directory. `on_progress` gets the part done."""
    seen: set[bytes] = set()

    def new() -> Iterator[Cluster]:
        for number, digest in recorded(content):
            if digest not in seen and len(seen) < _MOST:
                seen.add(digest)
                yield number, digest

    def work(share: Sequence[Cluster]) -> list[tuple[bytes, bytes]]:
        compressed = ((digest, compress(disk.read(number * CLUSTER, CLUSTER))) for number, digest in share)
        # Empty stands for what would be no smaller.
        return [(digest, packed if len(packed) < CLUSTER else b"") for digest, packed in compressed]

    total = max(1, (len(content) - _SIZE.size) // _RECORDED.size)
    position = done = 0
    buffered = 1 << 20
    with (
        Disk(raw) as disk,
        (place / _INDEX).open("wb", buffering=buffered) as index,
        (place / _PACKED).open("wb", buffering=buffered) as file,
    ):
        for share in in_order(shares(new()), work):
            for digest, packed in share:
                index.write(_INDEXED.pack(digest, position, len(packed)))
                file.write(packed)
                position += len(packed)
            done += len(share)
            on_progress(done / total)


class Packed:
    """A store that `pack` made, open."""

    def __init__(self, place: Path) -> None:
        content = (place / _INDEX).read_bytes()
        self._index = {digest: (position, size) for digest, position, size in _INDEXED.iter_unpack(content)}
        self._file = os.open(place / _PACKED, os.O_RDONLY)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def find(self, digests: Sequence[bytes]) -> list[bytes | None]:
        """The compressed forms of clusters: None where there is none, empty where it would be no smaller."""
        places = [self._index.get(digest) for digest in digests]
        found: list[bytes | None] = []
        at = 0
        while at < len(places):
            first = places[at]
            if first is None:
                found.append(None)
                at += 1
                continue
            # What was compressed in a row is read in one go.
            row, end = [first[1]], sum(first)
            while at + len(row) < len(places) and (following := places[at + len(row)]) and following[0] == end:
                row.append(following[1])
                end += following[1]
            content = os.pread(self._file, end - first[0], first[0])
            position = 0
            for size in row:
                found.append(content[position : position + size])
                position += size
            at += len(row)
        return found


@dataclass(frozen=True)
class Known:
    """What is known of a raw disk: its record, and compressed clusters, some of which it has."""

    record: bytes
    packed: Packed


#: What is known of a raw disk, as long as it is used.
Look = Callable[[Path], AbstractContextManager[Known | None]]


def unknown(_raw: Path) -> AbstractContextManager[Known | None]:
    """Of a disk that nobody looked at nothing is known."""
    return nullcontext()


def problem(place: Path) -> str | None:
    """What is wrong with a store: each cluster must be what its hash says."""
    try:
        with Packed(place) as packed:
            digests = [digest for digest, _, size in _INDEXED.iter_unpack((place / _INDEX).read_bytes()) if size]

            def look(share: Sequence[bytes]) -> bool:
                decompressor = zstandard.ZstdDecompressor()
                return all(
                    content is not None
                    and hashlib.sha256(decompressor.decompress(content, max_output_size=CLUSTER)).digest() == digest
                    for digest, content in zip(share, packed.find(share), strict=True)
                )

            groups = (digests[at : at + _SHARE] for at in range(0, len(digests), _SHARE))
            return None if all(in_order(groups, look)) else "a compressed cluster has changed"
    except (OSError, struct.error, zstandard.ZstdError) as error:
        return f"its clusters cannot be read: {error}"
