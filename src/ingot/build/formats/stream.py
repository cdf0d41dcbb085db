"""Write a file from its beginning to its end, hashing on the way; archives and gzip on top of that."""

import hashlib
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from ingot.build.formats.blocks import Disk

BLOCK = 1 << 20
_ZEROS = bytes(BLOCK)
#: Nearly the size of zlib's default at twice its speed, and the same bytes on every processor.
LEVEL = 4
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LAST_BLOCK = b"\x03\x00"
_Item = TypeVar("_Item")
#: Less than this is collected before it is hashed, and not looked at for zeros.
_SMALL = 1 << 16
#: Pieces, of at most some MiB, that wait for being hashed.
_HASHES_AHEAD = 16


class Sink(Protocol):
    """Something that takes bytes in order."""

    def write(self, content: bytes) -> None:
        """Append bytes."""
        ...

    def zeros(self, length: int) -> None:
        """Append so many zeros."""
        ...


class HashedFile:
    """A file that is written in order; `sha256` is of what was written so far. Zeros become holes.

    The hash is made beside the writing, by another core where there is one, a little behind it.
    """

    def __init__(self, file: BinaryIO, beside: Executor) -> None:
        self._file, self._beside = file, beside
        self._sha256 = hashlib.sha256()
        self._pending: deque[Future[None]] = deque()
        self._small = bytearray()
        self.size = 0

    def write(self, content: bytes) -> None:
        """Append bytes."""
        if len(content) < _SMALL:
            self._small += content
            if len(self._small) >= _SMALL:
                self._hash_small()
        else:
            self._hash_small()
            self._hash(self._sha256.update, content)
        self._file.write(content)
        self.size += len(content)

    def zeros(self, length: int) -> None:
        """Append zeros that take no room."""
        self.size += length
        self._file.truncate(self.size)
        self._file.seek(self.size)
        self._hash_small()
        self._hash(self._add_zeros, length)

    @property
    def sha256(self) -> str:
        """The hash of the file."""
        while self._pending:
            self._pending.popleft().result()
        self._sha256.update(self._small)
        self._small.clear()
        return self._sha256.hexdigest()

    def _hash_small(self) -> None:
        if self._small:
            self._hash(self._sha256.update, bytes(self._small))
            self._small.clear()

    def _hash(self, update: Callable[[_Item], None], what: _Item) -> None:
        if len(self._pending) >= _HASHES_AHEAD:
            self._pending.popleft().result()
        self._pending.append(self._beside.submit(update, what))

    def _add_zeros(self, length: int) -> None:
        while length > 0:
            self._sha256.update(memoryview(_ZEROS)[: min(length, BLOCK)])
            length -= BLOCK


@contextmanager
def hashed(path: Path) -> Iterator[HashedFile]:
    """A new file to write in order."""
    # One thread: what it is given is hashed in that order.
    with path.open("wb") as file, ThreadPoolExecutor(1) as beside:
        yield HashedFile(file, beside)


class Gzip:
    """Compresses what is written on all cores. The bytes depend on the content alone, not on how many cores there are
    or on how it was cut: blocks of 1 MiB are compressed each by itself, and joined to one stream.
    """

    def __init__(self, sink: Sink, workers: int, level: int) -> None:
        self._sink, self._level = sink, level
        self._pool = ThreadPoolExecutor(workers)
        self._ahead = 4 * workers
        self._pending: deque[Future[bytes]] = deque()
        self._rest = bytearray()
        self._crc = self._size = 0
        self._zeros: bytes | None = None
        sink.write(_GZIP_HEADER)

    def write(self, content: bytes) -> None:
        """Append bytes."""
        self._rest += content
        if len(self._rest) >= BLOCK:
            whole = len(self._rest) // BLOCK * BLOCK
            view = bytes(self._rest[:whole])
            del self._rest[:whole]
            for start in range(0, whole, BLOCK):
                self._submit(view[start : start + BLOCK])

    def zeros(self, length: int) -> None:
        """Append zeros; whole blocks of them were compressed before."""
        if self._rest and length:
            fill = min(length, BLOCK - len(self._rest))
            self.write(bytes(fill))
            length -= fill
        while length >= BLOCK:
            self._submit(_ZEROS)
            length -= BLOCK
        self.write(bytes(length))

    def finish(self) -> None:
        """Write what is left and the checksums."""
        if self._rest:
            self._submit(bytes(self._rest))
        while self._pending:
            self._sink.write(self._pending.popleft().result())
        self._pool.shutdown()
        self._sink.write(
            _LAST_BLOCK + self._crc.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little")
        )

    def abort(self) -> None:
        """Stop compressing; the stream stays without an end."""
        self._pool.shutdown(cancel_futures=True)

    def _submit(self, block: bytes) -> None:
        self._crc = zlib.crc32(block, self._crc)
        self._size += len(block)
        self._pending.append(self._pool.submit(self._deflate, block))
        if len(self._pending) >= self._ahead:
            self._sink.write(self._pending.popleft().result())

    def _deflate(self, block: bytes) -> bytes:
        if block is _ZEROS and self._zeros is not None:
            return self._zeros
        compressor = zlib.compressobj(self._level, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = compressor.compress(block) + compressor.flush(zlib.Z_FULL_FLUSH)
        if block is _ZEROS:
            self._zeros = packed
        return packed


@contextmanager
def gzipped(sink: Sink, level: int | None = None) -> Iterator[Gzip]:
    """A gzip stream into a sink, of zlib's `level` (absent: a good one)."""
    gzip = Gzip(sink, os.cpu_count() or 1, LEVEL if level is None else level)
    try:
        yield gzip
    except BaseException:
        gzip.abort()
        raise
    gzip.finish()


def write_sparse(sink: Sink, content: bytes) -> None:
    """Write content, what is zero of it as zeros: it takes no room then."""
    start = at = 0
    while at < len(content):
        end = min(at + _SMALL, len(content))
        if content[at:end] == _ZEROS[: end - at]:
            if start < at:
                sink.write(content[start:at])
            sink.zeros(end - at)
            start = end
        at = end
    if start < at:
        sink.write(content[start:at])


def copy_disk(disk: Disk, sink: Sink, on_progress: Callable[[float], None] = lambda _part: None) -> None:
    """Write a raw disk into a sink, its holes as zeros."""
    position = 0
    for start, length in disk.chunks(4096):
        sink.zeros(start - position)
        taken = min(length, disk.size - start)
        sink.write(disk.read(start, taken))
        position = start + taken
        on_progress(position / disk.size)
    sink.zeros(disk.size - position)
