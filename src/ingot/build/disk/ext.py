"""Make an ext2, ext3 or ext4 file system with a tree in it, the same bytes for the same tree."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ingot.build.disk.layout import Volume
from ingot.build.sandbox import run_unsynced

_BLOCK = 4096
#: The number of the root directory.
_ROOT = 2
_SMALL_DESCRIPTOR = 32


def make_ext(image: Path, start: int, volume: Volume, tree: Path, epoch: int, log: Path) -> None:
    """Make a volume's file system at byte `start` of an image. All times are `epoch` or, for files, earlier."""
    options = f"offset={start},hash_seed={volume.uuid},root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1,nodiscard"
    run_unsynced(
        [
            "mke2fs", "-q", "-F", "-t", volume.fstype, "-b", str(_BLOCK), "-m", "1",
            "-O", "^metadata_csum_seed,^orphan_file", "-U", str(volume.uuid), "-L", volume.label[:16],
            "-E", options, "-d", tree, image, f"{volume.size // 1024}k",
        ],
        env={"E2FSPROGS_FAKE_TIME": str(epoch), "SOURCE_DATE_EPOCH": str(epoch)},
        log=log,
    )  # fmt: skip
    with image.open("rb") as file:
        commands = "".join([*_root_corrections(tree), *_time_corrections(file, start, epoch)])
    argv = ["debugfs", "-w", "-f", "/dev/stdin", f"{image}?offset={start}"]
    run_unsynced(argv, stdin=commands, env={"E2FSPROGS_FAKE_TIME": str(epoch)}, log=None)


def _root_corrections(tree: Path) -> Iterator[str]:
    """debugfs commands that give the root directory its owner and rights: mke2fs does not copy them."""
    status = tree.stat()
    yield f"set_inode_field <{_ROOT}> mode 0{status.st_mode:o}\n"
    yield f"set_inode_field <{_ROOT}> uid {status.st_uid}\nset_inode_field <{_ROOT}> gid {status.st_gid}\n"


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
    inode_size = struct.unpack_from("<H", superblock, 88)[0]
    # Zero, and no high halves of numbers, in file systems of 32 bits.
    descriptor_size = struct.unpack_from("<H", superblock, 254)[0] or _SMALL_DESCRIPTOR
    is_wide = descriptor_size > _SMALL_DESCRIPTOR
    blocks += (struct.unpack_from("<I", superblock, 0x150)[0] << 32) if is_wide else 0
    groups = -(-blocks // blocks_per_group)
    assert groups * inodes_per_group == inodes  # noqa: S101 - what makes an ext4 superblock valid
    file.seek(start + _BLOCK)
    descriptors = file.read(groups * descriptor_size)
    tables, used = [], []
    for group in range(groups):
        descriptor = descriptors[group * descriptor_size : (group + 1) * descriptor_size]
        table, unused = struct.unpack_from("<I", descriptor, 8)[0], struct.unpack_from("<H", descriptor, 28)[0]
        if is_wide:
            table |= struct.unpack_from("<I", descriptor, 40)[0] << 32
            unused |= struct.unpack_from("<H", descriptor, 50)[0] << 16
        tables.append(table)
        used.append(inodes_per_group - unused)
    return _Geometry(inodes_per_group, inode_size, tables, used)
