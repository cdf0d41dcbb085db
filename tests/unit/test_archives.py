"""Archives that users bring: what is taken, and what is refused with nothing written outside."""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ingot.archives import ArchiveError, Contents, unpack

_Make = Callable[..., Path]


def _file(name: str, content: bytes = b"", **attributes: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content


@pytest.fixture
def make(tmp_path: Path) -> _Make:
    """Writes a tar archive of entries."""

    def make(*entries: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> Path:
        path = tmp_path / "archive"
        with tarfile.open(path, mode) as archive:
            for info, content in entries:
                archive.addfile(info, io.BytesIO(content))
        return path

    return make


def _unpack(archive: Path, largest: int = 1 << 20) -> Contents:
    directory = archive.parent / "contents"
    directory.mkdir()
    return unpack(archive, directory, largest=largest)


def _content(contents: Contents, name: str) -> bytes:
    return contents.files[name].path.read_bytes()


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_files_and_directories(make: _Make, mode: str) -> None:
    archive = make(
        _file("./a/b.txt", b"hello", mode=0o755), _file("a/empty", type=tarfile.DIRTYPE), _file("x", b""), mode=mode
    )
    contents = _unpack(archive)
    assert set(contents.files) == {"a/b.txt", "x"}
    assert contents.directories == {"a/empty"}
    file = contents.files["a/b.txt"]
    assert (_content(contents, "a/b.txt"), file.size, file.mode) == (b"hello", 5, 0o755)
    assert file.sha256.startswith("2cf24dba")
    assert file.md5.startswith("5d41402a")


def test_a_zip_with_directories_and_links(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    link = zipfile.ZipInfo("a/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("a")
        archive.writestr("a/é.txt", b"hello")
        archive.writestr(link, "é.txt")
    contents = _unpack(path)
    assert contents.directories == {"a"}
    assert _content(contents, "a/link") == _content(contents, "a/é.txt") == b"hello"


def test_of_a_name_that_is_there_twice_the_last_counts(make: _Make) -> None:
    contents = _unpack(make(_file("a", b"one"), _file("./a", b"two")))
    assert _content(contents, "a") == b"two"
    assert len(list(contents.files["a"].path.parent.iterdir())) == 1


def test_links_inside_are_what_they_point_to(make: _Make) -> None:
    contents = _unpack(
        make(
            _file("d/soft", type=tarfile.SYMTYPE, linkname="../a"),
            _file("a", b"one"),
            _file("hard", type=tarfile.LNKTYPE, linkname="a"),
            _file("chain", type=tarfile.SYMTYPE, linkname="d/soft"),
        )
    )
    assert {_content(contents, name) for name in ("a", "d/soft", "hard", "chain")} == {b"one"}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (_file("/etc/passwd", b"x"), "absolute path, '/etc/passwd'"),
        (_file("a/../../b", b"x"), "path with '..'"),
        (_file("a\nb", b"x"), "control characters"),
        (_file("b\udcff", b"x"), "no UTF-8"),
        (_file("x" * 300, b"x"), "too long"),
        (_file("l", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "link that leads out of it, 'l' to '/etc/passwd'"),
        (_file("d/l", type=tarfile.SYMTYPE, linkname="../../x"), "link that leads out"),
        (_file("l", type=tarfile.LNKTYPE, linkname="../x"), "link that leads out"),
        (_file("l", type=tarfile.SYMTYPE, linkname="nothing"), "leads to no file of it"),
        (_file("sda", type=tarfile.BLKTYPE, devmajor=8), "device or other special file, 'sda'"),
        (_file("null", type=tarfile.CHRTYPE), "device or other special file"),
        (_file("pipe", type=tarfile.FIFOTYPE), "device or other special file"),
    ],
)
def test_what_is_hostile_is_refused(make: _Make, entry: tuple[tarfile.TarInfo, bytes], words: str) -> None:
    with pytest.raises(ArchiveError) as refusal:
        _unpack(make(_file("before", b"x"), entry))
    assert words in str(refusal.value)


def test_links_in_a_circle_are_refused(make: _Make) -> None:
    with pytest.raises(ArchiveError, match="leads to no file"):
        _unpack(make(*(_file(a, type=tarfile.SYMTYPE, linkname=b) for a, b in ("ab", "ba"))))


@pytest.mark.parametrize("name", ["/x", "../x"])
def test_names_in_a_zip_are_as_little_trusted(tmp_path: Path, name: str) -> None:
    path = tmp_path / "archive"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(ArchiveError, match="only names below it"):
        _unpack(path)


def test_a_bomb_is_ended_at_its_limit(make: _Make) -> None:
    archive = make(_file("zeros", bytes(10 << 20)))
    with pytest.raises(ArchiveError, match="more than 1048576 bytes"):
        _unpack(archive)
    assert sum(file.stat().st_size for file in (archive.parent / "contents").iterdir()) <= 2 << 20


def test_a_zip_bomb_is_ended_at_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(10 << 20))
    with pytest.raises(ArchiveError, match="more than 1048576 bytes"):
        _unpack(path)


def test_content_that_grows_beyond_measure_is_refused(make: _Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingot.archives._SMALL", 1 << 20)
    with pytest.raises(ArchiveError, match="made to grow"):
        _unpack(make(_file("zeros", bytes(20 << 20))), largest=1 << 40)


def test_a_header_that_is_a_bomb_does_not_fill_the_memory(make: _Make) -> None:
    archive = make(_file("a", b"x", pax_headers={"comment": "0" * (200 << 20)}))
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError, match="name or attributes are far too large"):
            _unpack(archive)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_too_many_entries(make: _Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingot.archives._MOST_ENTRIES", 10)
    with pytest.raises(ArchiveError, match="more than 10 entries"):
        _unpack(make(*(_file(str(number)) for number in range(11))))


@pytest.mark.parametrize(
    "compress", [bytes, gzip.compress, bz2.compress, lzma.compress], ids=["tar", "gz", "bz2", "xz"]
)
@pytest.mark.parametrize("part", [0.05, 0.5, 0.95])
def test_an_archive_that_was_cut_off_is_refused(make: _Make, compress: Callable[[bytes], bytes], part: float) -> None:
    archive = make(*(_file(str(number), os.urandom(3000)) for number in range(20)), mode="w")
    content = compress(archive.read_bytes().rstrip(b"\0"))
    archive.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(ArchiveError, match="broken or was cut off"):
        _unpack(archive)


def test_a_tar_that_was_cut_off_between_two_entries_is_refused(make: _Make) -> None:
    archive = make(_file("a", b"x"), _file("b", b"y"), mode="w")
    archive.write_bytes(archive.read_bytes()[:1024])
    with pytest.raises(ArchiveError, match="cut off"):
        _unpack(archive)


def test_a_flipped_bit_is_found(make: _Make) -> None:
    archive = make(_file("a", os.urandom(5000)))
    content = bytearray(archive.read_bytes())
    content[3000] ^= 1
    archive.write_bytes(content)
    with pytest.raises(ArchiveError):
        _unpack(archive)


@pytest.mark.parametrize(
    "content", [b"", b"hello world", b"\x1f\x8bnot really", b"PK\x03\x04 neither", os.urandom(5000)]
)
def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "archive"
    path.write_bytes(content)
    with pytest.raises(ArchiveError):
        _unpack(path)
