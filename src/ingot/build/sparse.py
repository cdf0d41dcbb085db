"""Sparse files: disk images are mostly holes, and nobody reads those."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

_CHUNK = 1 << 20
_ZEROS = bytes(_CHUNK)


def data(descriptor: int) -> Iterator[tuple[int, int]]:
    """(start, end) in bytes of each part of an open file that is not a hole."""
    size = os.fstat(descriptor).st_size
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError:
            return  # only a hole is left
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end


def write_all(descriptor: int, content: bytes | bytearray | memoryview, position: int) -> None:
    """Write to a place of an open file; the kernel may take less than all at a time."""
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, position)
        view, position = view[written:], position + written


def digest(file: Path) -> str:
    """The SHA-256 of a file; its holes are counted but not read."""
    sha256 = hashlib.sha256()
    with file.open("rb", buffering=0) as content:
        descriptor, position = content.fileno(), 0
        size = os.fstat(descriptor).st_size
        for start, end in (*data(descriptor), (size, size)):
            for hole in range(position, start, _CHUNK):
                sha256.update(memoryview(_ZEROS)[: start - hole])
            position = start
            while position < end:
                chunk = os.pread(descriptor, min(_CHUNK, end - position), position)
                sha256.update(chunk)
                position += len(chunk)
    return sha256.hexdigest()
