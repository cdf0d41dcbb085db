"""File systems made without a mount: whole by their own checkers, readable by GRUB, the same bytes each time."""

import filecmp
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from ingot.build.disk.attributes import entries
from ingot.build.disk.btrfs import make_btrfs
from ingot.build.disk.ext import make_ext
from ingot.build.disk.fat import make_fat
from ingot.build.disk.xfs import make_xfs, stand_in
from ingot.build.errors import BuildError
from tests.unit.build.disk.layouts import EPOCH, volume

_SIZES = {"ext2": 64, "ext3": 64, "ext4": 64, "xfs": 320, "btrfs": 256}
_CHECKS = {
    "ext2": ["e2fsck", "-fn"],
    "ext3": ["e2fsck", "-fn"],
    "ext4": ["e2fsck", "-fn"],
    "xfs": ["xfs_repair", "-n", "-f"],
    "btrfs": ["btrfs", "check", "--check-data-csum"],
}
_SYSTEM = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def _fill(tree: Path, names: list[str]) -> None:
    """A tree with a bit of everything, its files made in the order of `names`."""
    (tree / "many").mkdir(parents=True)
    for name in names:
        (tree / "many" / name).write_text(f"this is {name}\n" * 3, encoding="utf-8")
    (tree / "large").write_bytes(bytes(range(256)) * 4096)
    (tree / "empty").touch()
    with (tree / "sparse").open("wb") as sparse:
        sparse.seek(3 << 20)
        sparse.write(b"end")
    (tree / "dir/inner").mkdir(parents=True)
    (tree / "dir").chmod(0o1777)
    (tree / "dir/a name: with spaces ").write_text("spaced\n", encoding="utf-8")
    (tree / "dir/link").symlink_to("a name: with spaces ")
    (tree / "dir/long").symlink_to("x" * 900)
    (tree / "tool").write_text("#!/bin/sh\n", encoding="utf-8")
    os.link(tree / "tool", tree / "dir/same tool")
    os.mkfifo(tree / "pipe")
    if os.geteuid() == 0:
        os.chown(tree / "tool", 12, 34)
        os.setxattr(tree / "tool", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
        os.mknod(tree / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        (tree / "null").chmod(0o666)
    (tree / "tool").chmod(0o4755)
    os.utime(tree / "tool", (1, 1_600_000_000))


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same tree twice, made in another order and at another time."""
    names = [f"file number {number:04}" for number in range(900)]
    made = [tmp_path_factory.mktemp("tree") / name for name in ("one", "another-directory")]
    _fill(made[0], names)
    _fill(made[1], names[::-1])
    os.utime(made[1] / "large", (EPOCH + 10, EPOCH + 10))
    return made


def _make(fstype: str, file: Path, tree: Path) -> Path:
    file.parent.mkdir(parents=True)
    wanted, log = volume(file, fstype, _SIZES[fstype]), file.parent / "log"
    if fstype == "xfs":
        make_xfs(file, wanted, tree, EPOCH, log)
    elif fstype == "btrfs":
        make_btrfs(file, wanted, tree, EPOCH)
    else:
        make_ext(file, 0, wanted, tree, EPOCH, log)
    return file


def _grub(file: Path, *command: str | Path) -> str:
    """What GRUB reads of a file system: it knows them all, and is nobody's own checker."""
    program = shutil.which("grub-fstest")
    if program is None:
        pytest.skip("grub-fstest (grub-common) is not installed")
    done = subprocess.run([program, file, *command], capture_output=True, text=True, check=False, env=_SYSTEM)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("fstype", _SIZES)
def test_a_file_system_is_whole_and_the_same_each_time(fstype: str, trees: list[Path], tmp_path: Path) -> None:
    one, another = (_make(fstype, tmp_path / str(number) / "fs", tree) for number, tree in enumerate(trees))
    done = subprocess.run([*_CHECKS[fstype], one], capture_output=True, text=True, check=False, env=_SYSTEM)
    assert done.returncode == 0, done.stdout + done.stderr
    assert filecmp.cmp(one, another, shallow=False)
    root = trees[0]
    # GRUB needs no files with holes, and does not read all.
    sparse = [] if fstype in ("btrfs", "ext4") else ["sparse"]
    for name in (*sparse, "large", "tool", "dir/a name: with spaces ", "dir/same tool", "many/file number 0449"):
        _grub(one, "cmp", f"(loop0)/{name}", root / name)
    listed = _grub(one, "ls", "(loop0)/many")
    assert listed.count("file number") == 900
    assert re.search(r"\b20200913122640 tool\b", _grub(one, "ls", "--", "-l", "(loop0)/"))


def _facts(listing: str, *words: str) -> bool:
    return all(word in listing for word in words)


def test_btrfs_keeps_links_rights_owners_and_attributes(trees: list[Path], tmp_path: Path) -> None:
    file = _make("btrfs", tmp_path / "made/fs", trees[0])
    (tmp_path / "out").mkdir()
    command = ["btrfs", "restore", "--metadata", "--symlinks", "--xattr", file, tmp_path / "out"]
    subprocess.run(command, check=True, capture_output=True, env=_SYSTEM)
    ours, theirs = (
        {
            os.path.relpath(entry.path, top): (entry.status.st_mode, entry.status.st_uid, dict(entry.attributes()))
            for entry in entries(top, EPOCH)
            if stat.S_IFMT(entry.status.st_mode) in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK) and entry.name
        }
        for top in (trees[0], tmp_path / "out")
    )
    assert theirs == ours
    for name in ("large", "sparse", "dir/same tool"):
        assert filecmp.cmp(trees[0] / name, tmp_path / "out" / name, shallow=False)
    command = ["btrfs", "inspect-internal", "dump-tree", "-t", "fs", file]
    dump = subprocess.run(command, capture_output=True, text=True, check=True, env=_SYSTEM).stdout
    assert " links 2 " in dump


def test_xfs_keeps_rights_owners_and_attributes(trees: list[Path], tmp_path: Path) -> None:
    file = _make("xfs", tmp_path / "made/fs", trees[0])

    def inode(path: str) -> str:
        command = ["xfs_db", "-r", "-c", f"path {path}", "-c", "print", file]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=_SYSTEM)
        return done.stdout

    tool = inode("/tool")
    assert _facts(tool, "core.mode = 0104755", "Sep 13", "2020")
    assert _facts(inode("/dir"), "core.mode = 041777")
    if os.geteuid() == 0:
        assert _facts(tool, "core.uid = 12", "core.gid = 34", 'name = "capability"', "secure = 1")
        assert _facts(inode("/null"), "core.mode = 020666")


@pytest.mark.parametrize("name", [b"a b", b"trailing ", b"two  spaces", b":colon", b"tab\tand\nline", b"f (dev).tmpl"])
def test_a_stand_in_for_a_name_has_its_length_and_its_hash(name: bytes) -> None:
    def hashed(text: bytes) -> int:
        """The hash of names in XFS directories."""
        value = 0
        for byte in text:
            value = byte ^ ((value << 7 | value >> 25) & 0xFFFFFFFF)
        return value

    other = stand_in(name)
    assert (len(other), hashed(other)) == (len(name), hashed(name))
    assert not set(other) & set(b" \t\n/\0")
    assert stand_in(b"plain-name_1.2") == b"plain-name_1.2"


def test_what_a_file_system_cannot_keep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="choose ext4"):
        stand_in(b" ")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/link").symlink_to("nowhere")
    with pytest.raises(BuildError, match=r"link is a link or device, and fat32 has none: choose ext4"):
        make_fat(tmp_path / "fat", volume(tmp_path / "fat", "fat32", 64), tmp_path / "tree", EPOCH, tmp_path / "log")


def test_fat_is_the_same_each_time(tmp_path: Path) -> None:
    made: list[Path] = []
    for order in (("b", "a"), ("a", "b")):
        tree = tmp_path / f"tree-{order[0]}"
        (tree / "EFI/BOOT").mkdir(parents=True)
        for name in order:
            (tree / "EFI/BOOT" / name).write_text(name, encoding="ascii")
        file = tmp_path / f"fat-{order[0]}"
        make_fat(file, volume(file, "fat16", 32), tree, EPOCH, tmp_path / "log")
        made.append(file)
    assert filecmp.cmp(*made, shallow=False)
    assert _grub(made[0], "cat", "(loop0)/EFI/BOOT/a") == "a"
