"""Make a btrfs file system with a tree in it, the same bytes for the same tree.

mkfs.btrfs numbers files as the host does and takes them in the host's order, so its result differs from one machine to
the next. The format itself is regular: everything is an item in a sorted tree. All data lies in a row, all tree blocks
in another, and free space follows each. See the kernel's include/uapi/linux/btrfs_tree.h for the structures.
"""

import struct
import uuid as uuids
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from ingot.build.disk import btrfs_trees as trees
from ingot.build.disk.btrfs_files import FileItems, copy_data, file_items
from ingot.build.disk.btrfs_trees import NODE, SECTOR, Item, Key
from ingot.build.disk.layout import MIB, Volume
from ingot.build.errors import BuildError

_STRIPE = 65536
_SUPERBLOCKS = (64 * 1024, 64 * MIB, 256 * 1024 * MIB)
_FIRST_LOGICAL = 16 * MIB
_DATA, _SYSTEM, _METADATA, _DUPLICATED = 1, 2, 4, 0x20
_SYSTEM_SIZE = 4 * MIB
_DATA_CHUNK = 1024 * MIB
_ROOT, _EXTENT, _CHUNK, _DEVICE, _FILES, _ROOT_DIRECTORY, _CHECKSUMS, _FREE_SPACE = 1, 2, 3, 4, 5, 6, 7, 10
_RELOCATION = 2**64 - 9
_FIRST_CHUNK = 256
_GENERATION = 1
_MIXED_BACKREF, _BIG_METADATA, _EXTENDED_IREF, _SKINNY_METADATA, _NO_HOLES = 1, 0x20, 0x40, 0x100, 0x200
_FREE_SPACE_TREE, _FREE_SPACE_TREE_VALID = 1, 2
_BLOCK_GROUP_ITEM, _CHUNK_ITEM, _DEVICE_ITEM, _DEVICE_EXTENT, _ROOT_ITEM = 192, 228, 216, 204, 132
_EXTENT_ITEM, _METADATA_ITEM, _FREE_SPACE_INFO, _FREE_SPACE_EXTENT = 168, 169, 198, 199


@dataclass
class _Chunk:
    """A stretch of logical addresses, and where it lies on the volume, twice if it is duplicated."""

    start: int
    size: int
    flags: int
    places: list[int]
    used: int = 0


@dataclass
class _Image:
    volume: Volume
    device: uuids.UUID
    chunk_tree: uuids.UUID
    chunks: list[_Chunk] = field(default_factory=list)
    end: int = MIB

    def add(self, size: int, flags: int) -> _Chunk:
        """A chunk behind the last one."""
        start = self.chunks[-1].start + self.chunks[-1].size if self.chunks else _FIRST_LOGICAL
        places = [self._place(size) for _ in range(2 if flags & _DUPLICATED else 1)]
        chunk = _Chunk(start, size, flags, places)
        self.chunks.append(chunk)
        return chunk

    def _place(self, size: int) -> int:
        place = self.end
        for mirror in _SUPERBLOCKS:
            if place < mirror + _STRIPE and mirror < place + size:
                place = -(-(mirror + _STRIPE) // MIB) * MIB
        self.end = place + size
        if self.end > self.volume.size:
            missing = -(-(self.end - self.volume.size) // MIB)
            raise BuildError(
                f"{self.volume.name} has {self.volume.size // MIB} MB, and its content takes {missing} MB more as "
                f"btrfs. Raise its size by that."
            )
        return place


def make_btrfs(file: Path, volume: Volume, tree: Path, epoch: int) -> None:
    """Fill a file of the volume's size with the file system. All times are `epoch` or, for files, earlier."""
    image = _Image(volume, uuids.uuid5(volume.uuid, "btrfs device"), uuids.uuid5(volume.uuid, "btrfs chunk tree"))
    # The order on the volume: notes first, data behind them, for it is the data that will grow.
    files = file_items(tree, epoch)
    system = image.add(_SYSTEM_SIZE, _SYSTEM | _DUPLICATED)
    metadata_size = _roomy(_estimate(files.items_size + files.data_size // SECTOR * 4))
    metadata = image.add(metadata_size, _METADATA | _DUPLICATED)
    first_data = metadata.start + metadata.size
    left = files.data_size
    while left > 0 or image.chunks[-1] is metadata:
        size = min(_DATA_CHUNK, -(-max(left, 8 * MIB) // MIB) * MIB)
        chunk = image.add(size, _DATA)
        chunk.used = min(left, size)
        left -= size
    with file.open("r+b") as target:
        checksums = copy_data(files, target, first_data, _address_of_data(image))
        writer = _Writer(image, files, checksums, first_data, epoch)
        blocks = writer.blocks(system, metadata)
        _write(target, image, blocks)
        target.seek(0)
        superblock = writer.superblock()
        for place in _SUPERBLOCKS:
            if place + SECTOR <= volume.size:
                target.seek(place)
                target.write(_with_place(superblock, place))


def _estimate(items: int) -> int:
    """Bytes of tree blocks for so many of items: leaves are seldom quite full, and there are nodes above them."""
    return items * 5 // 4 + 64 * NODE


def _roomy(size: int) -> int:
    """Room to work in: a quarter more, in whole steps."""
    step = 16 * MIB
    return -(-(size * 5 // 4) // step) * step


def _address_of_data(image: _Image) -> dict[int, int]:
    """Where each data chunk lies: {logical start: place}."""
    return {chunk.start: chunk.places[0] for chunk in image.chunks if chunk.flags & _DATA}


class _Writer:
    def __init__(self, image: _Image, files: FileItems, checksums: list[Item], first_data: int, epoch: int) -> None:
        self._image, self._files, self._epoch = image, files, epoch
        self._checksums, self._first_data = checksums, first_data
        self._root = self._chunk_root = (0, 0)

    def blocks(self, system: _Chunk, metadata: _Chunk) -> list[tuple[int, bytes]]:
        """All tree blocks: (logical address, content)."""
        image = self._image
        context = trees.Context(image.volume.uuid, image.chunk_tree, _GENERATION)
        chunk_tree = trees.Tree(_CHUNK, self._chunk_items(), system.start)
        data = [
            trees.Tree(_DEVICE, self._device_items(), 0),
            trees.Tree(_FILES, self._files.items, 0),
            trees.Tree(_CHECKSUMS, self._checksums, 0),
            trees.Tree(_RELOCATION, self._files.empty_root(), 0),
        ]
        place = metadata.start
        for tree in data:
            tree.start = place
            place += tree.size
        # How many blocks these have is known before their content is.
        free_space = trees.Tree(_FREE_SPACE, self._free_space_items(), place)
        place += free_space.size
        root = trees.Tree(_ROOT, self._root_items([*data, free_space], 0, 0), place)
        place += root.size
        extent = trees.Tree(_EXTENT, [], place)
        count = 1
        while True:
            others = [chunk_tree, *data, free_space, root]
            system.used, metadata.used = chunk_tree.size, place + count * NODE - metadata.start
            extent.items = self._extent_items(others, extent, count)
            if extent.size // NODE == count:
                break
            count = extent.size // NODE
        if metadata.used > metadata.size:
            raise BuildError(f"The notes of {image.volume.name} outgrew their estimate of {metadata.size} bytes.")
        free_space.items = self._free_space_items()
        root.items = self._root_items([*data, free_space], extent.root, extent.level, extent=extent)
        self._root, self._chunk_root = (root.root, root.level), (chunk_tree.root, chunk_tree.level)
        written = [chunk_tree, *data, free_space, root, extent]
        return [block for tree in written for block in tree.blocks(context)]

    def _chunk_items(self) -> list[Item]:
        items: list[Item] = [((1, _DEVICE_ITEM, 1), self._device_item())]
        items += [((_FIRST_CHUNK, _CHUNK_ITEM, chunk.start), self._chunk_item(chunk)) for chunk in self._image.chunks]
        return items

    def _chunk_item(self, chunk: _Chunk) -> bytes:
        stripes = b"".join(struct.pack("<QQ16s", 1, place, self._image.device.bytes) for place in chunk.places)
        fixed = (chunk.size, _EXTENT, _STRIPE, chunk.flags, _STRIPE, _STRIPE, SECTOR, len(chunk.places), 1)
        return struct.pack("<QQQQIIIHH", *fixed) + stripes

    def _device_item(self) -> bytes:
        used = sum(chunk.size * len(chunk.places) for chunk in self._image.chunks)
        size = self._image.volume.size // SECTOR * SECTOR
        fields = (1, size, used, SECTOR, SECTOR, SECTOR, 0, 0, 0, 0, 0, 0)
        return struct.pack("<QQQIIIQQQIBB", *fields) + self._image.device.bytes + self._image.volume.uuid.bytes

    def _device_items(self) -> list[Item]:
        items = [
            (
                (1, _DEVICE_EXTENT, place),
                struct.pack("<QQQQ", _CHUNK, _FIRST_CHUNK, chunk.start, chunk.size) + self._image.chunk_tree.bytes,
            )
            for chunk in self._image.chunks
            for place in chunk.places
        ]
        return sorted(items)

    def _free_space_items(self) -> list[Item]:
        items: list[Item] = []
        for chunk in self._image.chunks:
            free = chunk.size - chunk.used
            items.append(((chunk.start, _FREE_SPACE_INFO, chunk.size), struct.pack("<II", 1 if free else 0, 0)))
            # One entry also while it is not known what is used: so that the number of blocks is right.
            if free:
                items.append(((chunk.start + chunk.used, _FREE_SPACE_EXTENT, free), b""))
        return items

    def _extent_items(self, others: list[trees.Tree], extent: trees.Tree, count: int) -> list[Item]:
        items: list[Item] = []
        blocks = [(place, level, tree.owner) for tree in others for place, level in tree.places()]
        # The tree describes itself too: its leaves come first, then the levels above.
        blocks += [(place, level, _EXTENT) for place, level in extent.places_of(count)]
        for place, level, owner in blocks:
            items.append(((place, _METADATA_ITEM, level), struct.pack("<QQQBQ", 1, _GENERATION, 2, 176, owner)))
        for chunk in self._image.chunks:
            item = struct.pack("<QQQ", chunk.used, _FIRST_CHUNK, chunk.flags)
            items.append(((chunk.start, _BLOCK_GROUP_ITEM, chunk.size), item))
        for piece in self._files.pieces:
            item = struct.pack("<QQQBQQQI", 1, _GENERATION, 1, 178, _FILES, piece.inode, piece.reference, 1)
            items.append(((self._first_data + piece.start, _EXTENT_ITEM, piece.size), item))
        return sorted(items)

    def _root_items(
        self, inner: list[trees.Tree], place: int, level: int, *, extent: trees.Tree | None = None
    ) -> list[Item]:
        roots = {tree.owner: (tree.root, tree.level, tree.size) for tree in inner}
        roots[_EXTENT] = (place, level, extent.size if extent else NODE)
        items: list[Item] = [
            ((owner, _ROOT_ITEM, 0), self._root_item(owner, *numbers)) for owner, numbers in roots.items()
        ]
        name = b"default"
        location: Key = (_FILES, _ROOT_ITEM, 2**64 - 1)
        items += [
            ((_FILES, trees.INODE_REF, _ROOT_DIRECTORY), trees.inode_reference(0, name)),
            ((_ROOT_DIRECTORY, trees.INODE_ITEM, 0), trees.inode(mode=0o40755, time=self._epoch, size=0, nbytes=NODE)),
            ((_ROOT_DIRECTORY, trees.INODE_REF, _ROOT_DIRECTORY), trees.inode_reference(0, b"..")),
            (
                (_ROOT_DIRECTORY, trees.DIR_ITEM, trees.name_hash(name)),
                trees.directory_item(location, trees.DIRECTORY, name),
            ),
        ]
        return sorted(items)

    def _root_item(self, owner: int, place: int, level: int, size: int) -> bytes:
        has_directory = owner in (_FILES, _RELOCATION)
        item = trees.inode(mode=0o40755, time=0, size=3, nbytes=NODE, generation=1)
        directory = _FIRST_CHUNK if has_directory else 0
        item += struct.pack("<7QI", _GENERATION, directory, place, 0, size, 0, 0, 1)
        item += bytes(17) + struct.pack("<BB", 0, level)
        uuid = uuids.uuid5(self._image.volume.uuid, f"btrfs tree {owner}") if owner == _FILES else uuids.UUID(int=0)
        item += struct.pack("<Q", _GENERATION) + uuid.bytes + bytes(32) + bytes(32)
        times = struct.pack("<QI", self._epoch, 0)
        return item + times + times + bytes(24) + bytes(64)

    def superblock(self) -> bytes:
        """The superblock but for its own place and checksum."""
        image = self._image
        used = sum(chunk.used for chunk in image.chunks)
        system = next(chunk for chunk in image.chunks if chunk.flags & _SYSTEM)
        chunk_key = struct.pack("<QBQ", _FIRST_CHUNK, _CHUNK_ITEM, system.start) + self._chunk_item(system)
        incompatible = _MIXED_BACKREF | _BIG_METADATA | _EXTENDED_IREF | _SKINNY_METADATA | _NO_HOLES
        block = bytearray(SECTOR)
        block[0x20:0x30] = image.volume.uuid.bytes
        struct.pack_into("<QQ8s", block, 0x30, 0, 1, b"_BHRfS_M")
        size = image.volume.size // SECTOR * SECTOR
        fields = (_GENERATION, self._root[0], self._chunk_root[0], 0, 0, size, used, _ROOT_DIRECTORY, 1)
        struct.pack_into("<9Q", block, 0x48, *fields)
        struct.pack_into("<5I", block, 0x90, SECTOR, NODE, NODE, SECTOR, len(chunk_key))
        free_space = _FREE_SPACE_TREE | _FREE_SPACE_TREE_VALID
        struct.pack_into("<QQQQ", block, 0xA4, _GENERATION, 0, free_space, incompatible)
        struct.pack_into("<HBBB", block, 0xC4, 0, self._root[1], self._chunk_root[1], 0)
        block[0xC9 : 0xC9 + 98] = self._device_item()
        label = image.volume.label.encode()[:255]
        block[0x12B : 0x12B + len(label)] = label
        block[0x32B : 0x32B + len(chunk_key)] = chunk_key
        return bytes(block)


def _with_place(superblock: bytes, place: int) -> bytes:
    block = superblock[:0x30] + struct.pack("<Q", place) + superblock[0x38:]
    return struct.pack("<I", google_crc32c.value(block[32:])) + block[4:]


def _write(target: BinaryIO, image: _Image, blocks: list[tuple[int, bytes]]) -> None:
    for address, content in blocks:
        chunk = next(chunk for chunk in image.chunks if chunk.start <= address < chunk.start + chunk.size)
        for place in chunk.places:
            target.seek(place + address - chunk.start)
            target.write(content)
