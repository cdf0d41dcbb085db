"""Microsoft's newer disks (VHDX), as Hyper-V runs from. See [MS-VHDX]. Numbers are little-endian."""

import struct
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from ingot.build.errors import BuildError
from ingot.build.formats.blocks import Disk
from ingot.build.formats.stream import hashed, write_sparse

_KIB, _MIB = 1 << 10, 1 << 20
_BLOCK = _MIB
_LOGICAL, _PHYSICAL = 512, 4096
_LARGEST = 64 << 40
_LOG, _METADATA, _TABLE = _MIB, 2 * _MIB, 3 * _MIB
_FULLY_PRESENT = 6
#: After so many blocks the table has an entry that only differencing disks use.
_CHUNK_RATIO = (1 << 23) * _LOGICAL // _BLOCK
_TABLE_REGION = UUID("2dc27766-f623-4200-9d64-115e9bfd4a08")
_METADATA_REGION = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")
_FILE_PARAMETERS = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
_DISK_SIZE = UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
_DISK_ID = UUID("beca12ab-b2e6-4523-93ef-c309e000c746")
_LOGICAL_SECTOR = UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f")
_PHYSICAL_SECTOR = UUID("cda348c7-445d-4471-9cc9-e9885251c556")
_OF_DISK, _REQUIRED = 2, 4


def write_vhdx(
    raw: Path, output: Path, *, uuid: UUID, on_progress: Callable[[float], None] = lambda _part: None
) -> str:
    """Write a growing disk in order, what is zero of it as holes; returns the SHA-256."""
    with Disk(raw) as disk, hashed(output) as file:
        if disk.size > _LARGEST:
            raise BuildError(f"A VHDX holds at most 64 TiB, the disk has {disk.size >> 40} TiB. Make it smaller.")
        count = -(-disk.size // _BLOCK)
        table = [0] * (count + (count - 1) // _CHUNK_RATIO)
        table_size = -(-len(table) * 8 // _MIB) * _MIB
        data = _TABLE + table_size
        for used, number in enumerate(disk.present(_BLOCK)):
            table[number + number // _CHUNK_RATIO] = data + used * _BLOCK | _FULLY_PRESENT
        pieces = {
            0: b"vhdxfile" + "Ingot".encode("utf-16-le"),
            64 * _KIB: _header(1, uuid),
            128 * _KIB: _header(2, uuid),
            192 * _KIB: _regions(table_size),
            256 * _KIB: _regions(table_size),
            _METADATA: _metadata(disk.size, uuid),
            _TABLE: struct.pack(f"<{len(table)}Q", *table),
        }
        for place, piece in pieces.items():
            file.zeros(place - file.size)
            file.write(piece)
        file.zeros(data - file.size)
        for number, content in disk.blocks(_BLOCK):
            write_sparse(file, content)
            on_progress((number + 1) / count)
    return file.sha256


def _header(sequence: int, uuid: UUID) -> bytes:
    header = struct.pack(
        "<4sIQ16s16s16sHHIQ",
        b"head", 0, sequence, uuid.bytes_le, uuid.bytes_le, bytes(16), 0, 1, _MIB, _LOG,
    )  # fmt: skip
    return _with_checksum(header.ljust(4 * _KIB, b"\0"))


def _regions(table_size: int) -> bytes:
    entry = "<16sQII"
    regions = struct.pack("<4sIII", b"regi", 0, 2, 0)
    regions += struct.pack(entry, _TABLE_REGION.bytes_le, _TABLE, table_size, 1)
    regions += struct.pack(entry, _METADATA_REGION.bytes_le, _METADATA, _MIB, 1)
    return _with_checksum(regions.ljust(64 * _KIB, b"\0"))


def _metadata(size: int, uuid: UUID) -> bytes:
    items = (
        (_FILE_PARAMETERS, struct.pack("<II", _BLOCK, 0), _REQUIRED),
        (_DISK_SIZE, struct.pack("<Q", size), _OF_DISK | _REQUIRED),
        (_DISK_ID, uuid.bytes_le, _OF_DISK | _REQUIRED),
        (_LOGICAL_SECTOR, struct.pack("<I", _LOGICAL), _OF_DISK | _REQUIRED),
        (_PHYSICAL_SECTOR, struct.pack("<I", _PHYSICAL), _OF_DISK | _REQUIRED),
    )
    entries, values = b"", b""
    for identifier, value, flags in items:
        place = 64 * _KIB + len(values)
        entries += struct.pack("<16sIIII", identifier.bytes_le, place, len(value), flags, 0)
        values += value
    head = struct.pack("<8sHH", b"metadata", 0, len(items)).ljust(32, b"\0")
    return (head + entries).ljust(64 * _KIB, b"\0") + values


def _with_checksum(content: bytes) -> bytes:
    """A structure with its CRC-32C at byte 4, counted as if that were zero."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _CRC32C[(crc ^ byte) & 0xFF] ^ crc >> 8
    return content[:4] + struct.pack("<I", crc ^ 0xFFFFFFFF) + content[8:]


def _crc32c_table() -> tuple[int, ...]:
    values = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        values.append(value)
    return tuple(values)


_CRC32C = _crc32c_table()
