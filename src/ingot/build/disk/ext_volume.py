"""An empty ext2, ext3 or ext4 file system in a file, as mke2fs makes it: its free room, its inodes, its checksums.

See the kernel's Documentation/filesystems/ext4 for the structures; numbers are little-endian. What is here holds for
file systems with blocks of 4 KiB and inodes of 256 bytes.
"""

import os
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import google_crc32c

from ingot.build.errors import BuildError
from ingot.build.sparse import write_all

BLOCK = 4096
INODE = 256
#: The numbers of the root directory, and of the first inode that mke2fs leaves free behind lost+found.
ROOT, FIRST_FREE = 2, 12

_SUPERBLOCK, _SUPERBLOCK_SIZE = 1024, 1024
_NARROW = 32
_BITS = 8 * BLOCK
_EXTENTS, _WIDE = 0x40, 0x80
_SPARSE_SUPERBLOCKS, _CHECKSUMS = 0x1, 0x400
_INODES_UNINITIALISED, _BLOCKS_UNINITIALISED, _INODES_ZEROED = 1, 2, 4
_ONES = 0xFFFFFFFF
#: Bytes of blocks in a row that are written at a time.
_MOST_WAITING = 4 << 20

#: A number of blocks in a row: (the first, how many).
Run = tuple[int, int]


def crc(seed: int, content: bytes) -> int:
    """CRC-32C as ext4 has it: begun with `seed`, and not inverted at the end."""
    return int(google_crc32c.extend(seed ^ _ONES, content)) ^ _ONES


@dataclass
class _Group:
    """A block group; numbers of blocks are the file system's."""

    block_bitmap: int
    inode_bitmap: int
    inode_table: int
    free_blocks: int
    free_inodes: int
    directories: int
    flags: int
    unused_inodes: int


class ExtVolume:
    """The file system that begins at byte `start` of a file open for reading and writing, and has nothing in it."""

    def __init__(self, descriptor: int, start: int) -> None:
        self._descriptor, self._start = descriptor, start
        self._waiting, self._waits_at = bytearray(), 0
        self._superblock = bytearray(self._read(_SUPERBLOCK, _SUPERBLOCK_SIZE))
        (self.inodes, low) = struct.unpack_from("<II", self._superblock, 0)
        incompatible, read_only = struct.unpack_from("<II", self._superblock, 0x60)
        self._is_wide = bool(incompatible & _WIDE)
        self.has_extents, self.has_checksums = bool(incompatible & _EXTENTS), bool(read_only & _CHECKSUMS)
        self._is_sparse = bool(read_only & _SPARSE_SUPERBLOCKS)
        high = struct.unpack_from("<I", self._superblock, 0x150)[0] if self._is_wide else 0
        self.blocks: int = high << 32 | low
        self._per_group: int = struct.unpack_from("<I", self._superblock, 32)[0]
        self._inodes_per_group: int = struct.unpack_from("<I", self._superblock, 40)[0]
        self._seed = crc(_ONES, bytes(self._superblock[0x68:0x78]))
        width = struct.unpack_from("<H", self._superblock, 0xFE)[0]
        self._width = width if self._is_wide else _NARROW
        count = -(-self.blocks // self._per_group)
        table = self._read(BLOCK, count * self._width)
        self._descriptors = [bytearray(table[at : at + self._width]) for at in range(0, len(table), self._width)]
        self._groups = [self._group(descriptor) for descriptor in self._descriptors]
        reserved = struct.unpack_from("<H", self._superblock, 0xCE)[0]
        #: Blocks of a copy of the superblock with its group descriptors, and the room that they may grow into.
        self._copy_blocks = 1 + -(-len(table) // BLOCK) + reserved

    def free(self) -> list[Run]:
        """What no block of the file system lies in, in order."""
        found: list[Run] = []
        for number, group in enumerate(self._groups):
            first = number * self._per_group
            text = bin(self._block_bitmap(number, group) | 1 << _BITS)[:2:-1]
            for match in re.finditer("0+", text):
                begin, size = first + match.start(), match.end() - match.start()
                if found and sum(found[-1]) == begin:
                    found[-1] = (found[-1][0], found[-1][1] + size)
                else:
                    found.append((begin, size))
        return found

    def inode_seed(self, number: int) -> int:
        """What the checksums of an inode and of its blocks begin with; its generation is 0."""
        return crc(self._seed, struct.pack("<II", number, 0))

    def block_sum(self, block: int, content: bytes) -> int:
        """The checksum of a block that says where it is."""
        return crc(self._seed, struct.pack("<Q", block) + content)

    def first_block(self, inode: int) -> int:
        """The first block of the content of a directory that mke2fs made."""
        group, index = divmod(inode - 1, self._inodes_per_group)
        content = self._read(self._groups[group].inode_table * BLOCK + index * INODE, INODE)
        block: int = struct.unpack_from("<I", content, 40 + (20 if self.has_extents else 0))[0]
        return block

    def write(self, block: int, content: bytes) -> None:
        """Write a block. Those in a row are collected and written together; `finish` writes the last."""
        if block * BLOCK != self._waits_at + len(self._waiting) or len(self._waiting) >= _MOST_WAITING:
            self._flush()
            self._waits_at = block * BLOCK
        self._waiting += content

    def write_inodes(self, first: int, inodes: bytes) -> None:
        """Write inodes with numbers in a row."""
        at = 0
        while at < len(inodes):
            group, index = divmod(first - 1 + at // INODE, self._inodes_per_group)
            size = min(len(inodes) - at, (self._inodes_per_group - index) * INODE)
            self._write(self._groups[group].inode_table * BLOCK + index * INODE, inodes[at : at + size])
            at += size

    def finish(self, taken: Iterable[Run], last_inode: int, directories: Iterable[int]) -> None:
        """Note what was taken: the blocks, the inodes from the first free one on, the new directories among them."""
        self._flush()
        bitmaps = self._taken_blocks(taken)
        for number, bitmap in bitmaps.items():
            self._settle_blocks(number, bitmap)
        for group in range((last_inode - 1) // self._inodes_per_group + 1):
            self._settle_inodes(group, last_inode)
        for directory in directories:
            self._groups[(directory - 1) // self._inodes_per_group].directories += 1
        for number, of in enumerate(self._groups):
            if self.has_checksums:
                # The file is new, so what nobody wrote is zeros: the machine need not write them at its first start.
                of.flags |= _INODES_ZEROED
            self._settle_descriptor(number, of)
        free_blocks, free_inodes = (sum(getattr(of, name) for of in self._groups) for name in _COUNTS)
        struct.pack_into("<I", self._superblock, 12, free_blocks & _ONES)
        struct.pack_into("<I", self._superblock, 16, free_inodes)
        if self._is_wide:
            struct.pack_into("<I", self._superblock, 0x158, free_blocks >> 32)
        for number in range(len(self._groups)):
            if self._has_copy(number):
                self._write_copy(number)

    def _group(self, descriptor: bytearray) -> _Group:
        blocks, inodes, table, free_blocks, free_inodes, directories, flags = struct.unpack_from(
            "<IIIHHHH", descriptor
        )
        unused = struct.unpack_from("<H", descriptor, 28)[0]
        if self._width > _NARROW:
            high = struct.unpack_from("<IIIHHHH", descriptor, 32)
            blocks, inodes, table = (low | top << 32 for low, top in zip((blocks, inodes, table), high, strict=False))
            free_blocks, free_inodes, directories, unused = (
                low | top << 16
                for low, top in zip((free_blocks, free_inodes, directories, unused), high[3:], strict=True)
            )
        return _Group(blocks, inodes, table, free_blocks, free_inodes, directories, flags, unused)

    def _size(self, number: int) -> int:
        """How many blocks a group has: the last one may have fewer."""
        return min(self._per_group, self.blocks - number * self._per_group)

    def _block_bitmap(self, number: int, group: _Group) -> int:
        """The blocks of a group that are in use, and those that it does not have, as bits of a number."""
        if not group.flags & _BLOCKS_UNINITIALISED:
            return int.from_bytes(self._read(group.block_bitmap * BLOCK, BLOCK), "little")
        bits = (1 << self._copy_blocks) - 1 if self._has_copy(number) else 0
        first, size = number * self._per_group, self._size(number)
        tables = -(-self._inodes_per_group * INODE // BLOCK)
        for of in self._groups:
            for place, length in ((of.block_bitmap, 1), (of.inode_bitmap, 1), (of.inode_table, tables)):
                begin, end = max(place, first), min(place + length, first + size)
                if begin < end:
                    bits |= ((1 << end - begin) - 1) << begin - first
        return bits | _beyond(size)

    def _taken_blocks(self, taken: Iterable[Run]) -> dict[int, int]:
        bitmaps: dict[int, int] = {}
        for first, count in taken:
            at, end = first, first + count
            while at < end:
                group, index = divmod(at, self._per_group)
                size = min(end - at, self._per_group - index)
                bitmaps[group] = bitmaps.get(group, 0) | ((1 << size) - 1) << index
                at += size
        return bitmaps

    def _settle_blocks(self, number: int, bitmap: int) -> None:
        group = self._groups[number]
        before = self._block_bitmap(number, group)
        assert not before & bitmap, f"blocks of group {number} are taken twice"  # noqa: S101 - a fault of ours
        content = (before | bitmap).to_bytes(BLOCK, "little")
        group.free_blocks -= bitmap.bit_count()
        group.flags &= ~_BLOCKS_UNINITIALISED
        self._write(group.block_bitmap * BLOCK, content)
        self._set_sum(number, 24, 56, content[: self._per_group // 8])

    def _settle_inodes(self, number: int, last_inode: int) -> None:
        group, size = self._groups[number], self._inodes_per_group
        used = min(size, last_inode - number * size)
        content = ((1 << used) - 1 | _beyond(size)).to_bytes(BLOCK, "little")
        group.free_inodes = size - used
        if self.has_checksums:
            group.unused_inodes = size - used
            group.flags &= ~_INODES_UNINITIALISED
        self._write(group.inode_bitmap * BLOCK, content)
        self._set_sum(number, 26, 58, content[: size // 8])

    def _set_sum(self, number: int, low: int, high: int, content: bytes) -> None:
        if self.has_checksums:
            value = crc(self._seed, content)
            struct.pack_into("<H", self._descriptors[number], low, value & 0xFFFF)
            if self._width > _NARROW:
                struct.pack_into("<H", self._descriptors[number], high, value >> 16)

    def _settle_descriptor(self, number: int, group: _Group) -> None:
        descriptor = self._descriptors[number]
        counts = (group.free_blocks, group.free_inodes, group.directories)
        struct.pack_into("<HHHH", descriptor, 12, *(count & 0xFFFF for count in counts), group.flags)
        struct.pack_into("<H", descriptor, 28, group.unused_inodes & 0xFFFF)
        if self._width > _NARROW:
            struct.pack_into("<HHHH", descriptor, 44, *(count >> 16 for count in (*counts, group.unused_inodes)))
        if self.has_checksums:
            struct.pack_into("<H", descriptor, 30, 0)
            value = crc(crc(self._seed, struct.pack("<I", number)), bytes(descriptor))
            struct.pack_into("<H", descriptor, 30, value & 0xFFFF)

    def _has_copy(self, number: int) -> bool:
        """Whether a group begins with a copy of the superblock."""
        return not self._is_sparse or number <= 1 or any(_is_power(number, base) for base in (3, 5, 7))

    def _write_copy(self, number: int) -> None:
        struct.pack_into("<H", self._superblock, 0x5A, number)
        if self.has_checksums:
            struct.pack_into("<I", self._superblock, 0x3FC, crc(_ONES, bytes(self._superblock[:0x3FC])))
        first = number * self._per_group * BLOCK
        self._write(first + (0 if number else _SUPERBLOCK), self._superblock)
        self._write(first + BLOCK, b"".join(self._descriptors))

    def _flush(self) -> None:
        self._write(self._waits_at, self._waiting)
        self._waiting.clear()

    def _read(self, place: int, size: int) -> bytes:
        return os.pread(self._descriptor, size, self._start + place)

    def _write(self, place: int, content: bytes | bytearray) -> None:
        write_all(self._descriptor, content, self._start + place)


_COUNTS = ("free_blocks", "free_inodes")


def _beyond(size: int) -> int:
    """The bits of a bitmap's block behind the first `size`: they count as taken."""
    return (1 << _BITS) - (1 << size)


def _is_power(number: int, base: int) -> bool:
    while number % base == 0:
        number //= base
    return number == 1


class Room:
    """Gives out free blocks. Places that are multiples of `unit` blocks come first, and what lies between them when
    nothing else is left; so long as there is enough, what follows `align` begins at such a place.

    `missing` names the volume in the error when all is taken.
    """

    def __init__(self, free: Iterable[Run], unit: int, missing: str) -> None:
        self._unit, self._missing = unit, missing
        self._left: list[Run] = []
        self._ranges = self._aligned(list(free))
        self._at, self._end = next(self._ranges, (0, 0))
        self.taken: list[Run] = []

    def align(self) -> None:
        """Begin the next run at a multiple of the unit."""
        place = min(-(-self._at // self._unit) * self._unit, self._end)
        if place > self._at:
            self._left.append((self._at, place - self._at))
            self._at = place

    def take(self, count: int) -> list[Run]:
        """So many blocks, in as few runs as may be; raises BuildError when there are no more."""
        runs: list[Run] = []
        while count > 0:
            while self._at == self._end:
                self._at, self._end = next(self._ranges)
            size = min(count, self._end - self._at)
            runs.append((self._at, size))
            self._at += size
            count -= size
        for first, size in runs:
            if self.taken and sum(self.taken[-1]) == first:
                self.taken[-1] = (self.taken[-1][0], self.taken[-1][1] + size)
            else:
                self.taken.append((first, size))
        return runs

    def _aligned(self, free: list[Run]) -> Iterator[Run]:
        """(first, end) of every range to take from."""
        for first, size in free:
            begin, end = -(-first // self._unit) * self._unit, (first + size) // self._unit * self._unit
            if begin >= end:
                self._left.append((first, size))
                continue
            self._left += [(first, begin - first), (end, first + size - end)]
            yield begin, end
        self._unit = 1
        for first, size in sorted(self._left):
            if size:
                yield first, first + size
        raise BuildError(self._missing)
