"""Make an ext2, ext3 or ext4 file system with a tree in it, the same bytes for the same tree.

mke2fs makes it empty. It could fill it too, but with one thread, in the host's order of names and with the build's
own times; and where a file lies would depend on everything before it.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ingot.build.disk.attributes import Entry, entries, files_of
from ingot.build.disk.ext_content import UNIT, copy_all, place
from ingot.build.disk.ext_inodes import attributes, block_map, device, directory, directory_size, inode
from ingot.build.disk.ext_volume import BLOCK, FIRST_FREE, ROOT, ExtVolume, Room, Run
from ingot.build.disk.layout import MIB, Volume
from ingot.build.sandbox import run_unsynced

_LOST_AND_FOUND, _LOST_AND_FOUND_NAME = 11, b"lost+found"
#: Targets shorter than this lie in the link's inode.
_SHORT_LINK = 60
_EXT2 = "ext_attr,resize_inode,dir_index,filetype,sparse_super,large_file"
#: Those that Debian 12's kernel and GRUB know.
_FEATURES = {
    "ext2": _EXT2,
    "ext3": f"has_journal,{_EXT2}",
    "ext4": f"has_journal,{_EXT2},extent,64bit,flex_bg,huge_file,dir_nlink,extra_isize,metadata_csum",
}
#: mke2fs wants to know the kinds of file systems by their names and sizes; what they are like we say ourselves.
_SETTINGS = "[fs_types]\n" + "".join(
    f"{name} = {{\ninode_size = 256\n}}\n" for name in (*_FEATURES, "small", "big", "huge")
)
#: There is an inode for so many bytes, in small file systems and in others.
_BYTES_PER_INODE_OF_SMALL, _BYTES_PER_INODE = 4096, 16384
_SMALL = 512 * MIB


def make_ext(image: Path, start: int, volume: Volume, tree: Path, epoch: int, log: Path) -> None:
    """Make a volume's file system at byte `start` of an image. All times are `epoch` or, for files, earlier.

    The tree's own lost+found is left out: each file system has one. Raises BuildError when the content does not fit.
    """
    found = list(entries(tree, epoch))
    _make_empty(image, start, volume, len(found), epoch, log)
    with image.open("r+b", buffering=0) as file, ThreadPoolExecutor(1) as beside:
        system = ExtVolume(file.fileno(), start)
        too_small = (
            f"{volume.name} has {volume.size // MIB} MB, and its content does not fit into that as {volume.fstype}. "
            f"Raise its size."
        )
        filling = _Filling(system, Room(system.free(), UNIT, too_small), found, tree)
        filling.place_content()
        # The one waits for the disk while the other thinks.
        copying = beside.submit(copy_all, filling.copies, file.fileno(), start)
        filling.write()
        copying.result()


def _make_empty(image: Path, start: int, volume: Volume, count: int, epoch: int, log: Path) -> None:
    options = f"offset={start},hash_seed={volume.uuid},root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1,nodiscard"
    # A tree of many small files has more of them than file systems usually have room for.
    inodes = max(
        volume.size // (_BYTES_PER_INODE_OF_SMALL if volume.size < _SMALL else _BYTES_PER_INODE), count * 3 // 2
    )
    with tempfile.NamedTemporaryFile("w", prefix="mke2fs-", suffix=".conf") as settings:
        settings.write(_SETTINGS)
        settings.flush()
        run_unsynced(
            [
                "mke2fs", "-q", "-F", "-t", volume.fstype, "-O", f"none,{_FEATURES[volume.fstype]}",
                "-b", str(BLOCK), "-I", "256", "-N", str(inodes), "-m", "1", "-U", str(volume.uuid),
                "-L", volume.label[:16], "-E", options, image, f"{volume.size // 1024}k",
            ],
            # The host's own settings are not ours.
            env={
                "E2FSPROGS_FAKE_TIME": str(epoch),
                "SOURCE_DATE_EPOCH": str(epoch),
                "MKE2FS_CONFIG": settings.name,
            },
            log=log,
        )  # fmt: skip


class _Filling:
    """Puts the entries of a tree into an empty file system: content first, what leads to it behind."""

    def __init__(self, system: ExtVolume, room: Room, found: list[Entry], tree: Path) -> None:
        self._system, self._room, self._found, self._tree = system, room, found, tree
        #: For each entry its inode's number, or 0 where it is left out.
        self._numbers: list[int] = []
        #: For each inode, in order, its first entry and how many names it has.
        self._names: dict[int, tuple[int, int]] = {}
        #: What is in each directory, by the directory's inode.
        self._listings: dict[int, list[tuple[int, Entry]]] = {}
        self._runs: dict[int, list[Run]] = {}
        self._number()

    @property
    def copies(self) -> Iterator[tuple[Entry, Sequence[Run]]]:
        """The files with content, and where it goes."""
        return ((self._found[self._names[number][0]], runs) for number, runs in self._runs.items())

    def place_content(self) -> None:
        """Choose the blocks of every file's content."""
        for number, (first, _) in self._names.items():
            entry = self._found[first]
            if entry.is_file and entry.status.st_size:
                self._runs[number] = place(entry, self._tree, self._room)
        self._room.align()

    def write(self) -> None:
        """Write the directories, the links and the inodes, and note what is taken."""
        inodes = {number: self._inode(number, *of) for number, of in self._names.items()}
        self._system.write_inodes(ROOT, inodes.pop(ROOT))
        self._system.write_inodes(FIRST_FREE, b"".join(inodes.values()))
        last = max(inodes, default=FIRST_FREE - 1)
        directories = (number for number in self._listings if number != ROOT)
        self._system.finish(self._room.taken, last, directories)

    def _number(self) -> None:
        inodes: dict[int, int] = {}
        own_lost_and_found = Entry("", _LOST_AND_FOUND_NAME, 0, self._found[0].status, 0)
        for index, (entry, file) in enumerate(zip(self._found, files_of(self._found), strict=True)):
            is_top = index > 0 and entry.parent == 0
            if (is_top and entry.name == _LOST_AND_FOUND_NAME) or (index and not self._numbers[entry.parent]):
                self._numbers.append(0)
                continue
            number = inodes.setdefault(file, FIRST_FREE - 1 + len(inodes) if index else ROOT)
            self._numbers.append(number)
            first, names = self._names.get(number, (index, 0))
            self._names[number] = (first, names + 1)
            if entry.is_directory:
                self._listings[number] = [] if index else [(_LOST_AND_FOUND, own_lost_and_found)]
            if index:
                self._listings[self._numbers[entry.parent]].append((number, entry))

    def _inode(self, number: int, first: int, names: int) -> bytes:
        entry, system, allocate = self._found[first], self._system, self._room.take
        beside, block = attributes(system, entry, allocate)
        size, links, blocks = entry.status.st_size, names, 1 if block else 0
        content, runs = b"", self._runs.get(number, [])
        is_mapped = False
        if entry.is_directory:
            runs, links = self._write_directory(number, entry)
            size = sum(count for _, count in runs) * BLOCK
        elif entry.is_link:
            content = os.fsencode(Path(entry.path).readlink())
            size = len(content)
            if size >= _SHORT_LINK:
                runs = allocate(-(-size // BLOCK))
                system.write(runs[0][0], content.ljust(BLOCK, b"\0"))
        elif not entry.is_file:
            content, size = device(entry.status), 0
        if runs or entry.is_file:
            content, more = block_map(system, number, runs, allocate)
            blocks += more + sum(count for _, count in runs)
            is_mapped = system.has_extents
        return inode(
            system,
            number,
            entry,
            size=size,
            links=links,
            blocks=blocks,
            content=content,
            attributes=(beside, block),
            is_mapped=is_mapped,
        )

    def _write_directory(self, number: int, entry: Entry) -> tuple[list[Run], int]:
        """Write a directory; returns where it is, and how many names it has: its own, `.` and its children's `..`."""
        listing = self._listings[number]
        parent = self._numbers[entry.parent]
        count = directory_size(self._system, (child.name for _, child in listing))
        # The root's first block is there already.
        runs = [(self._system.first_block(ROOT), 1)] if number == ROOT else []
        if count > len(runs):
            runs += self._room.take(count - len(runs))
        blocks = (block for first, size in runs for block in range(first, first + size))
        for block, content in zip(blocks, directory(self._system, number, parent, listing), strict=True):
            self._system.write(block, content)
        return runs, 2 + sum(child.is_directory for _, child in listing)
