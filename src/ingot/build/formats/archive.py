"""Tar archives, written in order: members in a fixed order, of a fixed time, owned by root."""

import struct
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ingot.build.formats.blocks import Disk
from ingot.build.formats.stream import HashedFile, Sink, copy_disk, gzipped, hashed

_BLOCK = 512
#: A sparse member's map is made of pieces of this size: what is zero by content, whatever the file system says.
_PIECE = 64 * 1024
_LARGEST_USTAR = 8 << 30
_MAP_IN_HEADER, _MAP_IN_EXTENSION = 4, 21


def header(name: str, size: int, epoch: int, mode: int = 0o644) -> bytes:
    """A regular member's header; the plain form of the standard wherever the size allows."""
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, epoch, mode
    plain = size < _LARGEST_USTAR and len(name) < 100
    return member.tobuf(tarfile.USTAR_FORMAT if plain else tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def padding(size: int) -> bytes:
    """What fills the last block of a member."""
    return bytes(-size % _BLOCK)


class Tar:
    """An archive going into a sink."""

    def __init__(self, sink: Sink, epoch: int) -> None:
        self._sink, self._epoch = sink, epoch

    def add(self, name: str, content: bytes | str, mode: int = 0o644) -> None:
        """Add a small file."""
        data = content.encode() if isinstance(content, str) else content
        self._sink.write(header(name, len(data), self._epoch, mode) + data + padding(len(data)))

    def add_file(self, name: str, file: Path, on_progress: Callable[[float], None] = lambda _part: None) -> None:
        """Add a file of any size with all its bytes."""
        with Disk(file) as content:
            self._sink.write(header(name, content.size, self._epoch))
            copy_disk(content, self._sink, on_progress)
            self._sink.zeros(-content.size % _BLOCK)

    def add_sparse(
        self, name: str, disk: Disk, size: int, on_progress: Callable[[float], None] = lambda _part: None
    ) -> None:
        """Add a disk without its zeros, in GNU's old format, as `tar --format=oldgnu --sparse` does.

        `size` is what the disk shall have, in bytes: behind its own end there are zeros.
        """
        pieces: list[tuple[int, int]] = []
        for number in disk.present(_PIECE):
            start = number * _PIECE
            length = min(_PIECE, disk.size - start)
            if pieces and sum(pieces[-1]) == start:
                pieces[-1] = (pieces[-1][0], pieces[-1][1] + length)
            else:
                pieces.append((start, length))
        # A piece without length says where the file ends.
        if not pieces or sum(pieces[-1]) != size:
            pieces.append((size, 0))
        self._sink.write(_sparse_header(name, pieces, size, self._epoch))
        stored = sum(length for _, length in pieces)
        for start, length in pieces:
            for position in range(start, start + length, 1 << 20):
                self._sink.write(disk.read(position, min(1 << 20, start + length - position)))
                on_progress(position / size)
        self._sink.write(padding(stored))

    def finish(self) -> None:
        """Write the archive's end."""
        self._sink.write(bytes(2 * _BLOCK))


@contextmanager
def archive(path: Path, epoch: int, *, level: int | None = None) -> Iterator[tuple[Tar, HashedFile]]:
    """A new tar.gz and the file it goes into. Level 0 only stores: for members that are compressed already."""
    with hashed(path) as file, gzipped(file, level) as stream:
        tar = Tar(stream, epoch)
        yield tar, file
        tar.finish()


def _sparse_header(name: str, pieces: Sequence[tuple[int, int]], size: int, epoch: int) -> bytes:
    stored = sum(length for _, length in pieces)
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.type = stored, epoch, tarfile.GNUTYPE_SPARSE
    block = bytearray(member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"))
    first, rest = pieces[:_MAP_IN_HEADER], pieces[_MAP_IN_HEADER:]
    block[386 : 386 + 24 * len(first)] = b"".join(map(_piece, first))
    block[482] = bool(rest)
    block[483:495] = _number(size)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    extensions = b""
    for start in range(0, len(rest), _MAP_IN_EXTENSION):
        part = b"".join(map(_piece, rest[start : start + _MAP_IN_EXTENSION])).ljust(504, b"\0")
        more = start + _MAP_IN_EXTENSION < len(rest)
        extensions += (part + bytes([more])).ljust(_BLOCK, b"\0")
    return bytes(block) + extensions


def _piece(piece: tuple[int, int]) -> bytes:
    return _number(piece[0]) + _number(piece[1])


def _number(value: int) -> bytes:
    """Twelve bytes: octal digits, or binary for what is larger than those can say."""
    return b"%011o\0" % value if value < 8**11 else b"\x80\0\0\0" + struct.pack(">Q", value)
