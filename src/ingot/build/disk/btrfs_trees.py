"""btrfs' trees: sorted items, packed into leaves, with nodes above them."""

import struct
import uuid as uuids
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import google_crc32c

NODE = 16384
SECTOR = 4096
_HEADER = 101
_ROOM = NODE - _HEADER
_ITEM = 25
_POINTER = 33
#: The block is written, and its references are of today's kind.
_FLAGS = 1 | 1 << 56

INODE_ITEM, INODE_REF, XATTR_ITEM, DIR_ITEM, DIR_INDEX, EXTENT_DATA, EXTENT_CSUM = 1, 12, 24, 84, 96, 108, 128
DIRECTORY, ATTRIBUTE = 2, 8

#: (object, type, offset)
Key = tuple[int, int, int]
Item = tuple[Key, bytes]


@dataclass(frozen=True)
class Context:
    """What every block of a file system says of it."""

    uuid: uuids.UUID
    chunk_tree: uuids.UUID
    generation: int


@dataclass
class Tree:
    """A tree whose blocks lie in a row from address `start`: the leaves, then each level above."""

    owner: int
    items: list[Item]
    start: int
    _packed: tuple[list[Item], list[int]] | None = field(default=None, repr=False)

    @property
    def size(self) -> int:
        """Bytes of all blocks."""
        return sum(_levels(len(self._cuts()))) * NODE

    @property
    def level(self) -> int:
        """How many levels there are above the leaves."""
        return len(_levels(len(self._cuts()))) - 1

    @property
    def root(self) -> int:
        """The address of the topmost block."""
        return self.start + self.size - NODE

    def places(self) -> list[tuple[int, int]]:
        """(address, level) of every block."""
        return self.places_of(self.size // NODE)

    def places_of(self, count: int) -> list[tuple[int, int]]:
        """(address, level) of every block if there were `count` of them."""
        leaves = next(n for n in range(count, 0, -1) if sum(_levels(n)) <= count)
        levels = [level for level, blocks in enumerate(_levels(leaves)) for _ in range(blocks)]
        levels += [0] * (count - len(levels))
        return [(self.start + index * NODE, level) for index, level in enumerate(levels)]

    def blocks(self, context: Context) -> Iterator[tuple[int, bytes]]:
        """(address, content) of every block."""
        cuts = self._cuts()
        below: list[tuple[Key, int]] = []
        place = self.start
        for begin, end in zip(cuts, [*cuts[1:], len(self.items)], strict=True):
            leaf = self.items[begin:end]
            yield place, self._block(context, place, 0, len(leaf), _leaf(leaf))
            below.append((leaf[0][0] if leaf else (0, 0, 0), place))
            place += NODE
        level = 0
        while len(below) > 1:
            level += 1
            above: list[tuple[Key, int]] = []
            fan = _ROOM // _POINTER
            for begin in range(0, len(below), fan):
                children = below[begin : begin + fan]
                body = b"".join(struct.pack("<QBQQQ", *key, address, context.generation) for key, address in children)
                yield place, self._block(context, place, level, len(children), body)
                above.append((children[0][0], place))
                place += NODE
            below = above

    def _block(self, context: Context, place: int, level: int, count: int, body: bytes) -> bytes:
        head = context.uuid.bytes + struct.pack("<QQ", place, _FLAGS) + context.chunk_tree.bytes
        head += struct.pack("<QQIB", context.generation, self.owner, count, level)
        content = (head + body).ljust(NODE - 32, b"\0")
        return struct.pack("<I", google_crc32c.value(content)).ljust(32, b"\0") + content

    def _cuts(self) -> list[int]:
        """The index of the first item of each leaf."""
        if self._packed is None or self._packed[0] is not self.items:
            cuts, room = [0], _ROOM
            for index, (_, content) in enumerate(self.items):
                needed = len(content) + _ITEM
                if needed > room:
                    cuts.append(index)
                    room = _ROOM
                room -= needed
            self._packed = (self.items, cuts)
        return self._packed[1]


def _levels(leaves: int) -> list[int]:
    """How many blocks each level has, from the leaves up."""
    levels = [leaves]
    while levels[-1] > 1:
        levels.append(-(-levels[-1] // (_ROOM // _POINTER)))
    return levels


def _leaf(items: list[Item]) -> bytes:
    """The items' heads from the front, their contents from the end."""
    heads, end = [], _ROOM
    for key, content in items:
        end -= len(content)
        heads.append(struct.pack("<QBQII", *key, end, len(content)))
    front = b"".join(heads)
    back = b"".join(content for _, content in reversed(items))
    return front + bytes(_ROOM - len(front) - len(back)) + back


def name_hash(name: bytes) -> int:
    """The hash that directories and attributes are sorted by."""
    return cast("int", google_crc32c.extend(1, name)) ^ 0xFFFFFFFF


def inode_reference(index: int, name: bytes) -> bytes:
    """What a file says of one of its names."""
    return struct.pack("<QH", index, len(name)) + name


def directory_item(location: Key, kind: int, name: bytes, value: bytes = b"") -> bytes:
    """An entry of a directory, or an extended attribute."""
    return struct.pack("<QBQQHHB", *location, 1, len(value), len(name), kind) + name + value


def inode(
    *,
    mode: int,
    time: int,
    size: int,
    nbytes: int = 0,
    links: int = 1,
    owner: tuple[int, int] = (0, 0),
    device: int = 0,
    generation: int = 1,
) -> bytes:
    """A file's own numbers; all its times are `time`."""
    fields = (generation, 1, size, nbytes, 0, links, *owner, mode, device, 0, 0, 0, 0, 0, 0)
    return struct.pack("<5Q4I3Q4Q", *fields) + struct.pack("<QI", time, 0) * 4
