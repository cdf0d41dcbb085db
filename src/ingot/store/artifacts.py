"""Artifacts: immutable files named by their SHA-256."""

import contextlib
import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

#: A place for artifacts that is away is tried again for so many seconds where nobody waits for an answer.
PATIENCE_SECONDS = 300.0


class ArtifactError(Exception):
    """An artifact could not be stored or read; the text says why and what to do."""


class StoreAwayError(ArtifactError):
    """The place where artifacts are kept cannot be reached or used at this moment, or as it is set up."""


class NotReachedError(StoreAwayError):
    """No request got to the place where artifacts are kept: nothing of what was asked for can still happen there."""


class TransferStoppedError(Exception):
    """Whoever follows a transfer has stopped it."""


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
    """An artifact that comes over a long time: it is stored by `keep`, and gone if that is never called.

    Where contents lie elsewhere, `keep` has nothing to do: the file was sent there before.
    """

    def __init__(self, file: IO[bytes], place: Callable[[Path, str], Path] | None) -> None:
        super().__init__(file)
        self._place = place
        self.is_kept = False
        self.path = Path(file.name)

    def keep(self) -> StoredArtifact:
        """Store what was written; raises ArtifactError when the disk is full."""
        artifact = self.result()
        if self._place is not None:
            self.sync()
            try:
                self.path = self._place(self.path, artifact.sha256)
            except OSError as error:
                raise _storage_error(self.path, self.size, error) from error
        self.is_kept = True
        return artifact


def _storage_error(file: Path, needed: int, error: OSError) -> ArtifactError:
    free = shutil.disk_usage(file.parent).free
    return ArtifactError(
        f"The file could not be stored ({error.strerror}): it needs at least {needed} bytes, and {free} bytes are "
        "free. Make room in the data directory, then try again."
    )


class Course:
    """How far the transfer of contents is, for whoever follows it from another thread and may stop it."""

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self.total, self.done = 0, 0
        #: Seconds for which what is away is tried again without getting further.
        self.patience = patience
        #: Why it does not get further at this moment.
        self.trouble = ""
        self._stopping = threading.Event()
        self._lock = threading.Lock()

    def add(self, size: int) -> None:
        """So many bytes more are there, or less after a failed try."""
        with self._lock:
            self.done += size

    def expect(self, size: int) -> None:
        """So many bytes more are to come."""
        with self._lock:
            self.total += size

    def stop(self) -> None:
        """Have it end soon with TransferStoppedError."""
        self._stopping.set()

    def check(self) -> None:
        """Raises TransferStoppedError when it is to end."""
        if self._stopping.is_set():
            raise TransferStoppedError

    def pause(self, seconds: float) -> None:
        """Wait, unless it is to end."""
        self._stopping.wait(seconds)
        self.check()


class ArtifactStore(Protocol):
    """Where artifacts are kept.

    Where contents lie elsewhere (`is_remote`), they are sent before the transaction that refers to them, and removed
    after the one that has dropped them; `services.deliveries` and `services.artifacts` see to that.
    """

    @property
    def is_remote(self) -> bool:
        """Whether contents are not files of this machine."""
        ...

    def draft(self) -> AbstractContextManager[ArtifactDraft]:
        """A context whose draft's content is stored by its `keep`."""
        ...

    def adopt(self, file: Path, sha256: str) -> None:
        """Take over a finished, synced file whose hash is known: it is moved. Nothing to do where it was sent."""
        ...

    def send(self, files: Mapping[str, Path], course: Course) -> None:
        """Send files, by their hashes, to where contents lie. Raises ArtifactError, TransferStoppedError."""
        ...

    def bring(self, wanted: Mapping[Path, str], course: Course) -> None:
        """Have contents, by their hashes, as files at these paths. Raises ArtifactError, TransferStoppedError."""
        ...

    def file(self, sha256: str) -> Path:
        """The file of a content on this machine; only where contents are files of this machine."""
        ...

    def address(self, sha256: str, disposition: str | None, media_type: str) -> str:
        """Where anybody can fetch a content for a short time; only where contents lie elsewhere."""
        ...

    def read(self, sha256: str) -> bytes:
        """A small content. Raises ArtifactError."""
        ...

    def contains(self, sha256: str) -> bool:
        """Whether a content is there."""
        ...

    def remove_all(self, hashes: Collection[str]) -> None:
        """Remove contents; downloads that have them open go on. Raises ArtifactError."""
        ...

    def older_than(self, seconds: int, prefix: str) -> set[str]:
        """The hashes that begin with these two characters and were stored more than `seconds` ago."""
        ...

    def remove_leftovers(self, seconds: int, claimed: Callable[[set[str]], set[str]]) -> None:
        """Remove what a killed process was storing and that has not grown for so many seconds; `claimed` says which
        hashes of some are still being sent."""
        ...


class Incoming:
    """The directory of files that are being written."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def draft(self, place: Callable[[Path, str], Path] | None) -> Iterator[ArtifactDraft]:
        """Write a new file, which is gone when the context ends unless it was put in its place."""
        with tempfile.NamedTemporaryFile(dir=self._directory, delete=False, buffering=0) as file:
            draft = ArtifactDraft(file, place)
            try:
                yield draft
            finally:
                if place is None or not draft.is_kept:
                    Path(file.name).unlink(missing_ok=True)

    def remove_leftovers(self, seconds: int) -> None:
        """Remove files that a killed process was writing and that have not grown for so many seconds."""
        limit = time.time() - seconds
        for file in self._directory.iterdir():
            # Another process may remove or finish it at the same moment.
            with contextlib.suppress(FileNotFoundError):
                if file.stat().st_mtime < limit:
                    file.unlink()


class LocalArtifacts:
    """Artifacts as files below a directory, in 256 subdirectories."""

    is_remote = False

    def __init__(self, root: Path) -> None:
        self.root = root
        self._incoming = Incoming(root / "incoming")

    @contextmanager
    def writer(self) -> Iterator[ArtifactWriter]:
        """Write a new artifact: stored when the context ends well, gone when it does not."""
        with self.draft() as draft:
            yield draft
            draft.keep()

    def draft(self) -> AbstractContextManager[ArtifactDraft]:
        """Write a new artifact that its `keep` stores: gone when the context ends without."""
        return self._incoming.draft(self._place)

    def adopt(self, file: Path, sha256: str) -> None:
        """Take over a finished, synced file of the same file system."""
        self._place(file, sha256)

    def send(self, files: Mapping[str, Path], course: Course) -> None:
        """Nothing: files are adopted."""

    def bring(self, wanted: Mapping[Path, str], course: Course) -> None:
        """Links, which cost nothing."""
        del course
        for link, sha256 in wanted.items():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(self.path(sha256))

    def path(self, sha256: str) -> Path:
        """The file of a content."""
        return self.root / sha256[:2] / sha256

    def file(self, sha256: str) -> Path:
        """The file of a content."""
        return self.path(sha256)

    def address(self, sha256: str, disposition: str | None, media_type: str) -> str:
        """Nobody else can fetch our files."""
        raise NotImplementedError("files of this machine have no address of their own")

    def read(self, sha256: str) -> bytes:
        """The content of a file."""
        return self.path(sha256).read_bytes()

    def contains(self, sha256: str) -> bool:
        """Whether the file is there."""
        return self.path(sha256).exists()

    def remove(self, sha256: str) -> None:
        """Remove a content; what has it open goes on reading."""
        self.path(sha256).unlink(missing_ok=True)

    def remove_all(self, hashes: Collection[str]) -> None:
        """Remove contents; what has them open goes on reading."""
        for sha256 in sorted(hashes):
            self.remove(sha256)

    def older_than(self, seconds: int, prefix: str) -> set[str]:
        """The hashes that begin with these two characters and were stored more than `seconds` ago."""
        directory, limit = self.root / prefix, time.time() - seconds
        if not directory.is_dir():
            return set()
        with os.scandir(directory) as entries:
            return {entry.name for entry in entries if entry.stat().st_mtime < limit}

    def remove_leftovers(self, seconds: int, claimed: Callable[[set[str]], set[str]] = lambda _: set()) -> None:
        """Remove files that a killed process was writing and that have not grown for so many seconds."""
        del claimed
        self._incoming.remove_leftovers(seconds)

    def _place(self, file: Path, sha256: str) -> Path:
        target = self.path(sha256)
        target.parent.mkdir(exist_ok=True)
        file.chmod(0o600)
        file.rename(target)
        for directory in (target.parent, self.root):
            _sync_directory(directory)
        return target


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
