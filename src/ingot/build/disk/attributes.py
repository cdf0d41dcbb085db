"""The files of a tree as file systems keep them, in an order that depends on nothing but their names."""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Extended attributes that belong to the file, not to the host's own file systems.
_KEPT = ("security.capability", "system.posix_acl_", "user.")
_NOT_KEPT = "user.overlay."
#: What directories of ext and btrfs call each type of file.
_KINDS = {
    stat.S_IFREG: 1,
    stat.S_IFDIR: 2,
    stat.S_IFCHR: 3,
    stat.S_IFBLK: 4,
    stat.S_IFIFO: 5,
    stat.S_IFSOCK: 6,
    stat.S_IFLNK: 7,
}


@dataclass(frozen=True)
class Entry:
    """A file, directory, link or device: `path` on the host, `parent` its directory's Entry number, `status` its
    numbers, `time` its time in whole seconds."""

    path: str
    name: bytes
    parent: int
    status: os.stat_result
    time: int

    @property
    def kind(self) -> int:
        """Its type, as a directory's entry has it."""
        return _KINDS[stat.S_IFMT(self.status.st_mode)]

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.status.st_mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.status.st_mode)

    def attributes(self) -> Mapping[str, bytes]:
        """Its extended attributes, sorted by name."""
        if self.is_link:
            return {}
        names = sorted(os.listxattr(self.path))
        return {
            name: os.getxattr(self.path, name)
            for name in names
            if name.startswith(_KEPT) and not name.startswith(_NOT_KEPT)
        }


def entries(tree: Path, epoch: int) -> Iterator[Entry]:
    """Everything in a tree, the root first, each directory before what is in it.

    The build wrote at times of its own: directories are of `epoch`, and nothing is later.
    """
    status = tree.stat()
    yield Entry(str(tree), b"", 0, status, epoch)
    pending = [(str(tree), 0)]
    number = 0
    while pending:
        directory, parent = pending.pop()
        below = []
        with os.scandir(directory) as scan:
            found = sorted(scan, key=lambda item: os.fsencode(item.name))
        for item in found:
            number += 1
            status = item.stat(follow_symlinks=False)
            time = epoch if stat.S_ISDIR(status.st_mode) else min(int(status.st_mtime), epoch)
            yield Entry(item.path, os.fsencode(item.name), parent, status, time)
            if stat.S_ISDIR(status.st_mode):
                below.append((item.path, number))
        pending += reversed(below)


def files_of(found: Sequence[Entry]) -> list[int]:
    """The file of each entry, as the number of its first entry: hard links are the same file."""
    known: dict[tuple[int, int], int] = {}
    return [
        known.setdefault((entry.status.st_dev, entry.status.st_ino), number)
        if entry.status.st_nlink > 1 and not entry.is_directory
        else number
        for number, entry in enumerate(found)
    ]
