"""Machines in one file for VMware, VirtualBox and Xen: an OVF descriptor, its disks, and a manifest of their hashes.

The descriptor comes first and names the sizes of disks that are only known when they are written: it gets its place
beforehand and is filled in last. So the disks are compressed straight into the package.
"""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from ingot.build.formats import archive
from ingot.build.formats.base import Source
from ingot.build.formats.blocks import Disk
from ingot.build.formats.hardware import DiskFile, Flavour, descriptor, digest_name, vmx
from ingot.build.formats.stream import hashed
from ingot.build.formats.vmdk import write_sparse, write_stream

_BLOCK = 512
_LARGEST = 1 << 62


class _Member:
    """A member of the package while it is written: counts and hashes what goes through."""

    def __init__(self, file: BinaryIO, algorithm: str) -> None:
        self._file, self._hash = file, hashlib.new(algorithm, usedforsecurity=False)
        self.size = 0

    def write(self, content: bytes) -> None:
        self._file.write(content)
        self._hash.update(content)
        self.size += len(content)

    def zeros(self, length: int) -> None:
        self.write(bytes(length))

    @property
    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def write_ova(source: Source, output: Path, flavour: Flavour) -> None:
    """Write the package."""
    algorithm = digest_name(source, flavour)
    disks = [
        DiskFile(f"{source.name}-disk{number}.vmdk", _LARGEST, raw.stat().st_size)
        for number, raw in enumerate(source.disks, 1)
    ]
    room = len(descriptor(source, disks, flavour).encode())
    ovf_name = f"{source.name}.ovf"
    sums: list[tuple[str, str]] = []
    written = 0
    with output.open("w+b") as file:
        file.seek(_BLOCK + room + len(archive.padding(room)))
        for index, raw in enumerate(source.disks):
            before = written

            def follow(part: float, base: int = before, size: int = disks[index].capacity) -> None:
                source.on_progress((base + part * size) / source.size)

            place = file.tell()
            file.seek(place + _BLOCK)
            member = _Member(file, algorithm)
            with Disk(raw) as disk:
                uuid = source.disk_uuid(index)
                write_stream(disk, member, uuid=uuid, name=disks[index].name, on_progress=follow)
            disks[index] = replace(disks[index], size=member.size)
            file.write(archive.padding(member.size))
            _write_at(file, place, archive.header(disks[index].name, member.size, source.epoch))
            sums.append((disks[index].name, member.hexdigest))
            written += disks[index].capacity
        ovf = descriptor(source, disks, flavour).encode().ljust(room, b"\n")
        _write_at(file, 0, archive.header(ovf_name, room, source.epoch) + ovf)
        sums.insert(0, (ovf_name, hashlib.new(algorithm, ovf, usedforsecurity=False).hexdigest()))
        manifest = "".join(f"{algorithm.upper()}({name})= {value}\n" for name, value in sums).encode()
        file.write(archive.header(f"{source.name}.mf", len(manifest), source.epoch) + manifest)
        file.write(archive.padding(len(manifest)) + bytes(2 * _BLOCK))


def write_disks(source: Source, directory: Path) -> list[DiskFile]:
    """Write the stream-optimised disks of a machine as files of a directory."""
    files = []
    for number, raw in enumerate(source.disks, 1):
        path = directory / f"{source.name}-disk{number}.vmdk"
        with Disk(raw) as disk, hashed(path) as file:
            uuid = source.disk_uuid(number - 1)
            write_stream(disk, file, uuid=uuid, name=path.name, on_progress=source.on_progress)
        files.append(DiskFile(path.name, file.size, raw.stat().st_size))
    return files


def write_vmware(source: Source, output: Path) -> str:
    """Write a tar.gz with the directory of a machine as VMware's desktop products open it."""
    names = [source.file_name(number, "vmdk") for number in range(1, len(source.disks) + 1)]
    with archive.archive(output, source.epoch) as (tar, file):
        tar.add(f"{source.name}/{source.name}.vmx", vmx(source, names))
        for number, (name, raw) in enumerate(zip(names, source.disks, strict=True)):
            part = source.work / name
            uuid = source.disk_uuid(number)
            write_sparse(raw, part, uuid=uuid, on_progress=lambda _part: None)
            tar.add_file(f"{source.name}/{name}", part, source.share(number))
            part.unlink()
    return file.sha256


def _write_at(file: BinaryIO, place: int, content: bytes) -> None:
    end = file.tell()
    file.seek(place)
    file.write(content)
    file.seek(end)
