"""Turn a raw disk into the format asked for."""

import hashlib
import os
from pathlib import Path

from ingot.build.request import Format
from ingot.build.run import run


def convert(raw: Path, output: Path, format_: Format, *, compress: bool, log: Path) -> None:
    """Write `output`; a raw disk is moved into place, not copied.

    Clusters are written in order: the same disk gives the same file.
    """
    if format_ == "raw":
        raw.rename(output)
        return
    argv = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-m", "16", "-T", "none", "-t", "unsafe"]
    if compress:
        argv += ["-c", "-o", "compression_type=zstd"]
    run([*argv, raw, output], log=log)


def settle(file: Path) -> tuple[str, int]:
    """Bring a finished file safely to the disk; returns its (SHA-256, size in bytes)."""
    with file.open("rb") as content:
        os.fsync(content.fileno())
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    directory = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return digest, file.stat().st_size
