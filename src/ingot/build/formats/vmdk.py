"""VMware's disks: stream-optimised (compressed, for packages) and sparse (to run from).

See VMware's "Virtual Disk Format 5.0". A disk is divided into grains of 64 KiB; tables of 512 grains say where each
of them is, and a directory where the tables are. In a stream the tables follow their grains, and what is known only
at the end stands at the end.
"""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from ingot.build.formats.blocks import Disk, in_order
from ingot.build.formats.stream import LEVEL, Sink

SECTOR = 512
_GRAIN = 64 * 1024
_GRAIN_SECTORS = _GRAIN // SECTOR
_TABLE_ENTRIES = 512
_TABLE_SECTORS = _TABLE_ENTRIES * 4 // SECTOR
_DESCRIPTOR_SECTORS = 20
_AT_END = 0xFFFFFFFFFFFFFFFF
_END_OF_STREAM, _TABLE, _DIRECTORY, _FOOTER = range(4)
_VALID_NEWLINES, _REDUNDANT, _COMPRESSED, _MARKERS = 1, 2, 1 << 16, 1 << 17


def write_stream(disk: Disk, sink: Sink, *, uuid: UUID, name: str, on_progress: Callable[[float], None]) -> None:
    """Write a stream-optimised disk; `name` is the file's name in its own description."""
    sectors, written = disk.size // SECTOR, 0

    def write(content: bytes) -> int:
        """Append whole sectors; returns the first one's number."""
        nonlocal written
        position, padding = written, -len(content) % SECTOR
        sink.write(content + bytes(padding))
        written += (len(content) + padding) // SECTOR
        return position

    write(_header(sectors, directory=_AT_END))
    write(_description(uuid, sectors, name, "streamOptimized").ljust(_DESCRIPTOR_SECTORS * SECTOR, b"\0"))
    write(bytes((_GRAIN_SECTORS - written) * SECTOR))
    directory = [0] * _table_count(sectors)
    table: list[int] = []
    number = -1

    def finish_table() -> None:
        if number >= 0:
            write(_marker(_TABLE_SECTORS, _TABLE))
            directory[number] = write(struct.pack(f"<{_TABLE_ENTRIES}I", *table))

    for grain, packed in in_order(disk.blocks(_GRAIN), lambda block: (block[0], zlib.compress(block[1], LEVEL))):
        if grain // _TABLE_ENTRIES != number:
            finish_table()
            number, table = grain // _TABLE_ENTRIES, [0] * _TABLE_ENTRIES
        first = grain * _GRAIN_SECTORS
        table[grain % _TABLE_ENTRIES] = write(struct.pack("<QI", first, len(packed)) + packed)
        on_progress(first / sectors)
    finish_table()
    packed_directory = struct.pack(f"<{len(directory)}I", *directory)
    write(_marker(-(-len(packed_directory) // SECTOR), _DIRECTORY))
    place = write(packed_directory)
    write(_marker(1, _FOOTER))
    write(_header(sectors, directory=place))
    write(_marker(0, _END_OF_STREAM))


def write_sparse(raw: Path, output: Path, *, uuid: UUID, on_progress: Callable[[float], None]) -> None:
    """Write a growing disk in one file that virtual machines run from."""
    with Disk(raw) as disk, output.open("wb") as file:
        sectors = disk.size // SECTOR
        tables = _table_count(sectors)
        directory_sectors = -(-tables * 4 // SECTOR)
        spare, first = 1 + _DESCRIPTOR_SECTORS, 1 + _DESCRIPTOR_SECTORS + directory_sectors + tables * _TABLE_SECTORS
        overhead = first + directory_sectors + tables * _TABLE_SECTORS
        overhead = -(-overhead // _GRAIN_SECTORS) * _GRAIN_SECTORS
        entries = [0] * (tables * _TABLE_ENTRIES)
        end = overhead
        file.seek(end * SECTOR)
        for grain, content in disk.blocks(_GRAIN):
            entries[grain] = end
            file.write(content)
            end += _GRAIN_SECTORS
            on_progress(grain * _GRAIN_SECTORS / sectors)
        file.truncate(end * SECTOR)
        file.seek(0)
        file.write(_header(sectors, directory=first, spare=spare, overhead=overhead))
        file.write(_description(uuid, sectors, output.name, "monolithicSparse"))
        for place in (spare, first):
            places = [place + directory_sectors + table * _TABLE_SECTORS for table in range(tables)]
            file.seek(place * SECTOR)
            file.write(struct.pack(f"<{tables}I", *places).ljust(directory_sectors * SECTOR, b"\0"))
            file.write(struct.pack(f"<{len(entries)}I", *entries))


def _table_count(sectors: int) -> int:
    return -(-sectors // (_GRAIN_SECTORS * _TABLE_ENTRIES))


def _header(sectors: int, *, directory: int, spare: int | None = None, overhead: int = _GRAIN_SECTORS) -> bytes:
    in_stream = spare is None
    flags = _VALID_NEWLINES | (_COMPRESSED | _MARKERS if in_stream else _REDUNDANT)
    capacity = -(-sectors // _GRAIN_SECTORS) * _GRAIN_SECTORS if in_stream else sectors
    return struct.pack(
        "<4sIIQQQQIQQQB4sH",
        b"KDMV", 3 if in_stream else 1, flags, capacity, _GRAIN_SECTORS, 1, _DESCRIPTOR_SECTORS, _TABLE_ENTRIES,
        spare or 0, directory, overhead, 0, b"\n \r\n", 1 if in_stream else 0,
    ).ljust(SECTOR, b"\0")  # fmt: skip


def _marker(sectors: int, kind: int) -> bytes:
    return struct.pack("<QII", sectors, 0, kind)


def _description(uuid: UUID, sectors: int, name: str, kind: str) -> bytes:
    cylinders = min(16383, sectors // (16 * 63))
    lines = [
        "# Disk DescriptorFile",
        "version=1",
        f"CID={uuid.int & 0xFFFFFFFE:08x}",
        "parentCID=ffffffff",
        f'createType="{kind}"',
        "",
        "# Extent description",
        f'RW {sectors} SPARSE "{name}"',
        "",
        "# The Disk Data Base",
        "#DDB",
        "",
        'ddb.adapterType = "lsilogic"',
        f'ddb.geometry.cylinders = "{cylinders}"',
        'ddb.geometry.heads = "16"',
        'ddb.geometry.sectors = "63"',
        'ddb.virtualHWVersion = "4"',
        "",
    ]
    return "\n".join(lines).encode("ascii")
