"""Archives of strangers: what is read of them, and what is refused."""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ingot.build.archives import ArchiveError, Limits, members, unpack_files

_LIMITS = Limits(members=100, size=4 << 20)


def _tar(file: Path, *entries: tuple[str, bytes | str, bytes], mode: str = "w:gz") -> Path:
    """A tar of (name, content or link target, type)."""
    with tarfile.open(file, mode) as archive:  # type: ignore[call-overload]
        for name, content, kind in entries:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, 0o640
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.linkname = content
                archive.addfile(info)
    return file


def _read(file: Path, limits: Limits = _LIMITS) -> dict[str, tuple[str, bytes]]:
    return {
        str(member.path): (member.kind, b"".join(member.chunks()) if member.kind == "file" else member.target.encode())
        for member in members(file, file.name, limits)
    }


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_tars_of_every_kind(tmp_path: Path, mode: str, form: int) -> None:
    long = "d/" * 40 + "größe" if form != tarfile.USTAR_FORMAT else "d/größe"
    contents = {"a": b"", "b": b"x" * 512, "c": os.urandom(3_000_001), long: b"deep"}
    with tarfile.open(tmp_path / "t", mode, format=form) as archive:  # type: ignore[call-overload]
        archive.addfile(tarfile.TarInfo("./"))
        for name, content in contents.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    assert _read(tmp_path / "t") == {name: ("file", content) for name, content in contents.items()}
    # Whoever reads only names gets them all the same.
    assert [str(member.path) for member in members(tmp_path / "t", "t", _LIMITS)] == list(contents)


def test_links_that_stay_inside(tmp_path: Path) -> None:
    _tar(
        tmp_path / "t",
        ("lib/a.so.1", b"code", tarfile.REGTYPE),
        ("lib/a.so", "a.so.1", tarfile.SYMTYPE),
        ("bin/a", "../lib/a.so", tarfile.SYMTYPE),
        ("lib/same", "lib/a.so.1", tarfile.LNKTYPE),
        ("empty/", b"", tarfile.DIRTYPE),
    )
    found = _read(tmp_path / "t")
    assert found["lib/a.so"] == ("symlink", b"a.so.1")
    assert found["bin/a"] == ("symlink", b"../lib/a.so")
    assert found["lib/same"] == ("hardlink", b"lib/a.so.1")
    assert found["empty"][0] == "directory"


def test_zips(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("d/a.txt", "hello")
        archive.mkdir("e")
        script = zipfile.ZipInfo("run.sh")
        script.external_attr = (stat.S_IFREG | 0o4755) << 16
        archive.writestr(script, "#!/bin/sh\n")
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "d/a.txt")
    assert _read(tmp_path / "z") == {
        "d/a.txt": ("file", b"hello"),
        "e": ("directory", b""),
        "run.sh": ("file", b"#!/bin/sh\n"),
        "link": ("symlink", b"d/a.txt"),
    }
    modes = {str(member.path): member.mode for member in members(tmp_path / "z", "z", _LIMITS)}
    assert modes["run.sh"] == 0o755  # never set-user-id


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_single_compressed_file(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    (tmp_path / "dump.sql.gz").write_bytes(compress(b"SELECT 1;" * 1000))
    assert _read(tmp_path / "dump.sql.gz") == {"dump.sql": ("file", b"SELECT 1;" * 1000)}


@pytest.mark.parametrize(
    ("name", "content", "kind", "words"),
    [
        ("/etc/passwd", b"x", tarfile.REGTYPE, "absolute path"),
        ("a/../../b", b"x", tarfile.REGTYPE, r"leads out with '\.\.'"),
        ("link", "/etc/passwd", tarfile.SYMTYPE, "leads out, to '/etc/passwd'"),
        ("d/link", "../../x", tarfile.SYMTYPE, "leads out"),
        ("hard", "/etc/passwd", tarfile.LNKTYPE, "absolute path"),
        ("hard", "../x", tarfile.LNKTYPE, "leads out"),
        ("null", b"", tarfile.CHRTYPE, "device or the like"),
        ("disk", b"", tarfile.BLKTYPE, "device or the like"),
        ("pipe", b"", tarfile.FIFOTYPE, "device or the like"),
        ("x" * 300, b"", tarfile.REGTYPE, "too long"),
        ("line\nbreak", b"", tarfile.REGTYPE, "control characters"),
        ("big", bytes(5 << 20), tarfile.REGTYPE, "INGOT_ARCHIVE_MAX_SIZE"),
    ],
)
def test_hostile_tars_are_refused(tmp_path: Path, name: str, content: bytes | str, kind: bytes, words: str) -> None:
    _tar(tmp_path / "t", ("good", b"x", tarfile.REGTYPE), (name, content, kind))
    with pytest.raises(ArchiveError, match=words):
        _read(tmp_path / "t")


def test_nothing_may_lie_below_a_link(tmp_path: Path) -> None:
    _tar(tmp_path / "t", ("d", ".", tarfile.SYMTYPE), ("d/passwd", b"x", tarfile.REGTYPE))
    with pytest.raises(ArchiveError, match="below a link"):
        _read(tmp_path / "t")


def test_bombs_are_refused(tmp_path: Path) -> None:
    many = [(str(number), b"", tarfile.REGTYPE) for number in range(101)]
    with pytest.raises(ArchiveError, match="more than 100 members"):
        _read(_tar(tmp_path / "many", *many))
    with zipfile.ZipFile(tmp_path / "z", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(5 << 20))
    assert (tmp_path / "z").stat().st_size < 10_000
    with pytest.raises(ArchiveError, match="INGOT_ARCHIVE_MAX_SIZE"):
        _read(tmp_path / "z")
    # A header that says it is large is never held in memory.
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 3 << 20
    (tmp_path / "header").write_bytes(gzip.compress(info.tobuf(tarfile.USTAR_FORMAT) + bytes(4 << 20)))
    with pytest.raises(ArchiveError, match="header is too large"):
        _read(tmp_path / "header")
    (tmp_path / "gz").write_bytes(gzip.compress(bytes(6 << 20)))
    with pytest.raises(ArchiveError):
        _read(tmp_path / "gz")


def test_a_zip_that_leads_out_is_refused(tmp_path: Path) -> None:
    for name in ("/abs", "../up"):
        with zipfile.ZipFile(tmp_path / "z", "w") as archive:
            archive.writestr(name, "x")
        with pytest.raises(ArchiveError, match="refused"):
            _read(tmp_path / "z")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_cut_anywhere_is_refused(tmp_path: Path, mode: str) -> None:
    content = os.urandom(40_000)
    whole = _tar(tmp_path / "t", ("a", content, tarfile.REGTYPE), ("b", content, tarfile.REGTYPE), mode=mode)
    data = whole.read_bytes()
    steps = {*range(600, 81_000, 7_001), 512 + 40_448, 2 * (512 + 40_448)}
    for size in steps:
        whole.write_bytes(data[: min(size, len(data) - 9)])
        with pytest.raises(ArchiveError):
            _read(whole)


def test_what_is_no_archive_is_said(tmp_path: Path) -> None:
    for content in (b"", b"hello", bytes(2000), os.urandom(3000)):
        (tmp_path / "f").write_bytes(content)
        with pytest.raises(ArchiveError, match="no archive"):
            _read(tmp_path / "f")


def test_files_are_unpacked_under_names_of_our_own(tmp_path: Path) -> None:
    archive = _tar(
        tmp_path / "t",
        ("a/x", b"old", tarfile.REGTYPE),
        ("a/x", b"new", tarfile.REGTYPE),
        ("b", "a/x", tarfile.LNKTYPE),
        ("d", b"", tarfile.DIRTYPE),
    )
    (tmp_path / "out").mkdir()
    seen: list[int] = []
    found = unpack_files(archive, tmp_path / "out", _LIMITS, seen.append)
    assert {path: entry.file.read_bytes() for path, entry in found.items()} == {"a/x": b"new", "b": b"new"}
    assert found["a/x"].md5 == "22af645d1859cb5ca6da0c484f1f37ea"
    assert seen == [3, 6]
    linked = _tar(tmp_path / "l", ("good", b"x", tarfile.REGTYPE), ("link", "good", tarfile.SYMTYPE))
    with pytest.raises(ArchiveError, match="put in the file itself"):
        unpack_files(linked, tmp_path / "out", _LIMITS)


@pytest.mark.parametrize("end", [1024, 1024 + 200, 2048, 2048 + 100])
def test_a_tar_cut_between_members_or_in_a_header_is_refused(tmp_path: Path, end: int) -> None:
    file = _tar(tmp_path / "t", *((name, b"x", tarfile.REGTYPE) for name in "abc"), mode="w")
    file.write_bytes(file.read_bytes()[:end])
    with pytest.raises(ArchiveError, match="damaged or was cut off"):
        _read(file)


def test_a_broken_header_is_not_the_end(tmp_path: Path) -> None:
    file = _tar(tmp_path / "t", *((name, b"x", tarfile.REGTYPE) for name in "abc"), mode="w")
    content = bytearray(file.read_bytes())
    content[1024] ^= 1
    file.write_bytes(content)
    with pytest.raises(ArchiveError, match="damaged or was cut off"):
        _read(file)
