"""Turn a raw disk into the format asked for."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from ingot.build.formats.qcow2 import write_qcow2
from ingot.build.request import Format
from ingot.build.run import run

_ZEROS = bytes(1 << 20)


def convert(
    raw: Path,
    output: Path,
    format_: Format,
    *,
    compress: bool,
    log: Path,
    on_progress: Callable[[float], None] = lambda _part: None,
) -> None:
    """Write `output` from a raw disk, which stays as it is. The same disk gives the same file."""
    if format_ == "raw":
        # A copy, since the disk is shared by builds; where the file system can, one that takes no room.
        run(["cp", "--reflink=auto", "--sparse=always", raw, output], log=log)
    else:
        write_qcow2(raw, output, compress=compress, on_progress=on_progress)


def settle(file: Path) -> tuple[str, int]:
    """Bring a finished file safely to the disk; returns its (SHA-256, size in bytes)."""
    with file.open("rb") as content:
        os.fsync(content.fileno())
    digest = sparse_digest(file)
    directory = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return digest, file.stat().st_size


def sparse_digest(file: Path) -> str:
    """The SHA-256 of a file; its holes are counted but not read."""
    digest = hashlib.sha256()
    with file.open("rb", buffering=0) as content:
        descriptor, end = content.fileno(), os.fstat(content.fileno()).st_size
        position = 0
        while position < end:
            start = _next_data(descriptor, position, end)
            while position < start:
                count = min(len(_ZEROS), start - position)
                digest.update(memoryview(_ZEROS)[:count])
                position += count
            stop = os.lseek(descriptor, position, os.SEEK_HOLE) if position < end else end
            while position < stop:
                chunk = os.pread(descriptor, min(len(_ZEROS), stop - position), position)
                digest.update(chunk)
                position += len(chunk)
    return digest.hexdigest()


def _next_data(descriptor: int, position: int, end: int) -> int:
    try:
        return os.lseek(descriptor, position, os.SEEK_DATA)
    except OSError:
        return end  # only a hole is left
