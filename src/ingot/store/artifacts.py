"""Artifacts: immutable files named by their SHA-256."""

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol


class ArtifactError(Exception):
    """An artifact could not be stored; the text says why, with the bytes that are free."""


@dataclass(frozen=True)
class StoredArtifact:
    """A stored file: `size` is bytes."""

    sha256: str
    md5: str
    size: int


class ArtifactWriter:
    """Writes one artifact, hashing on the way; nothing is visible before its context ends."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self.size = 0

    def write(self, chunk: bytes) -> None:
        """Append bytes; raises ArtifactError when the disk is full."""
        left = memoryview(chunk)
        try:
            # Unbuffered: what the disk refuses is refused here. A nearly full disk takes a part first.
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise _storage_error(Path(self._file.name), self.size + len(chunk), error) from error
        self._sha256.update(chunk)
        self._md5.update(chunk)
        self.size += len(chunk)

    def result(self) -> StoredArtifact:
        """What was written so far."""
        return StoredArtifact(self._sha256.hexdigest(), self._md5.hexdigest(), self.size)

    def sync(self) -> None:
        """Have the disk take what was written; raises ArtifactError when it is full."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _storage_error(Path(self._file.name), self.size, error) from error


class ArtifactDraft(ArtifactWriter):
    """An artifact that comes over a long time: it is stored by `keep`, and gone if that is never called."""

    def __init__(self, file: IO[bytes], place: Callable[[Path, str], None]) -> None:
        super().__init__(file)
        self._place = place
        self.is_kept = False

    def keep(self) -> StoredArtifact:
        """Store what was written; raises ArtifactError when the disk is full."""
        self.sync()
        artifact = self.result()
        try:
            self._place(Path(self._file.name), artifact.sha256)
        except OSError as error:
            raise _storage_error(Path(self._file.name), self.size, error) from error
        self.is_kept = True
        return artifact


def _storage_error(file: Path, needed: int, error: OSError) -> ArtifactError:
    free = shutil.disk_usage(file.parent).free
    return ArtifactError(
        f"The file could not be stored ({error.strerror}): it needs at least {needed} bytes, and {free} bytes are "
        "free. Make room in the data directory, then try again."
    )


class ArtifactStore(Protocol):
    """Where artifacts are kept."""

    def writer(self) -> AbstractContextManager[ArtifactWriter]:
        """A context whose writer's content is stored when the context ends without an exception."""
        ...

    def draft(self) -> AbstractContextManager[ArtifactDraft]:
        """A context whose draft's content is stored by its `keep`."""
        ...

    def adopt(self, file: Path, sha256: str) -> None:
        """Take over a finished file whose hash is known; the file is moved, not copied."""
        ...

    def path(self, sha256: str) -> Path:
        """Where the content lies on this machine."""
        ...

    def remove(self, sha256: str) -> None:
        """Remove a content; downloads that have it open go on."""
        ...


class LocalArtifacts:
    """Artifacts as files below a directory, in 256 subdirectories."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._incoming = root / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def writer(self) -> Iterator[ArtifactWriter]:
        """Write a new artifact: stored when the context ends well, gone when it does not."""
        with self.draft() as draft:
            yield draft
            draft.keep()

    @contextmanager
    def draft(self) -> Iterator[ArtifactDraft]:
        """Write a new artifact that its `keep` stores: gone when the context ends without."""
        with tempfile.NamedTemporaryFile(dir=self._incoming, delete=False, buffering=0) as file:
            draft = ArtifactDraft(file, self._place)
            try:
                yield draft
            finally:
                if not draft.is_kept:
                    Path(file.name).unlink(missing_ok=True)

    def adopt(self, file: Path, sha256: str) -> None:
        """Take over a finished, synced file of the same file system."""
        self._place(file, sha256)

    def path(self, sha256: str) -> Path:
        """The file of a content."""
        return self.root / sha256[:2] / sha256

    def remove(self, sha256: str) -> None:
        """Remove a content; what has it open goes on reading."""
        self.path(sha256).unlink(missing_ok=True)

    def older_than(self, seconds: int, prefix: str) -> set[str]:
        """The hashes that begin with these two characters and were stored more than `seconds` ago."""
        directory, limit = self.root / prefix, time.time() - seconds
        if not directory.is_dir():
            return set()
        with os.scandir(directory) as entries:
            return {entry.name for entry in entries if entry.stat().st_mtime < limit}

    def remove_leftovers(self, seconds: int) -> None:
        """Remove files that a killed process was writing and that have not grown for so many seconds."""
        limit = time.time() - seconds
        for file in self._incoming.iterdir():
            # Another process may remove or finish it at the same moment.
            with contextlib.suppress(FileNotFoundError):
                if file.stat().st_mtime < limit:
                    file.unlink()

    def _place(self, file: Path, sha256: str) -> None:
        target = self.path(sha256)
        target.parent.mkdir(exist_ok=True)
        file.chmod(0o600)
        file.rename(target)
        for directory in (target.parent, self.root):
            _sync_directory(directory)


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
