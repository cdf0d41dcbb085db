"""Turn a raw disk into the format asked for."""

import os
from collections.abc import Callable
from pathlib import Path

from ingot.build.formats.qcow2 import write_qcow2
from ingot.build.request import Format
from ingot.build.run import run
from ingot.build.sparse import digest


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
    directory = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return digest(file), file.stat().st_size
