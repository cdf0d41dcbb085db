"""Write a raw disk as a qcow2 file: all cores compress, the bytes depend on the disk alone.

Layout: header, first-level table and second-level tables first, then the clusters in the disk's order (compressed
ones packed without gaps), then the reference counts. See QEMU's docs/interop/qcow2.txt for the format.
"""

import os
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import zstandard

from ingot.build.sparse import data

_CLUSTER_BITS = 16
_CLUSTER = 1 << _CLUSTER_BITS
_ENTRIES = _CLUSTER // 8
#: What one thread compresses at a time.
_CHUNK = 16 * _CLUSTER
_LEVEL = 3
_COMPRESSION_BIT = 1 << 3
_ZSTD = 1
_COMPRESSED = 1 << 62
_NORMAL = 1 << 63
_OFFSET_BITS = 62 - (_CLUSTER_BITS - 8)
_REFCOUNTS_PER_BLOCK = _CLUSTER // 2

_thread = threading.local()


def write_qcow2(
    raw: Path, output: Path, *, compress: bool, on_progress: Callable[[float], None] = lambda _part: None
) -> None:
    """Write `output`; clusters of nothing but zeros take no room. `on_progress` gets the part done (0 to 1)."""
    size = raw.stat().st_size
    workers = os.cpu_count() or 1
    with raw.open("rb", buffering=0) as reader, output.open("w+b") as file, ThreadPoolExecutor(workers) as pool:
        descriptor = reader.fileno()
        chunks = list(_chunks(descriptor))
        writer = _Writer(file, size, {start // (_CLUSTER * _ENTRIES) for start, _ in chunks})
        pending: deque[Future[list[tuple[int, bytes, bool]]]] = deque()
        done = 0
        remaining = iter(chunks)
        while True:
            # A few chunks ahead, never all: memory stays the same for any disk.
            while len(pending) < 4 * workers and (chunk := next(remaining, None)) is not None:
                pending.append(pool.submit(_read_clusters, descriptor, *chunk, compress))
            if not pending:
                break
            for cluster, content, compressed in pending.popleft().result():
                writer.add(cluster, content, compressed)
            done += 1
            on_progress(done / len(chunks))
        writer.finish()


def _chunks(descriptor: int) -> Iterator[tuple[int, int]]:
    """(start, length) in bytes of what is not a hole, in whole clusters."""
    done = 0
    for start, end in data(descriptor):
        # Two pieces of data may share a cluster.
        first = max(start // _CLUSTER * _CLUSTER, done)
        done = max(-(-end // _CLUSTER) * _CLUSTER, done)
        for position in range(first, done, _CHUNK):
            yield position, min(_CHUNK, done - position)


def _read_clusters(descriptor: int, start: int, length: int, compress: bool) -> list[tuple[int, bytes, bool]]:
    """(number, content, whether it is compressed) of the clusters of a chunk that are not all zeros."""
    compressor = getattr(_thread, "compressor", None)
    if compressor is None:
        compressor = _thread.compressor = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=False)
    read = os.pread(descriptor, length, start)
    clusters = []
    for offset in range(0, len(read), _CLUSTER):
        content = read[offset : offset + _CLUSTER].ljust(_CLUSTER, b"\0")
        if content == _NOTHING:
            continue
        number = (start + offset) // _CLUSTER
        packed = compressor.compress(content) if compress else content
        if len(packed) < _CLUSTER:
            clusters.append((number, packed, True))
        else:
            clusters.append((number, content, False))
    return clusters


_NOTHING = bytes(_CLUSTER)


class _Writer:
    """The file being written. Second-level tables exist only for the parts of the disk that hold data."""

    def __init__(self, file: BinaryIO, size: int, tables: set[int]) -> None:
        self._file, self._size = file, size
        self._l1_entries = -(-size // (_CLUSTER * _ENTRIES))
        l1_clusters = max(1, -(-self._l1_entries // _ENTRIES))
        self._l1_offset = _CLUSTER
        first = 1 + l1_clusters
        self._l2_offsets = {table: (first + index) * _CLUSTER for index, table in enumerate(sorted(tables))}
        self._l2 = {table: [0] * _ENTRIES for table in tables}
        self._end = (first + len(tables)) * _CLUSTER
        self._refcounts = [1] * (self._end // _CLUSTER)
        file.seek(self._end)

    def add(self, cluster: int, content: bytes, compressed: bool) -> None:
        if not compressed and self._end % _CLUSTER:
            self._pad()
        offset, table = self._end, self._l2[cluster // _ENTRIES]
        if compressed:
            sectors = (offset + len(content) - 1) // 512 - offset // 512
            table[cluster % _ENTRIES] = _COMPRESSED | sectors << _OFFSET_BITS | offset
        else:
            table[cluster % _ENTRIES] = _NORMAL | offset
        self._file.write(content)
        self._end += len(content)
        first, last = offset // _CLUSTER, (self._end - 1) // _CLUSTER
        self._refcounts.extend([0] * (last + 1 - len(self._refcounts)))
        for number in range(first, last + 1):
            self._refcounts[number] += 1

    def finish(self) -> None:
        """Write the reference counts and, at last, what leads to everything."""
        self._pad()
        # The tables of reference counts count themselves.
        used = len(self._refcounts)
        blocks = table = 0
        while True:
            total = used + blocks + table
            more_blocks = -(-total // _REFCOUNTS_PER_BLOCK)
            more_table = -(-more_blocks // _ENTRIES)
            if (more_blocks, more_table) == (blocks, table):
                break
            blocks, table = more_blocks, more_table
        self._refcounts.extend([1] * (blocks + table))
        counts = struct.pack(f">{len(self._refcounts)}H", *self._refcounts)
        self._file.write(counts.ljust(blocks * _CLUSTER, b"\0"))
        table_offset = (used + blocks) * _CLUSTER
        offsets = [(used + index) * _CLUSTER for index in range(blocks)]
        self._file.write(struct.pack(f">{blocks}Q", *offsets).ljust(table * _CLUSTER, b"\0"))
        for number, offset in self._l2_offsets.items():
            self._file.seek(offset)
            self._file.write(struct.pack(f">{_ENTRIES}Q", *self._l2[number]))
        l1 = [
            self._l2_offsets[number] | _NORMAL if number in self._l2_offsets else 0
            for number in range(self._l1_entries)
        ]
        self._file.seek(self._l1_offset)
        self._file.write(struct.pack(f">{len(l1)}Q", *l1))
        self._file.seek(0)
        self._file.write(self._header(table_offset, table))

    def _header(self, refcount_table: int, refcount_clusters: int) -> bytes:
        fields = struct.pack(
            ">4sIQIIQIIQQIIQ",
            b"QFI\xfb", 3, 0, 0, _CLUSTER_BITS, self._size, 0, self._l1_entries, self._l1_offset,
            refcount_table, refcount_clusters, 0, 0,
        )  # fmt: skip
        header_length, refcount_order = 112, 4
        features = struct.pack(">QQQII", _COMPRESSION_BIT, 0, 0, refcount_order, header_length)
        return (fields + features + bytes([_ZSTD])).ljust(header_length, b"\0") + bytes(8)

    def _pad(self) -> None:
        padding = -self._end % _CLUSTER
        self._file.write(bytes(padding))
        self._end += padding
