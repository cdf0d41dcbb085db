"""Raw disks: as they are, compressed, or in an archive without their zeros."""

from pathlib import Path

from ingot.build.formats.archive import archive
from ingot.build.formats.base import Source
from ingot.build.formats.blocks import Disk
from ingot.build.formats.stream import copy_disk, gzipped, hashed
from ingot.build.run import run


def write_raw(source: Source, output: Path) -> str | None:
    """Write the raw disk, compressed for download. Not compressed it is a sparse file."""
    if not source.compress:
        # A copy, since the disk is shared by builds; where the file system can, one that takes no room.
        run(["cp", "--reflink=auto", "--sparse=always", source.disk, output], log=source.log)
        return None
    with Disk(source.disk) as disk, hashed(output) as file, gzipped(file) as stream:
        copy_disk(disk, stream, source.on_progress)
    return file.sha256


def write_disk_archive(source: Source, output: Path, name: str, step: int) -> str:
    """Write a tar.gz of the raw disk alone without its zeros, as clouds import it; its size is of whole steps."""
    with Disk(source.disk) as disk, archive(output, source.epoch) as (tar, file):
        tar.add_sparse(name, disk, -(-disk.size // step) * step, source.on_progress)
    return file.sha256
