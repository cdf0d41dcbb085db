"""A tree's files as the items of a btrfs file tree, and their content as pieces that lie in a row."""

import os
import stat
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from ingot.build.disk import btrfs_trees as trees
from ingot.build.disk.attributes import Entry, entries, files_of
from ingot.build.disk.btrfs_trees import SECTOR, Item, Key
from ingot.build.sparse import data

_FIRST_INODE = 256
_FIRST_INDEX = 2
#: Files up to this size lie beside their inode.
_INLINE = 2048
#: The largest piece: far below the format's own limit, so that what is checked at once stays small.
_PIECE = 8 << 20
_CHECKSUMS = 2**64 - 10
_CHECKSUMS_PER_ITEM = 2048


@dataclass(frozen=True)
class Piece:
    """`size` bytes (whole sectors) of a file from byte `offset`; `start` counts from the first data of all.

    `reference` is where the file would begin for this piece, as references to it count.
    """

    path: str
    inode: int
    offset: int
    start: int
    size: int
    reference: int


@dataclass
class FileItems:
    """The items of a file tree, sorted, and the pieces of its files' content. Addresses of data are still relative:
    `place` makes them absolute."""

    items: list[Item] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    data_size: int = 0
    epoch: int = 0

    @property
    def items_size(self) -> int:
        """Bytes of all items with what leads to them."""
        return sum(len(content) + 25 for _, content in self.items) + len(self.pieces) * (53 + 25)

    def empty_root(self) -> list[Item]:
        """The items of a file tree with nothing in it."""
        return [
            ((_FIRST_INODE, trees.INODE_ITEM, 0), trees.inode(mode=0o40755, time=self.epoch, size=0)),
            ((_FIRST_INODE, trees.INODE_REF, _FIRST_INODE), trees.inode_reference(0, b"..")),
        ]

    def place(self, first_data: int) -> None:
        """Add the items that say where each piece is: `first_data` is the address of the first."""
        for piece in self.pieces:
            head = struct.pack("<QQBBHB", 1, piece.size, 0, 0, 0, 1)
            where = struct.pack("<QQQQ", first_data + piece.start, piece.size, 0, piece.size)
            self.items.append(((piece.inode, trees.EXTENT_DATA, piece.offset), head + where))
        self.items = sorted(self.items, key=lambda item: item[0])


def file_items(tree: Path, epoch: int) -> FileItems:
    """Read a tree: everything but the content of its larger files."""
    made = FileItems(epoch=epoch)
    found = list(entries(tree, epoch))
    numbers, names = _number(found)
    listings: dict[int, list[tuple[int, Entry]]] = {}
    for index, entry in enumerate(found[1:], 1):
        listings.setdefault(numbers[entry.parent], []).append((numbers[index], entry))
    done: set[int] = set()
    for index, entry in enumerate(found):
        inode = numbers[index]
        if inode not in done:
            done.add(inode)
            _describe(made, inode, entry, links=len(names[inode]), listing=listings.get(inode, []))
    return made


def _number(found: list[Entry]) -> tuple[list[int], dict[int, list[int]]]:
    """The inode number of each entry, and each inode's entries: hard links are the same file."""
    numbers: list[int] = []
    names: dict[int, list[int]] = {}
    inodes: dict[int, int] = {}
    for index, file in enumerate(files_of(found)):
        number = inodes.setdefault(file, _FIRST_INODE + len(inodes))
        numbers.append(number)
        names.setdefault(number, []).append(index)
    return numbers, names


def _describe(made: FileItems, inode: int, entry: Entry, links: int, listing: list[tuple[int, Entry]]) -> None:
    status = entry.status
    size = nbytes = 0
    if entry.is_directory:
        size = sum(2 * len(child.name) for _, child in listing)
        made.items += _directory(inode, listing)
    elif entry.is_file or entry.is_link:
        size = status.st_size
        nbytes = _content(made, inode, entry)
    if inode == _FIRST_INODE:
        made.items.append(((inode, trees.INODE_REF, inode), trees.inode_reference(0, b"..")))
    item = trees.inode(
        mode=status.st_mode,
        time=entry.time,
        size=size,
        nbytes=nbytes,
        links=links,
        owner=(status.st_uid, status.st_gid),
        device=_device(status),
    )
    made.items.append(((inode, trees.INODE_ITEM, 0), item))
    attributes = entry.attributes().items()
    hashed = sorted((trees.name_hash(name.encode()), name.encode(), value) for name, value in attributes)
    for hash_, group in groupby(hashed, key=lambda attribute: attribute[0]):
        content = b"".join(trees.directory_item((0, 0, 0), trees.ATTRIBUTE, name, value) for _, name, value in group)
        made.items.append(((inode, trees.XATTR_ITEM, hash_), content))


def _directory(inode: int, listing: list[tuple[int, Entry]]) -> Iterator[Item]:
    """The entries of a directory by hash and by order, and what each file says of its names there."""
    hashes: dict[int, bytes] = {}
    references: dict[int, bytes] = {}
    for index, (child, entry) in enumerate(listing, _FIRST_INDEX):
        location: Key = (child, trees.INODE_ITEM, 0)
        item = trees.directory_item(location, entry.kind, entry.name)
        hash_ = trees.name_hash(entry.name)
        hashes[hash_] = hashes.get(hash_, b"") + item
        references[child] = references.get(child, b"") + trees.inode_reference(index, entry.name)
        yield (inode, trees.DIR_INDEX, index), item
    for hash_, content in hashes.items():
        yield (inode, trees.DIR_ITEM, hash_), content
    for child, content in references.items():
        yield (child, trees.INODE_REF, inode), content


def _content(made: FileItems, inode: int, entry: Entry) -> int:
    """Note a file's content; returns how many bytes it takes."""
    size = entry.status.st_size
    if entry.is_link or 0 < size <= _INLINE:
        content = os.fsencode(Path(entry.path).readlink()) if entry.is_link else Path(entry.path).read_bytes()
        head = struct.pack("<QQBBHB", 1, len(content), 0, 0, 0, 0)
        made.items.append(((inode, trees.EXTENT_DATA, 0), head + content))
        return len(content)
    if size == 0:
        return 0
    taken = 0
    end = 0
    with Path(entry.path).open("rb", buffering=0) as file:
        for begin, stop in data(file.fileno()):
            offset = max(begin // SECTOR * SECTOR, end)
            end = max(-(-stop // SECTOR) * SECTOR, end)
            while offset < end:
                # No piece crosses a gibibyte: chunks of data end there.
                room = _PIECE - made.data_size % _PIECE
                length = min(end - offset, room)
                made.pieces.append(Piece(entry.path, inode, offset, made.data_size, length, offset))
                made.data_size += length
                offset += length
                taken += length
    return taken


def _device(status: os.stat_result) -> int:
    """A device's number as the file system has it."""
    if not (stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)):
        return 0
    return os.major(status.st_rdev) << 20 | os.minor(status.st_rdev)


def copy_data(files: FileItems, target: BinaryIO, first_data: int, places: Mapping[int, int]) -> list[Item]:
    """Write the content of the files, and return the items with its checksums, one for each sector.

    `places` has where each chunk of addresses lies in the file: {address: byte}.
    """
    files.place(first_data)
    sums: list[bytes] = []
    for piece in files.pieces:
        with Path(piece.path).open("rb", buffering=0) as source:
            content = os.pread(source.fileno(), piece.size, piece.offset).ljust(piece.size, b"\0")
        address = first_data + piece.start
        chunk = max(start for start in places if start <= address)
        os.pwrite(target.fileno(), content, places[chunk] + address - chunk)
        sums += [
            struct.pack("<I", google_crc32c.value(content[sector : sector + SECTOR]))
            for sector in range(0, piece.size, SECTOR)
        ]
    return [
        (
            (_CHECKSUMS, trees.EXTENT_CSUM, first_data + first * SECTOR),
            b"".join(sums[first : first + _CHECKSUMS_PER_ITEM]),
        )
        for first in range(0, len(sums), _CHECKSUMS_PER_ITEM)
    ]
