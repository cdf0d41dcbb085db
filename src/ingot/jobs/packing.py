"""Archives that jobs make: the same files give the same bytes, whenever that is."""

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO


def write_archive(
    output: Path, files: Mapping[str, Path], documents: Mapping[str, bytes], follow: Callable[[int], None]
) -> dict[str, str | int]:
    """Write a tar.gz of files and then of documents, by their names in it; returns its sha256, md5 and size in bytes.

    `follow` is told how many bytes of the files are packed.
    """
    done = 0
    with output.open("xb") as raw:
        hashing = _Hashing(raw)
        with (
            gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=hashing, mtime=0) as compressed,
            tarfile.open(fileobj=compressed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
        ):
            for name, path in files.items():
                with path.open("rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    archive.addfile(_entry(name, size), _Followed(file, done, follow))
                done += size
            for name, content in documents.items():
                archive.addfile(_entry(name, len(content)), io.BytesIO(content))
        raw.flush()
        os.fsync(raw.fileno())
    return {"sha256": hashing.sha256.hexdigest(), "md5": hashing.md5.hexdigest(), "size": hashing.size}


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    return entry


class _Hashing(io.RawIOBase):
    """A file that hashes what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256, self.md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        self.size = 0

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, chunk: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        """Write and hash."""
        self.sha256.update(chunk)
        self.md5.update(chunk)
        self.size += len(chunk)
        return self._file.write(chunk)


class _Followed(io.RawIOBase):
    """A file whose reading is told of; `before` are bytes that were read of others."""

    def __init__(self, file: IO[bytes], before: int, follow: Callable[[int], None]) -> None:
        self._file, self._done, self._follow = file, before, follow

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        chunk = self._file.read(size)
        self._done += len(chunk)
        self._follow(self._done)
        return chunk
