"""ext2, ext3 and ext4 as we fill them: what is rare in a system's own tree, and where files come to lie."""

import os
import random
import re
import shutil
import stat
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ingot.build.disk.ext import make_ext
from ingot.build.errors import BuildError
from ingot.build.formats.clusters import record, recorded
from tests.unit.build.disk.layouts import EPOCH, volume

_KINDS = ["ext2", "ext3", "ext4"]
_SYSTEM = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _make(place: Path, tree: Path, fstype: str, megabytes: int, epoch: int = EPOCH) -> Path:
    """A file system of a tree that its own checker finds nothing wrong with."""
    place.mkdir()
    file = place / "fs"
    make_ext(file, 0, volume(file, fstype, megabytes), tree, epoch, place / "log")
    done = subprocess.run(["e2fsck", "-fn", file], capture_output=True, text=True, check=False, env=_SYSTEM)
    assert done.returncode == 0, done.stdout + done.stderr
    return file


def _debugfs(file: Path, command: str) -> str:
    return subprocess.run(
        ["debugfs", "-R", command, file], capture_output=True, text=True, check=True, env=_SYSTEM
    ).stdout


def _assert_same_content(file: Path, tree: Path, out: Path) -> None:
    """Every file comes out of the file system as it went in."""
    out.mkdir()
    _debugfs(file, f"rdump / {out}")
    subprocess.run(["diff", "-r", "--exclude=lost+found", "--no-dereference", tree, out], check=True)


@pytest.mark.parametrize("fstype", _KINDS)
def test_a_file_of_many_extents_is_whole(fstype: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    with (tree / "huge").open("wb") as huge:
        for position in (0, 5 << 20, 300 << 20, (600 << 20) - 3):
            huge.seek(position)
            huge.write(b"%d bytes before this" % position)
    file = _make(tmp_path / "made", tree, fstype, 800)
    # Holes of the tree are holes of the image's file.
    assert file.stat().st_blocks * 512 < 100 << 20
    _assert_same_content(file, tree, tmp_path / "out")
    if fstype == "ext4":
        extents = _debugfs(file, "ex /huge").splitlines()
        assert any(re.match(r"\s*0/ *1 ", line) for line in extents), extents  # more than fit into the inode


@pytest.mark.parametrize(("directories", "megabytes"), [(6, 20), (9, 800)])
def test_a_tree_of_many_small_files_gets_as_many_inodes(directories: int, megabytes: int, tmp_path: Path) -> None:
    """More than such a file system usually has, and more than one group has."""
    for directory in range(directories):
        place = tmp_path / f"tree/{directory}"
        place.mkdir(parents=True)
        for number in range(900):
            (place / f"file {number}").touch()
    last = f"{directories - 1}/file 99"
    (tmp_path / "tree" / last).write_text("the last", encoding="ascii")
    file = _make(tmp_path / "made", tmp_path / "tree", "ext4", megabytes)
    assert _debugfs(file, f'cat "/{last}"') == "the last"
    used = re.findall(r"(\d+) used director", _debugfs(file, "stats"))
    assert sum(map(int, used)) == directories + 2  # with the root and lost+found


@pytest.mark.parametrize("fstype", _KINDS)
def test_what_is_nearly_too_much_fits_and_more_is_refused(fstype: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    numbers = random.Random(fstype)  # noqa: S311 - the same each time
    # Each ends just behind the beginning of a cluster: aligned, they would take a quarter more.
    for number in range(195):
        (tree / f"file-{number:03}").write_bytes(numbers.randbytes((260 << 10) + 17))
    file = _make(tmp_path / "made", tree, fstype, 64)
    _assert_same_content(file, tree, tmp_path / "out")
    for number in range(60):
        shutil.copy(tree / "file-000", tree / f"more-{number}")
    with pytest.raises(BuildError, match=rf"sda1 has 64 MB, and its content does not fit .* {fstype}.*Raise its size"):
        _make(tmp_path / "again", tree, fstype, 64)


def _acl(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def _entries(listed: bytes) -> list[tuple[int, int, int]]:
    """The entries of an access control list; only those of one user or group say whose they are."""
    entries = struct.iter_unpack("<HHI", listed[4:])
    return [(tag, rights, owner if tag in (2, 8) else 0) for tag, rights, owner in entries]


@pytest.mark.parametrize("fstype", _KINDS)
def test_extended_attributes_are_kept_beside_the_inode_or_in_a_block(fstype: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("few", "many", "listed"):
        (tree / name).write_text(name, encoding="ascii")
    anyone = 0xFFFFFFFF
    try:
        os.setxattr(tree / "few", "user.note", b"short")
        os.setxattr(tree / "many", "user.long", bytes(range(256)) * 4)
        os.setxattr(tree / "many", "user.note", b"odd")
        os.setxattr(
            tree / "listed",
            "system.posix_acl_access",
            _acl((1, 6, anyone), (2, 4, 1234), (4, 4, anyone), (16, 4, anyone), (32, 0, anyone)),
        )
    except OSError as error:
        pytest.skip(f"the file system of {tmp_path} keeps no such attributes: {error.strerror}")
    file = _make(tmp_path / "made", tree, fstype, 32)
    assert 'user.note (5) = "short"' in _debugfs(file, "ea_list /few")
    assert 'user.note (3) = "odd"' in _debugfs(file, "ea_list /many")
    value = tmp_path / "value"
    _debugfs(file, f"ea_get -f {value} /many user.long")
    assert value.read_bytes() == bytes(range(256)) * 4
    _debugfs(file, f"ea_get -f {value} /listed system.posix_acl_access")
    assert _entries(value.read_bytes()) == _entries(os.getxattr(tree / "listed", "system.posix_acl_access"))


def test_more_attributes_than_fit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file").touch()
    # Host file systems that keep so many are rare.
    monkeypatch.setattr(os, "listxattr", lambda path: ["user.all"] if str(path).endswith("file") else [])
    monkeypatch.setattr(os, "getxattr", lambda *_: bytes(5000))
    with pytest.raises(BuildError, match=r"tree/file has more extended attributes than the 4096 bytes"):
        _make(tmp_path / "made", tree, "ext4", 32)


def test_times_before_1970_and_after_2038_are_kept(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name, time in (("old", -86400), ("new", 2_500_000_000), ("later", 9_000_000_000)):
        (tree / name).touch()
        os.utime(tree / name, (time, time))
    file = _make(tmp_path / "made", tree, "ext4", 32, epoch=4_000_000_000)
    times = [
        re.findall(r"mtime: .* (\d{4})$", _debugfs(file, f"stat /{name}"), re.M) for name in ("old", "new", "later")
    ]
    assert times == [["1969"], ["2049"], ["2096"]]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_devices_keep_their_numbers(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    os.mknod(tree / "small", stat.S_IFBLK | 0o600, os.makedev(8, 1))
    os.mknod(tree / "large", stat.S_IFCHR | 0o600, os.makedev(259, 70_000))
    file = _make(tmp_path / "made", tree, "ext4", 32)
    assert "08:01" in _debugfs(file, "stat /small")
    assert "259:70000" in _debugfs(file, "stat /large")


def test_the_trees_own_lost_and_found_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "tree/lost+found/inner").mkdir(parents=True)
    (tmp_path / "tree/lost+found/inner/file").touch()
    (tmp_path / "tree/kept/lost+found").mkdir(parents=True)
    file = _make(tmp_path / "made", tmp_path / "tree", "ext4", 32)
    assert "inner" not in _debugfs(file, "ls -p /lost+found")
    assert "/lost+found/" in _debugfs(file, "ls -p /kept")


def _more(tree: Path) -> None:
    (tree / "50").mkdir()
    (tree / "50/one more").write_bytes(b"new" * 5000)


def _less(tree: Path) -> None:
    (tree / "3/file 7").unlink()
    (tree / "5/large").write_bytes(b"changed" * 200_000)


@pytest.mark.parametrize("change", [_more, _less])
def test_a_tree_that_is_much_the_same_has_the_same_clusters(change: Callable[[Path], None], tmp_path: Path) -> None:
    numbers = random.Random("clusters")  # noqa: S311 - the same each time
    for directory in range(12):
        place = tmp_path / f"tree/{directory}"
        place.mkdir(parents=True)
        for number in range(60):
            (place / f"file {number}").write_bytes(numbers.randbytes(numbers.randrange(100, 40_000)))
        (place / "large").write_bytes(numbers.randbytes(700_000))
    before = record(_make(tmp_path / "before", tmp_path / "tree", "ext4", 128))
    change(tmp_path / "tree")
    after = record(_make(tmp_path / "after", tmp_path / "tree", "ext4", 128))
    known = {digest for _, digest in recorded(before)}
    wanted = [digest for _, digest in recorded(after)]
    assert 250 < len(wanted) < 420
    assert sum(digest not in known for digest in wanted) < 45
