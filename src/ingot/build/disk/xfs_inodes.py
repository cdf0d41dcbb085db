"""Inodes and directories of an XFS file system in a file: read, and put right, with their checksums.

See the kernel's fs/xfs/libxfs/xfs_format.h and xfs_da_format.h for the structures; numbers are big-endian.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import google_crc32c

from ingot.build.errors import BuildError

_CORE = 176
_LOCAL, _EXTENTS, _BTREE = 1, 2, 3
_BIGTIME_START = 2**31
_SECTOR = 512
_ATTRIBUTES_BIT = 0x10
#: Directories keep their hashes behind this byte.
_HASHES = 1 << 35
_DIRECTORY_HEADER = 64
_LINK_HEADER = 56
_BLOCK_FORMAT = b"XDB3"
_SECURE, _ROOT = 4, 2
_LARGEST_ACL = 25
_FIRST_PAIR = 4


@dataclass(frozen=True)
class Attributes:
    """What an inode is to say: `link` is a symbolic link's target."""

    mode: int
    time: int
    extended: Mapping[str, bytes]
    link: bytes | None


class Xfs:
    """A file system with 4 KiB blocks and 512-byte inodes, as `ingot.build.disk.xfs` makes them."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("r+b")
        superblock = self._file.read(_SECTOR)
        self._uuid = superblock[32:48]
        self._block: int = struct.unpack_from(">I", superblock, 4)[0]
        self.root, self._bitmap, self._summary = struct.unpack_from(">QQQ", superblock, 56)
        self._group_blocks: int
        self._groups: int
        self._group_blocks, self._groups = struct.unpack_from(">II", superblock, 84)
        self._inode_size: int = struct.unpack_from(">H", superblock, 104)[0]
        self._per_block_bits, self._group_bits = superblock[123], superblock[124]
        self._has_attributes = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._has_attributes:
            self._announce_attributes()
        self._file.close()

    def names(self, directory: int, right: Mapping[bytes, bytes]) -> dict[bytes, int]:
        """The entries of a directory: {name: inode}. Names that are keys of `right` are changed to its values."""
        inode = self._read(self._inode_at(directory), self._inode_size)
        found: dict[bytes, int] = {}
        if inode[5] == _LOCAL:
            for start, end, number in _short_entries(inode):
                name = bytes(inode[start:end])
                inode[start:end] = right.get(name, name)
                found[bytes(inode[start:end])] = number
            self._write_summed(self._inode_at(directory), inode, 100)
            return found
        for offset, block, count in self._extents(inode):
            for index in range(count):
                if (offset + index) * self._block >= _HASHES:
                    continue
                place = self._block_at(block) + index * self._block
                content = self._read(place, self._block)
                changed = False
                for start, end, number in _entries(content):
                    name = bytes(content[start:end])
                    if name in (b".", b".."):
                        continue
                    if right.get(name, name) != name:
                        content[start:end] = right[name]
                        changed = True
                    found[bytes(content[start:end])] = number
                if changed:
                    self._write_summed(place, content, 4)
        return found

    def settle(self, number: int, wanted: Attributes) -> None:
        """Put an inode right."""
        place = self._inode_at(number)
        inode = self._read(place, self._inode_size)
        struct.pack_into(">H", inode, 2, wanted.mode)
        self._set_times(inode, wanted.time)
        if wanted.link is not None:
            self._set_target(number, inode, wanted.link)
        if extended := _short_attributes(wanted.extended):
            self._add_attributes(inode, extended)
        self._write_summed(place, inode, 100)

    def _set_target(self, number: int, inode: bytearray, target: bytes) -> None:
        """Put a symbolic link's target right; a long one lies in a block, whose header mkfs.xfs forgets."""
        if inode[5] == _LOCAL:
            inode[_CORE : _CORE + len(target)] = target
            return
        (_, block, count), *more = self._extents(inode)
        room = self._block - _LINK_HEADER
        if count > 1 or more or len(target) > room:
            raise BuildError(f"A symbolic link to {len(target)} bytes is too long for XFS here: choose ext4.")
        place = self._block_at(block)
        header = struct.pack(">4sIII16sQQQ", b"XSLM", 0, len(target), 0, self._uuid, number, place // _SECTOR, 0)
        self._write_summed(place, bytearray((header + target).ljust(self._block, b"\0")), 12)

    def settle_others(self, time: int) -> None:
        """Put the inodes right that no directory has."""
        for number in (self._bitmap, self._summary):
            inode = self._read(self._inode_at(number), self._inode_size)
            self._set_times(inode, time)
            self._write_summed(self._inode_at(number), inode, 100)

    def _set_times(self, inode: bytearray, time: int) -> None:
        encoded = (time + _BIGTIME_START) * 1_000_000_000
        struct.pack_into(">QQQ", inode, 32, encoded, encoded, encoded)
        struct.pack_into(">Q", inode, 144, encoded)
        # A generation tells files apart that had the same number one after the other: here, none had.
        struct.pack_into(">I", inode, 92, 1)

    def _add_attributes(self, inode: bytearray, extended: bytes) -> None:
        """Put attributes at the end of the inode, behind what its content takes there."""
        extents = struct.unpack_from(">I", inode, 76)[0]
        size = struct.unpack_from(">Q", inode, 56)[0]
        used = size if inode[5] == _LOCAL else 16 * extents if inode[5] == _EXTENTS else self._inode_size
        room = self._inode_size - _CORE
        start = (room - len(extended)) // 8 * 8
        if start < max(used, 16):
            raise BuildError(
                "A file has more extended attributes than fit beside it in XFS: choose ext4 for its file system."
            )
        inode[82], inode[83] = start // 8, _LOCAL
        inode[_CORE + start : _CORE + start + len(extended)] = extended
        self._has_attributes = True

    def _announce_attributes(self) -> None:
        """Say in every copy of the superblock that there are extended attributes."""
        for group in range(self._groups):
            place = group * self._group_blocks * self._block
            superblock = self._read(place, _SECTOR)
            version = struct.unpack_from(">H", superblock, 100)[0]
            struct.pack_into(">H", superblock, 100, version | _ATTRIBUTES_BIT)
            self._write_summed(place, superblock, 224)

    def _extents(self, inode: bytearray) -> Iterator[tuple[int, int, int]]:
        """(first block in the file, block of the file system, number of blocks) of each extent."""
        if inode[5] == _EXTENTS:
            yield from _records(inode, _CORE, struct.unpack_from(">I", inode, 76)[0])
            return
        level, count = struct.unpack_from(">HH", inode, _CORE)
        most = (len(inode) - _CORE - _FIRST_PAIR) // 16
        pointers = struct.unpack_from(f">{count}Q", inode, _CORE + _FIRST_PAIR + 8 * most)
        yield from (extent for pointer in pointers for extent in self._tree_extents(pointer, level - 1))

    def _tree_extents(self, block: int, level: int) -> Iterator[tuple[int, int, int]]:
        content = self._read(self._block_at(block), self._block)
        count = struct.unpack_from(">H", content, 6)[0]
        header = 72
        if level == 0:
            yield from _records(content, header, count)
            return
        most = (self._block - header) // 16
        for pointer in struct.unpack_from(f">{count}Q", content, header + 8 * most):
            yield from self._tree_extents(pointer, level - 1)

    def _inode_at(self, number: int) -> int:
        block, index = number >> self._per_block_bits, number & ((1 << self._per_block_bits) - 1)
        return self._block_at(block) + index * self._inode_size

    def _block_at(self, block: int) -> int:
        group, index = block >> self._group_bits, block & ((1 << self._group_bits) - 1)
        return (group * self._group_blocks + index) * self._block

    def _read(self, place: int, size: int) -> bytearray:
        self._file.seek(place)
        return bytearray(self._file.read(size))

    def _write_summed(self, place: int, content: bytearray, sum_at: int) -> None:
        content[sum_at : sum_at + 4] = bytes(4)
        struct.pack_into("<I", content, sum_at, google_crc32c.value(bytes(content)))
        self._file.seek(place)
        self._file.write(content)


def _records(content: bytearray, start: int, count: int) -> Iterator[tuple[int, int, int]]:
    for index in range(count):
        high, low = struct.unpack_from(">QQ", content, start + 16 * index)
        yield high >> 9 & ((1 << 54) - 1), (high & 0x1FF) << 43 | low >> 21, low & ((1 << 21) - 1)


def _short_entries(inode: bytearray) -> Iterator[tuple[int, int, int]]:
    """(start and end of the name, inode) of each entry of a directory that lies in its inode."""
    count, wide = inode[_CORE], inode[_CORE + 1] > 0
    width = 8 if wide else 4
    place = _CORE + 2 + width
    for _ in range(count):
        start = place + 3
        end = start + inode[place]
        yield start, end, int.from_bytes(inode[end + 1 : end + 1 + width], "big")
        place = end + 1 + width


def _entries(content: bytearray) -> Iterator[tuple[int, int, int]]:
    """(start and end of the name, inode) of each entry in a block of a directory."""
    end_of_block = len(content)
    if content[:4] == _BLOCK_FORMAT:
        end_of_block -= 8 + 8 * struct.unpack_from(">I", content, end_of_block - 8)[0]
    place = _DIRECTORY_HEADER
    while place < end_of_block:
        if content[place : place + 2] == b"\xff\xff":
            place += struct.unpack_from(">H", content, place + 2)[0]
            continue
        number, length = struct.unpack_from(">QB", content, place)
        start = place + 9
        yield start, start + length, number
        # The name, its type and, at the end of the last eight bytes, where the entry begins.
        place = -(-(start + length + 1 + 2) // 8) * 8


def _short_attributes(extended: Mapping[str, bytes]) -> bytes:
    """Extended attributes as they lie in an inode; nothing where there are none."""
    body = b""
    for name, value in extended.items():
        kind, _, rest = name.partition(".")
        flags, stored, content = {"security": _SECURE, "system": _ROOT}.get(kind, 0), rest.encode(), value
        if kind == "system":
            stored, content = _acl(rest, value)
        if len(stored) > 255 or len(content) > 255:
            raise BuildError(f"The extended attribute {name} is too long for XFS here: choose ext4.")
        body += struct.pack(">BBB", len(stored), len(content), flags) + stored + content
    if not body:
        return b""
    return struct.pack(">HBB", 4 + len(body), len(extended), 0) + body


def _acl(name: str, value: bytes) -> tuple[bytes, bytes]:
    """An access control list in XFS' own form: (its name, its content)."""
    listed = [struct.unpack_from("<HHI", value, place) for place in range(4, len(value), 8)][:_LARGEST_ACL]
    content = struct.pack(">I", len(listed)) + b"".join(
        struct.pack(">IIHH", tag, identity, rights, 0) for tag, rights, identity in listed
    )
    return (b"SGI_ACL_DEFAULT" if name.endswith("default") else b"SGI_ACL_FILE"), content
