"""Archives of strangers: read as a stream, within bounds, and never out of the directory they are unpacked into.

Tar (plain, gzip, bzip2, xz), zip, and single compressed files are told apart by their content. A hostile archive
(absolute paths, `..`, links that lead out, devices, bombs) is refused with an ArchiveError that names the member.
"""

import bz2
import gzip
import hashlib
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal, Self, cast

from ingot.build.errors import BuildError
from ingot.settings import Settings

_CHUNK = 1 << 20
#: What one header may take: extended headers are read at once.
_LARGEST_HEADER = 1 << 20
_LARGEST_DIRECTORY = 64 << 20
_XZ_MEMORY = 256 << 20
_LONGEST_PART, _LONGEST_PATH = 255, 4000
_DAMAGED = (
    EOFError,
    OSError,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    ValueError,
    NotImplementedError,
)


class ArchiveError(BuildError):
    """An archive is refused; nothing of it is of use."""


@dataclass(frozen=True)
class Limits:
    """How many members an archive may have, and how many bytes all of them together."""

    members: int
    size: int

    @classmethod
    def of_settings(cls) -> "Limits":
        """What the operator allows."""
        settings = Settings()
        return cls(settings.archive_max_members, settings.archive_max_size)


@dataclass(frozen=True)
class Member:
    """Something in an archive. `path` is relative and has no `..`; of a symlink, `target` is what it says, of a
    hardlink, another member's path. `mode` has the permissions alone. The content is read before the next member is.
    """

    path: PurePosixPath
    kind: Literal["file", "directory", "symlink", "hardlink"]
    mode: int
    target: str
    chunks: Callable[[], Iterator[bytes]]


@dataclass(frozen=True)
class UnpackedFile:
    """A file of an archive that was unpacked to `file`; `size` is bytes."""

    file: Path
    size: int
    sha256: str
    md5: str


def _is_zip(head: bytes) -> bool:
    return head[:4] in (b"PK\3\4", b"PK\5\6")


def members(file: Path, name: str, limits: Limits) -> Iterator[Member]:
    """The members of an archive, one after the other; `name` is what people call it. Raises ArchiveError."""
    with _in_words(name), file.open("rb") as raw:
        head = raw.read(512)
        raw.seek(0)
        reader = _zip_members(raw, name, limits) if _is_zip(head) else _stream_members(raw, head, name, limits)
        for member in reader:
            yield replace(member, chunks=partial(_read_in_words, name, member.chunks))


@contextmanager
def _in_words(name: str) -> Iterator[None]:
    """What reading the archive raises, as an ArchiveError."""
    try:
        yield
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk, not of the archive
        raise ArchiveError(f"The archive {name} is damaged or was cut off: {error}.") from error


def _read_in_words(name: str, chunks: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
    with _in_words(name):
        yield from chunks()


def unpack_files(
    file: Path, directory: Path, limits: Limits, on_progress: Callable[[int], None] = lambda _bytes: None
) -> dict[str, UnpackedFile]:
    """Unpack the files of an archive into a directory, under names of our own; returns them by their paths.

    Of two with the same path the last counts. Symbolic links are refused: nothing that is kept may lead elsewhere.
    `on_progress` gets the bytes unpacked so far. Raises ArchiveError.
    """
    found: dict[str, UnpackedFile] = {}
    done = 0
    for number, member in enumerate(members(file, "that was sent", limits)):
        path = str(member.path)
        if member.kind == "symlink":
            raise ArchiveError(f"The archive has the link {path}: put in the file itself.")
        if member.kind == "hardlink":
            if member.target not in found:
                raise ArchiveError(f"The archive has the link {path} to {member.target}, which is no file before it.")
            found[path] = found[member.target]
        if member.kind != "file":
            continue
        sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        target = directory / str(number)
        with target.open("wb") as output:
            for chunk in member.chunks():
                output.write(chunk)
                sha256.update(chunk)
                md5.update(chunk)
                size += len(chunk)
                done += len(chunk)
                on_progress(done)
        found[path] = UnpackedFile(target, size, sha256.hexdigest(), md5.hexdigest())
    return found


def _safe_path(name: str, archive: str, what: str = "member") -> PurePosixPath:
    """The path of a name, if it stays inside; raises ArchiveError."""
    path = PurePosixPath(name)
    if path.is_absolute():
        raise ArchiveError(f"The archive {archive} is refused: its {what} {name!r} has an absolute path.")
    if ".." in path.parts:
        raise ArchiveError(f"The archive {archive} is refused: its {what} {name!r} leads out with '..'.")
    try:
        encoded = [part.encode() for part in path.parts]
    except UnicodeEncodeError as error:
        raise ArchiveError(f"The archive {archive} is refused: the name {name!r} is not UTF-8.") from error
    if any(len(part) > _LONGEST_PART for part in encoded) or sum(map(len, encoded)) > _LONGEST_PATH:
        raise ArchiveError(f"The archive {archive} is refused: the name {name[:60]!r}… is too long.")
    if any(byte < 0x20 or byte == 0x7F for part in encoded for byte in part):
        raise ArchiveError(f"The archive {archive} is refused: the name {name!r} has control characters.")
    return path


def _safe_link(path: PurePosixPath, target: str, archive: str) -> str:
    """A symbolic link's target, if it stays inside the archive; raises ArchiveError."""
    depth = len(path.parts) - 1
    for part in PurePosixPath(target).parts:
        depth += -1 if part == ".." else 1
        if part == "/" or depth < 0:
            raise ArchiveError(f"The archive {archive} is refused: its link {str(path)!r} leads out, to {target!r}.")
    return target


class _Guard:
    """Counts what an archive gives, and refuses more than may be; knows links, below which nothing may lie."""

    def __init__(self, archive: str, limits: Limits) -> None:
        self.archive, self._limits = archive, limits
        self._members, self._size = 0, 0
        self._links: set[PurePosixPath] = set()

    def count_member(self, path: PurePosixPath, *, is_link: bool) -> None:
        """One more member."""
        self._members += 1
        if self._members > self._limits.members:
            raise ArchiveError(
                f"The archive {self.archive} is refused: it has more than {self._limits.members} members (setting "
                "INGOT_ARCHIVE_MAX_MEMBERS)."
            )
        if any(parent in self._links for parent in path.parents):
            raise ArchiveError(f"The archive {self.archive} is refused: {str(path)!r} lies below a link.")
        if is_link:
            self._links.add(path)
        else:
            self._links.discard(path)

    def count_bytes(self, count: int) -> None:
        """So many more bytes."""
        self._size += count
        if self._size > self._limits.size:
            raise ArchiveError(
                f"The archive {self.archive} is refused: it unpacks to more than {self._limits.size} bytes (setting "
                "INGOT_ARCHIVE_MAX_SIZE)."
            )


def _compression(head: bytes) -> Literal["gzip", "bzip2", "xz"] | None:
    if head[:2] == b"\x1f\x8b":
        return "gzip"
    if head[:3] == b"BZh":
        return "bzip2"
    return "xz" if head[:6] == b"\xfd7zXZ\0" else None


class _Xz(io.RawIOBase):
    """An xz stream whose dictionary may not take any amount of memory, as it may with the standard library's."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes; 0 at the end."""
        while not self._decompressor.eof:
            compressed = self._raw.read(1 << 16) if self._decompressor.needs_input else b""
            if self._decompressor.needs_input and not compressed:
                raise EOFError("the compressed data ends too early")
            chunk = self._decompressor.decompress(compressed, len(buffer))
            if chunk:
                buffer[: len(chunk)] = chunk
                return len(chunk)
        return 0


@contextmanager
def _decompressed(raw: IO[bytes], head: bytes) -> Iterator[IO[bytes]]:
    match _compression(head):
        case "gzip":
            with gzip.open(raw) as zipped:
                yield cast("IO[bytes]", zipped)
        case "bzip2":
            with bz2.open(raw) as zipped2:
                yield cast("IO[bytes]", zipped2)
        case "xz":
            with io.BufferedReader(_Xz(raw), _CHUNK) as stream:
                yield stream
        case None:
            yield raw


class _Forward(io.RawIOBase):
    """A stream that tarfile takes for a file: it is only ever read forwards, and never much at once."""

    def __init__(self, stream: IO[bytes], guard: _Guard) -> None:
        self._stream, self._guard = stream, guard
        self._position, self._last, self._back = 0, b"", False

    def tell(self) -> int:
        """Where it is."""
        return self._position

    def seek(self, position: int, whence: int = io.SEEK_SET, /) -> int:
        """Go forwards, or back by the one byte that tarfile reads again."""
        if whence != io.SEEK_SET or position < self._position - 1 or (position < self._position and not self._last):
            raise tarfile.ReadError("it cannot be read as a stream")
        if position == self._position - 1 and not self._back:
            self._back, self._position = True, position
        while self._position < position:
            if not self.read(min(_CHUNK, position - self._position)):
                break
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, `size` of them unless the end comes."""
        if size < 0 or size > _LARGEST_HEADER:
            raise tarfile.ReadError("a header is too large")
        result = b""
        if self._back and size:
            self._back, result = False, self._last
            self._position += 1
        pieces = [result]
        left = size - len(result)
        while left > 0 and (piece := self._stream.read(left)):
            self._guard.count_bytes(len(piece))
            pieces.append(piece)
            left -= len(piece)
            self._position += len(piece)
        result = b"".join(pieces)
        self._last = result[-1:] or self._last
        return result

    def drain(self) -> None:
        """Read to the very end: only there does a compressed stream prove that it is whole."""
        while self.read(_CHUNK):
            pass


class _Header(tarfile.TarInfo):
    """A header that has to be right: tarfile takes a broken one, and the end of a cut file, for the archive's end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        """Read the next header."""
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the end mark
            raise
        except tarfile.HeaderError as error:
            raise EOFError(str(error)) from error


def _stream_members(raw: IO[bytes], head: bytes, name: str, limits: Limits) -> Iterator[Member]:
    guard = _Guard(name, limits)
    with _decompressed(raw, head) as stream:
        inner = stream.read(tarfile.BLOCKSIZE)
        is_tar = _is_tar_header(inner)
    raw.seek(0)
    with _decompressed(raw, head) as stream:
        if is_tar:
            forward = _Forward(stream, guard)
            tar = tarfile.TarFile(
                fileobj=cast("IO[bytes]", forward),
                mode="r",
                tarinfo=_Header,
                encoding="utf-8",
                errors="surrogateescape",
            )
            yield from _tar_members(tar, forward, guard)
            forward.drain()
        elif _compression(head) is not None:
            yield _single_member(stream, name, guard)
        else:
            raise ArchiveError(f"{name} is no archive: use tar (also with gzip, bzip2, xz) or zip.")


def _is_tar_header(block: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _single_member(stream: IO[bytes], name: str, guard: _Guard) -> Member:
    """The one file of something that is compressed and no archive inside; it is called as its compressed form is."""
    path = _safe_path(PurePosixPath(name).name, name)

    def chunks() -> Iterator[bytes]:
        while chunk := stream.read(_CHUNK):
            guard.count_bytes(len(chunk))
            yield chunk

    return Member(path.with_suffix("") if path.suffix else path, "file", 0o644, "", chunks)


def _tar_members(tar: tarfile.TarFile, forward: _Forward, guard: _Guard) -> Iterator[Member]:
    while (info := tar.next()) is not None:
        tar.members = []  # type: ignore[attr-defined]  # it would remember them all
        path = _safe_path(info.name, guard.archive)
        if path == PurePosixPath():
            continue
        guard.count_member(path, is_link=info.issym())
        if info.issparse():
            raise ArchiveError(f"The archive {guard.archive} is refused: {info.name!r} is sparse.")
        mode, position, size = info.mode & 0o777, info.offset_data, info.size

        def chunks(position: int = position, size: int = size) -> Iterator[bytes]:
            forward.seek(position)
            left = size
            while left:
                chunk = forward.read(min(_CHUNK, left))
                if not chunk:
                    raise EOFError("it ends in the middle of a file")
                left -= len(chunk)
                yield chunk

        if info.isfile():
            yield Member(path, "file", mode, "", chunks)
        elif info.isdir():
            yield Member(path, "directory", mode, "", _nothing)
        elif info.issym():
            yield Member(path, "symlink", mode, _safe_link(path, info.linkname, guard.archive), _nothing)
        elif info.islnk():
            target = _safe_path(info.linkname, guard.archive, "link target")
            yield Member(path, "hardlink", mode, str(target), _nothing)
        else:
            raise ArchiveError(f"The archive {guard.archive} is refused: {info.name!r} is a device or the like.")


def _zip_members(raw: IO[bytes], name: str, limits: Limits) -> Iterator[Member]:
    guard = _Guard(name, limits)
    _refuse_large_directory(raw, name)
    with zipfile.ZipFile(raw) as archive:
        for info in archive.infolist():
            path = _safe_path(info.filename, name)
            if path == PurePosixPath():
                continue
            file_mode = info.external_attr >> 16
            kind = stat.S_IFMT(file_mode)
            guard.count_member(path, is_link=kind == stat.S_IFLNK)
            if info.flag_bits & 0x1:
                raise ArchiveError(f"The archive {name} is refused: {info.filename!r} is encrypted.")

            def chunks(info: zipfile.ZipInfo = info) -> Iterator[bytes]:
                with archive.open(info) as content:
                    while chunk := content.read(_CHUNK):
                        guard.count_bytes(len(chunk))
                        yield chunk

            if info.is_dir():
                yield Member(path, "directory", file_mode & 0o777 or 0o755, "", _nothing)
            elif kind == stat.S_IFLNK:
                if info.file_size > _LONGEST_PATH:
                    raise ArchiveError(f"The archive {name} is refused: the link {info.filename!r} is too long.")
                target = b"".join(chunks()).decode("utf-8", "surrogateescape")
                yield Member(path, "symlink", 0o777, _safe_link(path, target, name), _nothing)
            elif kind in (0, stat.S_IFREG):
                yield Member(path, "file", file_mode & 0o777 or 0o644, "", chunks)
            else:
                raise ArchiveError(f"The archive {name} is refused: {info.filename!r} is a device or the like.")


def _refuse_large_directory(raw: IO[bytes], name: str) -> None:
    """A zip's directory is read as a whole: refuse one that would not fit into memory."""
    size = raw.seek(0, io.SEEK_END)
    raw.seek(max(0, size - (1 << 16) - 22))
    tail = raw.read()
    place = tail.rfind(b"PK\5\6")
    stated = int.from_bytes(tail[place + 12 : place + 16], "little") if place >= 0 else 0
    if stated == 0xFFFFFFFF and (wide := tail.rfind(b"PK\6\6")) >= 0:
        stated = int.from_bytes(tail[wide + 40 : wide + 48], "little")
    if stated > _LARGEST_DIRECTORY:
        raise ArchiveError(f"The archive {name} is refused: its directory has {stated} bytes.")
    raw.seek(0)


def _nothing() -> Iterator[bytes]:
    return iter(())
