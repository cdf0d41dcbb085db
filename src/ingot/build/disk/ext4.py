"""Make an ext4 file system with a tree in it, the same bytes for the same tree."""

import os
import struct
import uuid as uuids
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ingot.build.run import run

#: What a file system needs besides its files' blocks, for each of them and for all: inodes, directories, journal.
_OVERHEAD_PER_FILE = 512
_OVERHEAD = 48 * 1024 * 1024
_BLOCK = 4096


def size_needed(tree: Path) -> int:
    """Bytes that an ext4 file system needs for a tree, with a tenth to spare."""
    total = _OVERHEAD
    for directory, names, files in os.walk(tree):
        for name in (*names, *files):
            status = os.lstat(os.path.join(directory, name))  # noqa: PTH118 - called for every file of a tree
            total += -(-status.st_size // _BLOCK) * _BLOCK + _OVERHEAD_PER_FILE
    return total * 11 // 10


def make_ext4(
    image: Path, start: int, size: int, *, tree: Path, uuid: uuids.UUID, label: str, epoch: int, log: Path
) -> None:
    """Make the file system at byte `start` of an image. All times are `epoch` or, for files, earlier."""
    options = f"offset={start},hash_seed={uuid},root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1,nodiscard"
    run(
        [
            "mke2fs", "-q", "-F", "-t", "ext4", "-b", str(_BLOCK), "-m", "1",
            "-O", "^metadata_csum_seed,^orphan_file", "-U", str(uuid), "-L", label,
            "-E", options, "-d", tree, image, f"{size // 1024}k",
        ],
        env={"E2FSPROGS_FAKE_TIME": str(epoch), "SOURCE_DATE_EPOCH": str(epoch)},
        log=log,
    )  # fmt: skip
    with image.open("rb") as file:
        commands = "".join(_time_corrections(file, start, epoch))
    if commands:
        argv = ["debugfs", "-w", "-f", "/dev/stdin", f"{image}?offset={start}"]
        run(argv, stdin=commands, env={"E2FSPROGS_FAKE_TIME": str(epoch)}, log=None)


@dataclass(frozen=True)
class _Geometry:
    inodes_per_group: int
    inode_size: int
    tables: list[int]
    used: list[int]


def _time_corrections(file: BinaryIO, start: int, epoch: int) -> Iterator[str]:
    """debugfs commands that set every inode's times right.

    mke2fs copies a file's times of change and access from the tree, and those are of the build: they become
    the modification time, which is the package's, or `epoch` where the build itself wrote the file.
    """
    geometry = _read_geometry(file, start)
    for group, table in enumerate(geometry.tables):
        file.seek(start + table * _BLOCK)
        content = file.read(geometry.used[group] * geometry.inode_size)
        for index in range(geometry.used[group]):
            inode = content[index * geometry.inode_size : (index + 1) * geometry.inode_size]
            mode, links = struct.unpack_from("<H", inode, 0)[0], struct.unpack_from("<H", inode, 26)[0]
            if not mode or not links:
                continue
            atime, ctime, mtime = struct.unpack_from("<III", inode, 8)
            is_directory = mode & 0xF000 == 0x4000
            right = epoch if is_directory else min(mtime, epoch)
            number = group * geometry.inodes_per_group + index + 1
            for name, value in (("atime", atime), ("ctime", ctime), ("mtime", mtime)):
                if value != right:
                    yield f"set_inode_field <{number}> {name} @{right}\n"
            for name, offset in (("ctime_extra", 132), ("mtime_extra", 136), ("atime_extra", 140)):
                if struct.unpack_from("<I", inode, offset)[0]:
                    yield f"set_inode_field <{number}> {name} 0\n"


def _read_geometry(file: BinaryIO, start: int) -> _Geometry:
    """Where the inode tables are, from the superblock and the group descriptors."""
    file.seek(start + 1024)
    superblock = file.read(1024)
    inodes, blocks = struct.unpack_from("<II", superblock, 0)
    blocks_per_group, inodes_per_group = (
        struct.unpack_from("<I", superblock, 32)[0],
        struct.unpack_from("<I", superblock, 40)[0],
    )
    inode_size, descriptor_size = (
        struct.unpack_from("<H", superblock, 88)[0],
        struct.unpack_from("<H", superblock, 254)[0],
    )
    blocks += struct.unpack_from("<I", superblock, 0x150)[0] << 32
    groups = -(-blocks // blocks_per_group)
    assert groups * inodes_per_group == inodes  # noqa: S101 - what makes an ext4 superblock valid
    file.seek(start + _BLOCK)
    descriptors = file.read(groups * descriptor_size)
    tables, used = [], []
    for group in range(groups):
        descriptor = descriptors[group * descriptor_size : (group + 1) * descriptor_size]
        tables.append(struct.unpack_from("<I", descriptor, 8)[0] | struct.unpack_from("<I", descriptor, 40)[0] << 32)
        unused = struct.unpack_from("<H", descriptor, 28)[0] | struct.unpack_from("<H", descriptor, 50)[0] << 16
        used.append(inodes_per_group - unused)
    return _Geometry(inodes_per_group, inode_size, tables, used)
