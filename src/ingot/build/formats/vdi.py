"""VirtualBox's own disks (VDI): a header, a map of blocks, the blocks that are not all zeros."""

import struct
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from ingot.build.formats.blocks import Disk
from ingot.build.formats.stream import hashed, write_sparse

_BLOCK = 1 << 20
_SECTOR = 512
_NOWHERE = 0xFFFFFFFF
_DYNAMIC = 1


def write_vdi(
    raw: Path, output: Path, *, uuid: UUID, on_progress: Callable[[float], None] = lambda _part: None
) -> str:
    """Write a growing disk in order, what is zero of it as holes; returns the SHA-256."""
    with Disk(raw) as disk, hashed(output) as file:
        count = -(-disk.size // _BLOCK)
        data = -(-(_SECTOR + count * 4) // _BLOCK) * _BLOCK
        places, present = [_NOWHERE] * count, disk.present(_BLOCK)
        for used, number in enumerate(present):
            places[number] = used
        head = _header(disk.size, count, len(present), data, uuid) + struct.pack(f"<{count}I", *places)
        file.write(head)
        file.zeros(data - len(head))
        for number, content in disk.blocks(_BLOCK):
            write_sparse(file, content)
            on_progress((number + 1) / count)
    return file.sha256


def _header(size: int, count: int, used: int, data: int, uuid: UUID) -> bytes:
    head = struct.pack(
        "<64sIIIII256sII", b"<<< Oracle VM VirtualBox Disk Image >>>\n", 0xBEDA107F, 0x00010001, 400, _DYNAMIC, 0,
        b"", _SECTOR, data,
    )  # fmt: skip
    geometry = struct.pack("<IIIII", 0, 0, 0, _SECTOR, 0)
    blocks = struct.pack("<QIIII", size, _BLOCK, 0, count, used)
    # Itself, its last snapshot, and no parents.
    identifiers = uuid.bytes_le + uuid.bytes_le + bytes(32)
    return (head + geometry + blocks + identifiers).ljust(_SECTOR, b"\0")
