"""Trees as archives: a plain root file system, a container for LXC and Incus, and what layers are made of."""

import io
import json
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ingot.build.formats.base import Source
from ingot.build.formats.stream import Sink, gzipped, hashed

_KINDS = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
}
_CHUNK = 1 << 20
#: Rights of programs that are kept as attributes of their files.
_ATTRIBUTES = ("security.capability",)


@dataclass(frozen=True)
class Entry:
    """Something in a tree, by its path from the tree's root without a slash before it."""

    path: str
    status: os.stat_result

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.status.st_mode)


def entries(tree: Path, below: str = "") -> Iterator[Entry]:
    """Everything in a tree in a fixed order, directories before what is in them; sockets are nothing to keep."""
    with os.scandir(tree / below) as found:
        names = sorted(entry.name for entry in found)
    for name in names:
        path = f"{below}/{name}" if below else name
        status = os.lstat(tree / path)
        if stat.S_ISSOCK(status.st_mode):
            continue
        entry = Entry(path, status)
        yield entry
        if entry.is_directory:
            yield from entries(tree, path)


class TreeArchive:
    """A tar archive of files of a tree, in the form that knows long names and attributes.

    Times are `epoch` for directories, and no later than it for files: what is later was written by the build.
    """

    def __init__(self, sink: Sink, epoch: int) -> None:
        self._position = _Position(sink)
        self._tar = tarfile.TarFile(
            fileobj=self._position,  # type: ignore[arg-type]
            mode="w",
            format=tarfile.PAX_FORMAT,
        )
        self._epoch = epoch
        self._links: dict[tuple[int, int], str] = {}

    def add(self, tree: Path, entry: Entry, prefix: str = "") -> None:
        """Add something of a tree; a second name of a file becomes a link to the first."""
        status, place = entry.status, tree / entry.path
        member = tarfile.TarInfo(prefix + entry.path)
        member.mode, member.uid, member.gid = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
        member.mtime = self._epoch if entry.is_directory else min(int(status.st_mtime), self._epoch)
        member.type = _KINDS[stat.S_IFMT(status.st_mode)]
        if member.issym():
            member.linkname = os.readlink(place)  # noqa: PTH115 - a path object would change what it says
        elif member.ischr() or member.isblk():
            member.devmajor, member.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
        elif member.isreg():
            identity = status.st_dev, status.st_ino
            if status.st_nlink > 1 and identity in self._links:
                member.type, member.linkname = tarfile.LNKTYPE, self._links[identity]
            else:
                self._links[identity] = member.name
                member.size = status.st_size
        if not member.issym():
            member.pax_headers = {f"SCHILY.xattr.{name}": value for name, value in _attributes(place)}
        if member.isreg() and member.type == tarfile.REGTYPE:
            with place.open("rb") as content:
                self._tar.addfile(member, content)
        else:
            self._tar.addfile(member)

    def add_file(self, name: str, content: str | bytes = b"", mode: int = 0o644) -> None:
        """Add a small file of ours."""
        data = content.encode() if isinstance(content, str) else content
        member = tarfile.TarInfo(name)
        member.size, member.mtime, member.mode = len(data), self._epoch, mode
        self._tar.addfile(member, io.BytesIO(data))

    def add_directory(self, name: str) -> None:
        """Add a directory of root's."""
        member = tarfile.TarInfo(name)
        member.type, member.mode, member.mtime = tarfile.DIRTYPE, 0o755, self._epoch
        self._tar.addfile(member)

    def finish(self) -> None:
        """Write the archive's end."""
        self._tar.close()


class _Position:
    """What tarfile writes to."""

    def __init__(self, sink: Sink) -> None:
        self._sink, self._written = sink, 0

    def write(self, content: bytes) -> int:
        self._sink.write(content)
        self._written += len(content)
        return len(content)

    def tell(self) -> int:
        return self._written


def _attributes(place: Path) -> Iterable[tuple[str, str]]:
    for name in sorted(os.listxattr(place, follow_symlinks=False)):
        if name in _ATTRIBUTES:
            value = os.getxattr(place, name, follow_symlinks=False)
            yield name, value.decode("utf-8", "surrogateescape")


def write_targz(source: Source, output: Path) -> str:
    """Write the whole root file system as a tar.gz."""
    tree = source.files()
    with hashed(output) as file, gzipped(file) as stream:
        archive = TreeArchive(stream, source.epoch)
        for entry in entries(tree):
            archive.add(tree, entry)
        archive.finish()
    return file.sha256


def write_lxc(source: Source, output: Path) -> str:
    """Write a container that Incus and LXD import as it is, and that LXC runs from where it is unpacked."""
    tree, system = source.files(), source.template.os
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(system.arch, system.arch)
    metadata = {
        "architecture": system.arch,
        "creation_date": source.epoch,
        "properties": {
            "architecture": arch,
            "description": f"{source.template.name} {source.template.version}",
            "os": system.name,
            "release": system.version,
        },
        "templates": {},
    }
    name = source.template.installation.hostname or source.name
    configuration = (
        f"# Unpack this archive in /var/lib/lxc/{name}, and start it: lxc-start -n {name}\n"
        "lxc.include = /usr/share/lxc/config/common.conf\n"
        f"lxc.arch = {system.arch}\nlxc.uts.name = {name}\nlxc.rootfs.path = dir:/var/lib/lxc/{name}/rootfs\n"
    )
    with hashed(output) as file, gzipped(file) as stream:
        archive = TreeArchive(stream, source.epoch)
        archive.add_file("metadata.yaml", json.dumps(metadata, indent=1, sort_keys=True) + "\n")
        archive.add_file("config", configuration)
        archive.add_directory("templates")
        archive.add_directory("rootfs")
        for entry in entries(tree):
            archive.add(tree, entry, "rootfs/")
        archive.finish()
    return file.sha256
