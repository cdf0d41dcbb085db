"""Archives that users bring: taken apart in one pass and with distrust.

Nothing of an archive decides where something is written: its files become numbered files in a directory of the
caller's. Refused are names that lead out of the archive, links that do, devices, and content that grows beyond its
limits. What is left to guard against is the memory that a lying header asks for: run this in a process whose memory is
bounded (`ingot.process.bound_memory`).
"""

import bz2
import gzip
import hashlib
import lzma
import posixpath
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

_CHUNK = 1 << 20
_LONGEST_NAME, _LONGEST_PART = 4096, 255
_MOST_ENTRIES = 100_000
#: Bytes that one entry may have of names and attributes.
_LARGEST_HEADER = 8 << 20
#: An archive may always hold so much, and beyond that so many times its own size.
_SMALL, _MOST_GROWTH = 1 << 30, 250
_MOST_LINKS = 8
_COMPRESSED: tuple[tuple[bytes, Callable[[IO[bytes]], Any]], ...] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
#: What reading a broken archive raises.
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, OSError)

#: Told of (bytes of the archive that are read, bytes in all).
Progress = Callable[[int, int], None]


class ArchiveError(Exception):
    """An archive that is not taken: the text says what is wrong with which entry."""


@dataclass(frozen=True)
class ArchivedFile:
    """A file of an archive; `path` has its content, `size` is bytes, `mode` are its permission bits."""

    path: Path
    sha256: str
    md5: str
    size: int
    mode: int


@dataclass
class Contents:
    """What an archive has: {name in the archive: file}, and the names of its directories."""

    files: dict[str, ArchivedFile] = field(default_factory=dict)
    directories: set[str] = field(default_factory=set)


def unpack(archive: Path, directory: Path, *, largest: int, progress: Progress = lambda _done, _all: None) -> Contents:
    """Take a tar archive (plain, gzip, bzip2, xz) or a zip archive apart; its files are numbered ones in `directory`.

    Of entries with the same name, the last counts. Links to files of the archive become what they point to. `largest`
    are the bytes that all files together may have. Raises ArchiveError, also for an archive that was cut off; then the
    caller removes the directory.
    """
    unpacker = _Unpacker(archive, directory, largest, progress)
    try:
        return unpacker.unpack()
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno is not None:  # the machine's trouble, not the archive's
            raise
        raise ArchiveError(f"The archive is broken or was cut off: {str(error) or type(error).__name__}.") from error
    except RuntimeError as error:  # zipfile, of a password or of a method that it does not know
        raise ArchiveError(f"The archive cannot be read: {error}.") from error


def safe_name(name: str) -> str:
    """A name in an archive in its shortest form; "" is the archive itself. Raises ArchiveError when it leads out."""
    shown = repr(name if len(name) <= 100 else f"{name[:100]}…")
    if name.startswith("/"):
        raise ArchiveError(f"The archive has an absolute path, {shown}: only names below it are possible.")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ArchiveError(f"The archive has a path with '..', {shown}: only names below it are possible.")
    if any(ord(character) < 32 or 0xD800 <= ord(character) <= 0xDFFF for character in name):
        raise ArchiveError(f"The archive has a name with control characters or that is no UTF-8, {shown}.")
    if len(name.encode()) > _LONGEST_NAME or any(len(part.encode()) > _LONGEST_PART for part in parts):
        raise ArchiveError(f"The archive has a name that is too long, {shown}.")
    return "/".join(parts)


class _Unpacker:
    def __init__(self, archive: Path, directory: Path, largest: int, progress: Progress) -> None:
        self._archive, self._directory, self._progress = archive, directory, progress
        self._packed = archive.stat().st_size
        self._largest = min(largest, max(_SMALL, _MOST_GROWTH * self._packed))
        self._contents = Contents()
        self._links: dict[str, str] = {}
        self._entries = self._bytes = 0

    def unpack(self) -> Contents:
        with self._archive.open("rb") as file:
            magic = file.read(6)
            file.seek(0)
            if magic[:4] in _ZIP:
                self._unpack_zip(file)
            else:
                self._unpack_tar(file, magic)
        self._resolve_links()
        return self._contents

    def _unpack_tar(self, file: IO[bytes], magic: bytes) -> None:
        with ExitStack() as stack:
            opener = next((opener for start, opener in _COMPRESSED if magic.startswith(start)), None)
            plain: IO[bytes] = stack.enter_context(opener(file)) if opener else file
            stream = _Metered(plain)
            # Not one of tarfile's own decompressing modes: they take the end of a cut file for that of the archive.
            archive = stack.enter_context(tarfile.open(fileobj=stream, mode="r|", tarinfo=_Entry, bufsize=_CHUNK))  # type: ignore[call-overload]
            for entry in self._entries_of(archive, stream):
                name = safe_name(entry.name)
                self._progress(file.tell(), self._packed)
                if entry.isdir():
                    self._contents.directories.add(name)
                elif entry.islnk() or entry.issym():
                    base = "" if entry.islnk() else posixpath.dirname(name)
                    self._link(name, entry.linkname, base)
                elif entry.isreg():
                    content = archive.extractfile(entry)
                    self._store(name, stream.freely(content), entry.mode)
                else:
                    raise ArchiveError(f"The archive has a device or other special file, {name!r}.")
            while plain.read(_CHUNK):  # to the end: the checksum stands there
                pass

    def _entries_of(self, archive: tarfile.TarFile, stream: "_Metered") -> Iterator[tarfile.TarInfo]:
        while True:
            stream.since_entry = 0
            entry = archive.next()
            if entry is None:
                return
            archive.members.clear()  # type: ignore[attr-defined]  # or it keeps them all
            yield entry

    def _unpack_zip(self, file: IO[bytes]) -> None:
        with zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                name, mode = safe_name(entry.filename), entry.external_attr >> 16
                self._progress(min(entry.header_offset, self._packed), self._packed)
                if entry.is_dir():
                    self._contents.directories.add(name)
                elif stat.S_ISLNK(mode):
                    with archive.open(entry) as content:
                        target = content.read(_LONGEST_NAME).decode("utf-8", "surrogateescape")
                    self._link(name, target, posixpath.dirname(name))
                elif stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                    raise ArchiveError(f"The archive has a device or other special file, {name!r}.")
                else:
                    with archive.open(entry) as content:
                        self._store(name, iter(lambda content=content: content.read(_CHUNK), b""), mode or 0o644)  # type: ignore[misc]

    def _count(self) -> None:
        self._entries += 1
        if self._entries > _MOST_ENTRIES:
            raise ArchiveError(f"The archive has more than {_MOST_ENTRIES} entries.")

    def _store(self, name: str, chunks: Iterator[bytes], mode: int) -> None:
        self._count()
        if not name:
            raise ArchiveError("The archive has a file without a name.")
        path = self._directory / f"{self._entries:06}"
        sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        with path.open("xb") as file:
            for chunk in chunks:
                self._bytes += len(chunk)
                if self._bytes > self._largest:
                    raise ArchiveError(
                        f"The archive's files have more than {self._largest} bytes: it is refused as too large, or as "
                        "one that was made to grow."
                    )
                size += file.write(chunk)
                sha256.update(chunk)
                md5.update(chunk)
        self._forget(name)
        self._contents.files[name] = ArchivedFile(path, sha256.hexdigest(), md5.hexdigest(), size, mode & 0o777)

    def _link(self, name: str, target: str, base: str) -> None:
        self._count()
        inside = posixpath.normpath(posixpath.join(base, target))
        if target.startswith("/") or inside == ".." or inside.startswith("../"):
            raise ArchiveError(f"The archive has a link that leads out of it, {name!r} to {target[:100]!r}.")
        if inside == name:  # a hard link of a file to itself says nothing
            return
        self._forget(name)
        self._links[name] = safe_name(inside)

    def _forget(self, name: str) -> None:
        """An entry of the same name counts no more."""
        self._links.pop(name, None)
        if (before := self._contents.files.pop(name, None)) is not None:
            before.path.unlink()

    def _resolve_links(self) -> None:
        for name in self._links:
            target, steps = name, 0
            while target in self._links and steps < _MOST_LINKS:
                target, steps = self._links[target], steps + 1
            if target not in self._contents.files:
                raise ArchiveError(
                    f"The archive has a link, {name!r} to {self._links[name]!r}, that leads to no file of it."
                )
            self._contents.files[name] = self._contents.files[target]


class _Metered:
    """A stream that ends a header which asks for more than headers have."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.since_entry = 0

    def read(self, size: int) -> bytes:
        chunk = self._stream.read(size)
        self.since_entry += len(chunk)
        if self.since_entry > _LARGEST_HEADER:
            raise ArchiveError("The archive has an entry whose name or attributes are far too large.")
        return chunk

    def freely(self, content: IO[bytes] | None) -> Iterator[bytes]:
        """The content of an entry: what it has of its own does not count as its header."""
        while content is not None and (chunk := content.read(_CHUNK)):
            self.since_entry = 0
            yield chunk


class _Entry(tarfile.TarInfo):
    """An entry whose header must be right: tarfile takes a broken one for the archive's end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        """Read the next header."""
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            if archive.offset == 0:
                raise ArchiveError("This is no archive: send a tar file (plain, gzip, bzip2, xz) or a zip.") from error
            raise ArchiveError(f"The archive is broken or was cut off: {error}.") from error
