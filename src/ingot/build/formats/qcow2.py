"""Write a raw disk as a qcow2 file: all cores compress, the bytes depend on the disk alone.

Layout: header, first-level table and second-level tables first, then the clusters in the disk's order (compressed
ones packed without gaps), then the reference counts. See QEMU's docs/interop/qcow2.txt for the format.
"""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from ingot.build.formats import clusters
from ingot.build.formats.blocks import Disk, in_order
from ingot.build.formats.clusters import CLUSTER, Cluster, Known, recorded, shares

_CLUSTER_BITS = CLUSTER.bit_length() - 1
_ENTRIES = CLUSTER // 8
_COMPRESSION_BIT = 1 << 3
_ZSTD = 1
_COMPRESSED = 1 << 62
_NORMAL = 1 << 63
_OFFSET_BITS = 62 - (_CLUSTER_BITS - 8)
_REFCOUNTS_PER_BLOCK = CLUSTER // 2


def write_qcow2(
    raw: Path,
    output: Path,
    *,
    compress: bool,
    known: Known | None = None,
    on_progress: Callable[[float], None] = lambda _part: None,
) -> None:
    """Write `output`; clusters of nothing but zeros take no room. `known` spares work, and changes nothing else.
    `on_progress` gets the part done (0 to 1)."""

    def work(share: Sequence[Cluster]) -> list[tuple[int, bytes, bool]]:
        packed = known.packed.find([digest for _, digest in share]) if known and compress else [None] * len(share)
        return [_cluster(disk, number, ready, compress) for (number, _), ready in zip(share, packed, strict=True)]

    with Disk(raw) as disk, output.open("w+b", buffering=1 << 20) as file:
        content = list(recorded(known.record)) if known else [(number, b"") for number in disk.present(CLUSTER)]
        writer = _Writer(file, disk.size, {number // _ENTRIES for number, _ in content})
        for share in in_order(shares(iter(content)), work):
            for number, cluster, compressed in share:
                writer.add(number, cluster, compressed)
            on_progress(share[-1][0] * CLUSTER / disk.size)
        writer.finish()


def _cluster(disk: Disk, number: int, ready: bytes | None, compress: bool) -> tuple[int, bytes, bool]:
    """(number, content, whether it is compressed) of a cluster; `ready` is its compressed form, if it is known."""
    if ready:
        return number, ready, True
    content = disk.read(number * CLUSTER, CLUSTER)
    packed = clusters.compress(content) if compress and ready is None else b""
    return (number, packed, True) if 0 < len(packed) < CLUSTER else (number, content, False)


class _Writer:
    """The file being written. Second-level tables exist only for the parts of the disk that hold data."""

    def __init__(self, file: BinaryIO, size: int, tables: set[int]) -> None:
        self._file, self._size = file, size
        self._l1_entries = -(-size // (CLUSTER * _ENTRIES))
        l1_clusters = max(1, -(-self._l1_entries // _ENTRIES))
        self._l1_offset = CLUSTER
        first = 1 + l1_clusters
        self._l2_offsets = {table: (first + index) * CLUSTER for index, table in enumerate(sorted(tables))}
        self._l2 = {table: [0] * _ENTRIES for table in tables}
        self._end = (first + len(tables)) * CLUSTER
        self._refcounts = [1] * (self._end // CLUSTER)
        file.seek(self._end)

    def add(self, cluster: int, content: bytes, compressed: bool) -> None:
        if not compressed and self._end % CLUSTER:
            self._pad()
        offset, table = self._end, self._l2[cluster // _ENTRIES]
        if compressed:
            sectors = (offset + len(content) - 1) // 512 - offset // 512
            table[cluster % _ENTRIES] = _COMPRESSED | sectors << _OFFSET_BITS | offset
        else:
            table[cluster % _ENTRIES] = _NORMAL | offset
        self._file.write(content)
        self._end += len(content)
        first, last = offset // CLUSTER, (self._end - 1) // CLUSTER
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
        self._file.write(counts.ljust(blocks * CLUSTER, b"\0"))
        table_offset = (used + blocks) * CLUSTER
        offsets = [(used + index) * CLUSTER for index in range(blocks)]
        self._file.write(struct.pack(f">{blocks}Q", *offsets).ljust(table * CLUSTER, b"\0"))
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
        padding = -self._end % CLUSTER
        self._file.write(bytes(padding))
        self._end += padding
