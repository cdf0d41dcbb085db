"""Microsoft's older disks (VHD): growing ones, and fixed ones as Azure takes them.

See Microsoft's "Virtual Hard Disk Image Format Specification" 1.0. Numbers are big-endian.
"""

import calendar
import struct
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

from ingot.build.errors import BuildError
from ingot.build.formats.base import Source
from ingot.build.formats.blocks import Disk
from ingot.build.formats.stream import Sink, copy_disk, gzipped, hashed, write_sparse

_SECTOR = 512
_BLOCK = 2 << 20
_BITMAP = _BLOCK // _SECTOR // 8
_NOWHERE = 0xFFFFFFFF
_NO_OFFSET = 0xFFFFFFFFFFFFFFFF
_FIXED, _DYNAMIC = 2, 3
_LARGEST = 2040 << 30
_MIB = 1 << 20
#: The format counts seconds from the beginning of 2000.
_BEGINNING = calendar.timegm((2000, 1, 1, 0, 0, 0))


def write(source: Source, output: Path) -> str:
    """Write a growing disk, compressed for download; returns the SHA-256."""
    uuid = source.disk_uuid()
    with Disk(source.disk) as disk, hashed(output) as file, ExitStack() as stack:
        sink = stack.enter_context(gzipped(file)) if source.compress else file
        write_dynamic(disk, sink, uuid=uuid, epoch=source.epoch, on_progress=source.on_progress)
    return file.sha256


def write_dynamic(
    disk: Disk, sink: Sink, *, uuid: UUID, epoch: int, on_progress: Callable[[float], None] = lambda _part: None
) -> None:
    """Write a growing disk in order. What is zero is known beforehand, so the table can come first."""
    _check_size(disk.size)
    footer = _footer(disk.size, _DYNAMIC, uuid, epoch)
    count = -(-disk.size // _BLOCK)
    table_size = -(-count * 4 // _SECTOR) * _SECTOR
    table, place = [_NOWHERE] * count, (3 * _SECTOR + table_size) // _SECTOR
    for number in disk.present(_BLOCK):
        table[number] = place
        place += (_BITMAP + _BLOCK) // _SECTOR
    sink.write(footer)
    sink.write(_dynamic_header(count))
    sink.write(struct.pack(f">{count}I", *table).ljust(table_size, b"\xff"))
    for number, content in disk.blocks(_BLOCK):
        sink.write(b"\xff" * _BITMAP)
        write_sparse(sink, content)
        on_progress((number + 1) / count)
    sink.write(footer)


def write_fixed(
    raw: Path,
    output: Path,
    *,
    uuid: UUID,
    epoch: int,
    on_progress: Callable[[float], None] = lambda _part: None,
) -> str:
    """Write a disk of all its bytes, of whole MiB; returns the SHA-256. Zeros are holes in the file."""
    with Disk(raw) as disk, hashed(output) as file:
        _check_size(disk.size)
        copy_disk(disk, file, on_progress)
        size = -(-disk.size // _MIB) * _MIB
        file.zeros(size - disk.size)
        file.write(_footer(size, _FIXED, uuid, epoch))
    return file.sha256


def _check_size(size: int) -> None:
    if size > _LARGEST:
        raise BuildError(
            f"A VHD holds at most {_LARGEST >> 30} GiB, the disk has {size >> 30} GiB. Make it smaller, or use VHDX."
        )


def _footer(size: int, kind: int, uuid: UUID, epoch: int) -> bytes:
    cylinders, heads, sectors = _geometry(size // _SECTOR)
    # Readers believe the size and not the geometry only of creators that they know.
    footer = struct.pack(
        ">8sIIQI4sI4sQQHBBII16sB",
        b"conectix", 2, 0x00010000, _SECTOR if kind == _DYNAMIC else _NO_OFFSET, max(0, epoch - _BEGINNING),
        b"win ", 0x000A0000, b"Wi2k", size, size, cylinders, heads, sectors, kind, 0, uuid.bytes, 0,
    ).ljust(_SECTOR, b"\0")  # fmt: skip
    return _with_checksum(footer, 64)


def _dynamic_header(count: int) -> bytes:
    header = struct.pack(">8sQQIII", b"cxsparse", _NO_OFFSET, 3 * _SECTOR, 0x00010000, count, _BLOCK)
    return _with_checksum(header.ljust(1024, b"\0"), 36)


def _with_checksum(content: bytes, at: int) -> bytes:
    return content[:at] + struct.pack(">I", ~sum(content) & 0xFFFFFFFF) + content[at + 4 :]


def _geometry(total: int) -> tuple[int, int, int]:
    """(cylinders, heads, sectors per track), as the specification calculates them."""
    total = min(total, 65535 * 16 * 255)
    if total >= 65535 * 16 * 63:
        heads, sectors = 16, 255
    else:
        sectors = 17
        heads = max(4, (total // sectors + 1023) // 1024)
        for more_sectors in (31, 63):
            if total // sectors >= heads * 1024 or heads > 16:
                sectors, heads = more_sectors, 16
    return total // sectors // heads, heads, sectors
