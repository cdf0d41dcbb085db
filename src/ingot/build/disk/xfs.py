"""Make an XFS file system with a tree in it, the same bytes for the same tree.

mkfs.xfs fills a file system from a list of files, a protofile, and has to be helped: the list has no words for spaces
in names, sticky bits and extended attributes, and the times are the clock's. All that is put right afterwards.
"""

import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from ingot.build.disk.attributes import Entry, entries
from ingot.build.disk.layout import Volume
from ingot.build.disk.xfs_inodes import Attributes, Xfs
from ingot.build.errors import BuildError
from ingot.build.run import require
from ingot.build.sandbox import run_unsynced

#: Features that differ between versions of mkfs.xfs; all of these Debian 12's kernel and GRUB know.
_OPTIONS = (
    "-b", "size=4096", "-s", "size=512", "-d", "agcount=4", "-l", "size=64m", "-n", "ftype=1",
    "-i", "size=512,sparse=1,nrext64=0",
)  # fmt: skip
_META = "crc=1,finobt=1,reflink=1,rmapbt=0,bigtime=1,inobtcount=1"
#: What ends a word of a protofile.
_BLANK = re.compile(rb"[ \t\n]")


def make_xfs(file: Path, volume: Volume, tree: Path, epoch: int, log: Path) -> None:
    """Fill a file of the volume's size with the file system. All times are `epoch` or, for files, earlier.

    Names of one file become files of their own: a protofile knows no hard links. Raises BuildError for names that
    cannot be kept.
    """
    require("mkfs.xfs", "xfsprogs")
    found = list(entries(tree.absolute(), epoch))
    aliases = file.absolute().with_name("xfs-files")
    aliases.mkdir()
    protofile = file.with_name("xfs-protofile")
    protofile.write_bytes(b"".join(line + b"\n" for line in _lines(found, aliases)))
    label = ["-L", volume.label[:12]] if volume.label else []
    run_unsynced(
        ["mkfs.xfs", "-q", "-f", *_OPTIONS, "-m", f"{_META},uuid={volume.uuid}", *label, "-p", protofile, file],
        log=log,
    )
    protofile.unlink()
    shutil.rmtree(aliases)
    with Xfs(file) as made:
        for inode, entry in _pair(made, found):
            made.settle(inode, _wanted(entry))
        made.settle_others(epoch)


def _lines(found: list[Entry], aliases: Path) -> Iterator[bytes]:
    """The protofile: each directory's entries, then `$`."""
    below = _below(found)
    yield b"/\n0 0"
    yield _words(found[0], aliases, 0)

    def inside(directory: int) -> Iterator[bytes]:
        used = {found[number].name for number in below.get(directory, [])}
        for number in below.get(directory, []):
            entry = found[number]
            name = stand_in(entry.name)
            if name != entry.name:
                if name in used:
                    raise BuildError(f"{entry.path} cannot be kept in an XFS file system: rename it, or choose ext4.")
                used.add(name)
            yield name + b" " + _words(entry, aliases, number)
            if entry.is_directory:
                yield from inside(number)
        yield b"$"

    yield from inside(0)


def _below(found: list[Entry]) -> dict[int, list[int]]:
    """The entries of each directory, by their numbers."""
    below: dict[int, list[int]] = {}
    for number, entry in enumerate(found[1:], 1):
        below.setdefault(entry.parent, []).append(number)
    return below


def _words(entry: Entry, aliases: Path, number: int) -> bytes:
    """Type, rights and owner of a file, and where its content is."""
    status = entry.status
    mode = status.st_mode
    kind = {stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFCHR: "c", stat.S_IFBLK: "b", stat.S_IFIFO: "p"}.get(
        stat.S_IFMT(mode), "-"
    )
    setuid, setgid = "u" if mode & stat.S_ISUID else "-", "g" if mode & stat.S_ISGID else "-"
    words = f"{kind}{setuid}{setgid}{mode & 0o777:03o} {status.st_uid} {status.st_gid}".encode()
    if entry.is_file:
        path = os.fsencode(entry.path)
        if _BLANK.search(path):
            alias = aliases / str(number)
            alias.symlink_to(entry.path)
            path = os.fsencode(alias)
        return words + b" " + path
    if entry.is_link:
        return words + b" " + _BLANK.sub(b"_", os.fsencode(Path(entry.path).readlink()))
    if kind in "cb":
        return words + f" {os.major(status.st_rdev)} {os.minor(status.st_rdev)}".encode()
    return words


def stand_in(name: bytes) -> bytes:
    """A name of the same length and the same hash that a protofile has words for.

    Bit 7 of a byte and bit 0 of the one before it fall on the same bit of the hash, so flipping both leaves it alone.
    """
    changed = bytearray(name)
    for index, byte in enumerate(name):
        if byte in b" \t\n" or (index == 0 and byte == ord(":")):
            if changed[index] != byte:
                continue
            first = index if index + 1 < len(name) else index - 1
            changed[first] ^= 0x01
            changed[first + 1] ^= 0x80
    result = bytes(changed)
    if (len(name) == 1 and result != name) or result[:1] in (b":", b"$") or re.search(rb"[ \t\n\0/]", result):
        raise BuildError(f"A file named {os.fsdecode(name)!r} cannot be kept in an XFS file system: choose ext4.")
    return result


def _pair(made: Xfs, found: list[Entry]) -> Iterator[tuple[int, Entry]]:
    """The inode of every entry, and their right names in the directories."""
    below = _below(found)
    inodes = {0: made.root}
    for number, entry in enumerate(found):
        yield inodes[number], entry
        if entry.is_directory:
            children = below.get(number, [])
            right = {stand_in(found[child].name): found[child].name for child in children}
            names = made.names(inodes[number], right)
            inodes.update({child: names[found[child].name] for child in children})


def _wanted(entry: Entry) -> Attributes:
    link = os.fsencode(Path(entry.path).readlink()) if entry.is_link else None
    return Attributes(
        mode=entry.status.st_mode,
        time=entry.time,
        extended=entry.attributes(),
        link=link,
    )
