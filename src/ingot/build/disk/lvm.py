"""LVM2's own notes on a physical volume, written as the documented format has them: no device mapper, no root.

A physical volume begins with a label (sector 1), then a metadata area with the volume group as text, then, from the
first mebibyte on, the extents. The notes are the same on every physical volume of a group.
"""

import hashlib
import itertools
import struct
import uuid as uuids
import zlib
from collections.abc import Mapping

from ingot.build.disk.layout import MIB, SECTOR, LogicalVolume, PhysicalVolume, VolumeGroup

EXTENT = 4 * MIB
#: Where the extents of a physical volume begin.
FIRST_EXTENT = MIB
_AREA = 4096
_AREA_SIZE = FIRST_EXTENT - _AREA
_MAGIC = b"\x20LVM2\x20x[5A%r0N*>"
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CRC_START = 0xF597A6CF
_EXTENSION_VERSION = 2
_IN_USE = 1


def extents_in(size: int) -> int:
    """How many extents a physical volume of `size` bytes has."""
    return max(0, size - FIRST_EXTENT) // EXTENT


def identifier(uuid: uuids.UUID) -> str:
    """LVM's form of a UUID: 32 letters and digits in groups."""
    number = int.from_bytes(hashlib.sha256(uuid.bytes).digest(), "big")
    letters = ""
    for _ in range(32):
        number, digit = divmod(number, len(_ALPHABET))
        letters += _ALPHABET[digit]
    cuts = (0, 6, 10, 14, 18, 22, 26, 32)
    return "-".join(letters[start:end] for start, end in itertools.pairwise(cuts))


def notes(group: VolumeGroup, epoch: int) -> Mapping[str, bytes]:
    """What each physical volume of a group, by its name, begins with: a mebibyte."""
    text = (_describe(group, epoch).encode() + b"\0") if group.name else b""
    return {volume.name: _head(volume, text) for volume in group.physical_volumes}


def _head(volume: PhysicalVolume, text: bytes) -> bytes:
    head = bytearray(FIRST_EXTENT)
    fields = identifier(volume.uuid).replace("-", "").encode()
    fields += struct.pack("<Q", volume.extent.size)
    # The lists of data areas (up to the end), of metadata areas and of boot loader areas, each ended by zeros.
    fields += struct.pack("<4Q", FIRST_EXTENT, 0, 0, 0)
    fields += struct.pack("<4Q", _AREA, _AREA_SIZE, 0, 0)
    fields += struct.pack("<II2Q", _EXTENSION_VERSION, _IN_USE if text else 0, 0, 0)
    label_end = (struct.pack("<I8s", 32, b"LVM2 001") + fields).ljust(SECTOR - 20, b"\0")
    head[SECTOR : 2 * SECTOR] = struct.pack("<8sQI", b"LABELONE", 1, _crc(label_end)) + label_end
    area = _MAGIC + struct.pack("<IQQ", 1, _AREA, _AREA_SIZE)
    if text:
        area += struct.pack("<QQII", SECTOR, len(text), _crc(text), 0)
    area = area.ljust(SECTOR - 4, b"\0")
    head[_AREA : _AREA + SECTOR] = struct.pack("<I", _crc(area)) + area
    head[_AREA + SECTOR : _AREA + SECTOR + len(text)] = text
    return bytes(head)


def _crc(content: bytes) -> int:
    """CRC-32 with LVM's own start and without the usual inversions."""
    return zlib.crc32(content, _CRC_START ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def _describe(group: VolumeGroup, epoch: int) -> str:
    physical = "".join(_physical(index, volume) for index, volume in enumerate(group.physical_volumes))
    logical = "".join(_logical(volume, epoch) for volume in group.logical_volumes)
    logical = f"logical_volumes {{\n{logical}}}\n" if logical else ""
    return (
        f'{group.name} {{\nid = "{identifier(group.uuid)}"\nseqno = 1\nformat = "lvm2"\n'
        f'status = ["RESIZEABLE", "READ", "WRITE"]\nflags = []\nextent_size = {EXTENT // SECTOR}\n'
        f"max_lv = 0\nmax_pv = 0\nmetadata_copies = 0\nphysical_volumes {{\n{physical}}}\n{logical}}}\n"
        f'contents = "Text Format Volume Group"\nversion = 1\ndescription = ""\n'
        f'creation_host = "localhost"\ncreation_time = {epoch}\n'
    )


def _physical(index: int, volume: PhysicalVolume) -> str:
    return (
        f'pv{index} {{\nid = "{identifier(volume.uuid)}"\ndevice = "/dev/{volume.name}"\n'
        f'status = ["ALLOCATABLE"]\nflags = []\ndev_size = {volume.extent.size // SECTOR}\n'
        f"pe_start = {FIRST_EXTENT // SECTOR}\npe_count = {volume.count}\n}}\n"
    )


def _logical(volume: LogicalVolume, epoch: int) -> str:
    segments = ""
    start = 0
    for number, (physical, first, count) in enumerate(volume.segments, 1):
        segments += (
            f"segment{number} {{\nstart_extent = {start}\nextent_count = {count}\n"
            f'type = "striped"\nstripe_count = 1\nstripes = [\n"pv{physical}", {first}\n]\n}}\n'
        )
        start += count
    return (
        f'{volume.name} {{\nid = "{identifier(volume.uuid)}"\nstatus = ["READ", "WRITE", "VISIBLE"]\nflags = []\n'
        f'creation_time = {epoch}\ncreation_host = "localhost"\nsegment_count = {len(volume.segments)}\n{segments}}}\n'
    )
