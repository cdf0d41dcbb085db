"""Inodes, directories, block maps and extended attributes as ext2, ext3 and ext4 keep them."""

import os
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ingot.build.disk.attributes import Entry
from ingot.build.disk.ext_volume import BLOCK, INODE, ExtVolume, Run, crc
from ingot.build.errors import BuildError

_EXTENTS_FLAG = 0x80000
_EXTRA = 32
_TAIL = 12
_TAIL_TYPE = 0xDE
_DIRECTORY = 2
_MAP = 60
_EXTENT_MAGIC = 0xF30A
_EXTENTS_BESIDE, _EXTENTS_IN_BLOCK = 4, (BLOCK - 12 - 4) // 12
_LONGEST_EXTENT = 32768
_DIRECT, _POINTERS = 12, BLOCK // 4
_MOST_LINKS = 65000
_ATTRIBUTES_MAGIC = 0xEA020000
#: An extended attribute's name begins with a number for these.
_PREFIXES = {"user.": 1, "system.posix_acl_access": 2, "system.posix_acl_default": 3, "security.": 6}
_ATTRIBUTES_BESIDE = INODE - 128 - _EXTRA - 4
_INODE = struct.Struct("<HHIIIIIHHIII60sIIIIHHHHHHHHIIIIIII")

#: Takes so many blocks in a row.
Allocate = Callable[[int], list[Run]]


def inode(
    volume: ExtVolume,
    number: int,
    entry: Entry,
    *,
    size: int,
    links: int,
    blocks: int,
    content: bytes,
    attributes: tuple[bytes, int] = (b"", 0),
    is_mapped: bool = False,
) -> bytes:
    """An inode. `content` is its block map, a short link's target or a device's number; `blocks` counts all that it
    takes; `attributes` are those beside it and the block of more; `is_mapped` says that `content` has extents."""
    status, (beside, block) = entry.status, attributes
    low = entry.time & 0xFFFFFFFF
    # Two bits more of the seconds, beyond 2038.
    more = (entry.time - (low - (1 << 32) if low >> 31 else low)) >> 32 & 3
    is_directory = entry.is_directory
    sectors = blocks * (BLOCK // 512)
    packed = bytearray(
        _INODE.pack(
            status.st_mode,
            status.st_uid & 0xFFFF,
            size & 0xFFFFFFFF,
            low,
            low,
            low,
            0,
            status.st_gid & 0xFFFF,
            # More than fit are not counted.
            links if links < _MOST_LINKS or not is_directory else 1,
            sectors & 0xFFFFFFFF,
            _EXTENTS_FLAG if is_mapped else 0,
            0,
            content,
            0,
            block & 0xFFFFFFFF,
            size >> 32,
            0,
            sectors >> 32,
            block >> 32,
            status.st_uid >> 16,
            status.st_gid >> 16,
            0,
            0,
            _EXTRA,
            0,
            more,
            more,
            more,
            low,
            more,
            0,
            0,
        )
        + beside
    ).ljust(INODE, b"\0")
    if volume.has_checksums:
        value = crc(volume.inode_seed(number), bytes(packed))
        struct.pack_into("<H", packed, 124, value & 0xFFFF)
        struct.pack_into("<H", packed, 130, value >> 16)
    return bytes(packed)


def device(status: os.stat_result) -> bytes:
    """A device's number as an inode has it: short, or long where that does not fit."""
    major, minor = os.major(status.st_rdev), os.minor(status.st_rdev)
    if major < 256 and minor < 256:
        return struct.pack("<I", major << 8 | minor)
    return struct.pack("<II", 0, minor & 0xFF | major << 8 | (minor & ~0xFF) << 12)


def directory_size(volume: ExtVolume, names: Iterable[bytes]) -> int:
    """How many blocks a directory takes."""
    return sum(1 for _ in _blocks_of_names(volume, names))


def directory(volume: ExtVolume, number: int, parent: int, entries: Sequence[tuple[int, Entry]]) -> Iterator[bytes]:
    """The blocks of a directory; `entries` are (inode, entry)."""
    seed = volume.inode_seed(number)
    room = _room(volume)
    remaining = iter([(number, _DIRECTORY), (parent, _DIRECTORY), *((at, entry.kind) for at, entry in entries)])
    for names in _blocks_of_names(volume, (entry.name for _, entry in entries)):
        block = bytearray()
        for name in names:
            target, kind = next(remaining)
            length = _length(name)
            if name is names[-1]:
                length = room - len(block)
            block += struct.pack("<IHBB", target, length, len(name), kind) + name.ljust(length - 8, b"\0")
        if volume.has_checksums:
            block += struct.pack("<IHBBI", 0, _TAIL, 0, _TAIL_TYPE, crc(seed, bytes(block)))
        yield bytes(block)


def _room(volume: ExtVolume) -> int:
    return BLOCK - (_TAIL if volume.has_checksums else 0)


def _length(name: bytes) -> int:
    return -(-(8 + len(name)) // 4) * 4


def _blocks_of_names(volume: ExtVolume, names: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The names in each block of a directory, those of itself and its parent first."""
    room = left = _room(volume)
    block: list[bytes] = []
    for name in (b".", b"..", *names):
        length = _length(name)
        if length > left:
            yield block
            block, left = [], room
        block.append(name)
        left -= length
    yield block


def block_map(volume: ExtVolume, number: int, runs: Sequence[Run], allocate: Allocate) -> tuple[bytes, int]:
    """What leads to an inode's content in `runs`: (what its inode has of it, how many blocks it took and wrote)."""
    if not volume.has_extents:
        return _pointers(volume, runs, allocate)
    seed = volume.inode_seed(number)
    level: list[bytes] = []
    firsts: list[int] = []
    logical = 0
    for begin, count in runs:
        for at in range(0, count, _LONGEST_EXTENT):
            size, block = min(count - at, _LONGEST_EXTENT), begin + at
            level.append(struct.pack("<IHHI", logical, size, block >> 32, block & 0xFFFFFFFF))
            firsts.append(logical)
            logical += size
    depth = taken = 0
    while len(level) > _EXTENTS_BESIDE:
        above, starts = [], []
        for at in range(0, len(level), _EXTENTS_IN_BLOCK):
            group = level[at : at + _EXTENTS_IN_BLOCK]
            [(block, _)] = allocate(1)
            content = (_extent_header(len(group), _EXTENTS_IN_BLOCK, depth) + b"".join(group)).ljust(BLOCK - 4, b"\0")
            volume.write(block, content + struct.pack("<I", crc(seed, content)))
            above.append(struct.pack("<IIHH", firsts[at], block & 0xFFFFFFFF, block >> 32, 0))
            starts.append(firsts[at])
        taken += len(above)
        level, firsts = above, starts
        depth += 1
    return _extent_header(len(level), _EXTENTS_BESIDE, depth) + b"".join(level), taken


def _extent_header(count: int, most: int, depth: int) -> bytes:
    return struct.pack("<HHHHI", _EXTENT_MAGIC, count, most, depth, 0)


def _pointers(volume: ExtVolume, runs: Sequence[Run], allocate: Allocate) -> tuple[bytes, int]:
    """The block map of ext2 and ext3: the first blocks, then blocks of blocks, up to three levels deep."""
    blocks = [block for first, count in runs for block in range(first, first + count)]
    taken = 0

    def pointer(part: list[int], depth: int) -> int:
        nonlocal taken
        if depth > 1:
            below = _POINTERS ** (depth - 1)
            part = [pointer(part[at : at + below], depth - 1) for at in range(0, len(part), below)]
        [(block, _)] = allocate(1)
        taken += 1
        volume.write(block, struct.pack(f"<{len(part)}I", *part).ljust(BLOCK, b"\0"))
        return block

    content, rest = [*blocks[:_DIRECT]], blocks[_DIRECT:]
    content += [0] * (_DIRECT - len(content))
    for depth in (1, 2, 3):
        part, rest = rest[: _POINTERS**depth], rest[_POINTERS**depth :]
        content.append(pointer(part, depth) if part else 0)
    return struct.pack("<15I", *content), taken


def attributes(volume: ExtVolume, entry: Entry, allocate: Allocate) -> tuple[bytes, int]:
    """Extended attributes: (what lies beside the inode, the block of those that do not fit there or 0)."""
    found = sorted(_attributes(entry.attributes()))
    if not found:
        return b"", 0
    size = sum(_length_of_attribute(name) + _padded(value) for (_, _, name), value in found)
    if size + 4 <= _ATTRIBUTES_BESIDE:
        body = _pack_attributes(found, 0, _ATTRIBUTES_BESIDE, is_hashed=False)
        return struct.pack("<I", _ATTRIBUTES_MAGIC) + body, 0
    if 32 + size + 4 > BLOCK:
        raise BuildError(f"{entry.path} has more extended attributes than the {BLOCK} bytes that ext4 has for them.")
    [(block, _)] = allocate(1)
    body = _pack_attributes(found, 32, BLOCK - 32, is_hashed=True)
    total = 0
    for key, value in found:
        total = (total << 16 | total >> 16) & 0xFFFFFFFF ^ _attribute_hash(key[2], value)
    content = struct.pack("<IIIII12x", _ATTRIBUTES_MAGIC, 1, 1, total, 0) + body
    if volume.has_checksums:
        content = content[:16] + struct.pack("<I", volume.block_sum(block, content)) + content[20:]
    volume.write(block, content)
    return b"", block


#: What attributes are sorted by, as the kernel does it: the number of the prefix, the length and the name.
_Key = tuple[int, int, bytes]


def _attributes(found: Mapping[str, bytes]) -> Iterator[tuple[_Key, bytes]]:
    for name, value in found.items():
        prefix = next(prefix for prefix in _PREFIXES if name.startswith(prefix))
        rest = name[len(prefix) :].encode()
        yield (_PREFIXES[prefix], len(rest), rest), _acl(value) if prefix.startswith("system.") else value


def _acl(value: bytes) -> bytes:
    """An access control list as ext4 keeps it: owners only where an entry has one."""
    content = struct.pack("<I", 1)
    for place in range(4, len(value), 8):
        tag, rights, owner = struct.unpack_from("<HHI", value, place)
        content += struct.pack("<HHI", tag, rights, owner) if tag in (2, 8) else struct.pack("<HH", tag, rights)
    return content


def _pack_attributes(found: Sequence[tuple[_Key, bytes]], base: int, room: int, *, is_hashed: bool) -> bytes:
    """The entries from the beginning, the values from the end of the room; places count from `base` before it."""
    entries = values = b""
    for (prefix, length, name), value in found:
        values = value.ljust(_padded(value), b"\0") + values
        place = base + room - len(values) if value else 0
        hash_ = _attribute_hash(name, value) if is_hashed else 0
        entries += struct.pack("<BBHIII", length, prefix, place, 0, len(value), hash_)
        entries += name.ljust(_length_of_attribute(name) - 16, b"\0")
    return entries.ljust(room - len(values), b"\0") + values


def _length_of_attribute(name: bytes) -> int:
    return 16 + -(-len(name) // 4) * 4


def _padded(value: bytes) -> int:
    return -(-len(value) // 4) * 4


def _attribute_hash(name: bytes, value: bytes) -> int:
    hash_ = 0
    for byte in name:
        hash_ = (hash_ << 5 ^ hash_ >> 27 ^ byte) & 0xFFFFFFFF
    for (word,) in struct.iter_unpack("<I", value.ljust(_padded(value), b"\0")):
        hash_ = (hash_ << 16 ^ hash_ >> 16 ^ word) & 0xFFFFFFFF
    return hash_
