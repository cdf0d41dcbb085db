"""What every target has in common: what it is given, how it says where it is, and how it picks up after a crash."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

from ingot.messages.account import CredAccount
from ingot.messages.image import PublishImage
from ingot.messages.resources import CloudResources

#: What the tag of everything we make at a target begins with.
TAG = "ingot"
#: Large enough for few requests, small enough to lose little when a line breaks.
PART_SIZE = 16 << 20
_A = TypeVar("_A", bound=CredAccount)
_P = TypeVar("_P", bound=PublishImage)


class PublishError(Exception):
    """The target refused, or a field is missing: `message` is for people and has the target's own words, `detail`
    is whatever else it said.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.message, self.detail = message, detail


@dataclass(frozen=True)
class Source:
    """The image to publish: `file` of `size` bytes in the image format `format`, called `file_name` where it is
    downloaded; `arch` as in `x86_64`.
    """

    file: Path
    file_name: str
    size: int
    sha256: str
    format: str
    name: str
    version: str
    arch: str

    @property
    def title(self) -> str:
        """Name and version, for descriptions."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class Published:
    """What came of it: the target's own id of the image, and where it is."""

    cloud_id: str
    location: str = ""


@dataclass
class Journal:
    """The progress of one publication, which outlives the process that works on it.

    `state` holds whatever a target needs to go on after a crash, or to remove what it began. It is kept by `save`
    before anything is made that it names, and `report` says how many bytes of how many have arrived.
    """

    state: dict[str, Any] = field(default_factory=dict)
    on_save: Callable[[dict[str, Any]], None] = lambda _state: None
    on_progress: Callable[[int, int, str], None] = lambda _done, _total, _message: None

    def save(self, **changes: Any) -> None:
        """Change the state and keep it."""
        self.state.update(changes)
        self.on_save(self.state)

    def forget(self) -> None:
        """There is nothing to go on with or to remove any more."""
        self.state.clear()
        self.on_save(self.state)

    def finish(self, published: Published) -> None:
        """Nothing is half done any more."""
        self.state.clear()
        self.save(published=[published.cloud_id, published.location])

    def report(self, done: int, total: int, message: str) -> None:
        """Say how many bytes of how many have arrived."""
        self.on_progress(done, total, message)


class Target(ABC, Generic[_A, _P]):
    """One publication at one target."""

    def __init__(self, account: _A, image: _P, source: Source, journal: Journal) -> None:
        self.account, self.image, self.source, self.journal = account, image, source, journal

    def run(self) -> Published:
        """Publish, unless that was done already by a process that ended before it could say so."""
        if "published" in self.journal.state:
            return Published(*self.journal.state["published"])
        published = self.publish()
        self.journal.finish(published)
        return published

    @abstractmethod
    def publish(self) -> Published:
        """Upload and register the image; goes on where the journal's state says. Raises PublishError."""

    @abstractmethod
    def abort(self) -> None:
        """Remove what an unfinished publication has left at the target, as the journal's state says."""

    def resources(self) -> CloudResources | None:
        """What the account can see and a publication may choose from; None where there is nothing to choose."""
        return None


class Upload:
    """A file as the stream that client libraries read: counts what they take, and may begin in the middle."""

    def __init__(self, file: IO[bytes], size: int, on_read: Callable[[int], None]) -> None:
        self._file, self._size, self._on_read = file, size, on_read
        self.name = str(file.name)

    def __len__(self) -> int:
        return self._size

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        chunk = self._file.read(min(size, 1 << 20) if size and size > 0 else self._size)
        self._on_read(self._file.tell())
        return chunk

    def seek(self, position: int, whence: int = 0) -> int:
        """Go elsewhere: a library that tries again begins anew."""
        return self._file.seek(position, whence)

    def tell(self) -> int:
        """Where the next read begins."""
        return self._file.tell()

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read(1 << 20):
            yield chunk


@contextmanager
def uploading(source: Source, journal: Journal, message: str) -> Iterator[Upload]:
    """The source's file as a stream whose progress is reported."""
    with source.file.open("rb") as file:
        yield Upload(file, source.size, lambda done: journal.report(done, source.size, message))


def parts(size: int, part_size: int = PART_SIZE, start: int = 0) -> Iterator[tuple[int, int]]:
    """(position, bytes) of each piece of a file, from `start` on."""
    for position in range(start, size, part_size):
        yield position, min(part_size, size - position)
