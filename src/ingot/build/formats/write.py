"""Write an image in a format: one file, one for each disk, or a directory of them."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from ingot.build.disk.files import numbered
from ingot.build.formats.archive import archive
from ingot.build.formats.base import ImageFormat, Source
from ingot.build.sparse import digest


@dataclass(frozen=True)
class WrittenFile:
    """A file of an image, safely on the disk: `size` is bytes."""

    path: Path
    sha256: str
    size: int


@dataclass(frozen=True)
class Target:
    """An image to write: what it is made of, the format, and where to; `one_file` packs several disks together."""

    format: ImageFormat
    source: Source
    output: Path
    one_file: bool = False


def write(target: Target) -> list[WrittenFile]:
    """Write an image; returns its files, the first one first. The same source gives the same files."""
    format_, source, output = target.format, target.source, target.output
    if format_.several_files:
        output.mkdir()
        format_.write(source, output)
        return [_settle(file, None) for file in sorted(output.rglob("*")) if file.is_file()]
    if format_.needs == "tree" or format_.several_disks or len(source.disks) == 1:
        return [_settle(output, format_.write(source, output))]
    if target.one_file:
        return [_settle(output, _pack(format_, source, output))]
    files = []
    for index, disk in enumerate(source.disks):
        part = numbered(output, index + 1)
        files.append(_settle(part, format_.write(_of_disk(source, index, disk), part)))
    return files


def write_all(targets: Sequence[Target]) -> list[list[WrittenFile]]:
    """Write several images of one machine at once; each has all cores when the others leave them."""
    with ThreadPoolExecutor(max(1, min(len(targets), os.cpu_count() or 1))) as pool:
        return list(pool.map(write, targets))


def _of_disk(source: Source, index: int, disk: Path) -> Source:
    return replace(source, disks=(disk,), on_progress=source.share(index), number=index + 1)


def _pack(format_: ImageFormat, source: Source, output: Path) -> str:
    """All disks of a machine in one archive, each in the plain form of a format that holds one."""
    suffix = format_.file_suffix(False).lstrip(".")
    with archive(output, source.epoch) as (tar, file):
        for index, disk in enumerate(source.disks):
            name = source.file_name(index + 1, suffix)
            part = source.work / name
            format_.write(replace(_of_disk(source, index, disk), compress=False), part)
            tar.add_file(name, part)
            part.unlink()
    return file.sha256


def _settle(file: Path, sha256: str | None) -> WrittenFile:
    """Bring a finished file safely to the disk; its hash is that given, or is found out."""
    with ThreadPoolExecutor(1) as beside:
        # The one waits for the disk, the other reads what is still in memory.
        synced = beside.submit(_sync, file)
        sha256 = sha256 or digest(file)
        synced.result()
    return WrittenFile(file, sha256, file.stat().st_size)


def _sync(file: Path) -> None:
    with file.open("rb") as content:
        os.fsync(content.fileno())
    directory = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
