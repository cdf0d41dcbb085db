"""What a kind of job is to the worker: the program that works on an attempt, and what is kept of what it made."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from sqlalchemy.orm import Session

from ingot.services.attempts import LostAttemptError
from ingot.settings import Settings
from ingot.store.artifacts import ArtifactStore
from ingot.store.tables import Attempt


class JobError(Exception):
    """What a program made cannot be kept: the attempt fails with this message."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class Subject(Protocol):
    """A row that attempts work on, one at a time."""

    @property
    def attempt_id(self) -> int | None:
        """The attempt that works on it now."""


_S = TypeVar("_S", bound=Subject)


@dataclass(frozen=True)
class Workplace:
    """Where one attempt is worked on: its `scratch` directory is there before its program starts, on the file system
    of the artifacts, and is removed after its end."""

    attempt: Attempt
    scratch: Path
    artifacts: ArtifactStore
    settings: Settings
    secret: bytes
    #: The contents that the program needs as files, by where it needs them.
    needs: dict[Path, str] = field(default_factory=dict)

    @property
    def kept(self) -> Path:
        """Where a job puts what a failed attempt leaves that is worth keeping; it is there until that is entered."""
        return self.scratch.with_name(f"{self.scratch.name}.kept")

    def need(self, sha256: str, path: Path) -> Path:
        """Have a content as a file at this path when the program starts; returns the path."""
        self.needs[path] = sha256
        return path

    def subject(self, session: Session, table: type[_S]) -> _S | None:
        """What the attempt works on; None when it is gone or another attempt has taken its place."""
        row = session.get(table, self.attempt.subject_id)
        return row if row is not None and row.attempt_id == self.attempt.id else None

    def required_subject(self, session: Session, table: type[_S]) -> _S:
        """What the attempt works on. Raises LostAttemptError when that is gone or another attempt has its place."""
        row = self.subject(session, table)
        if row is None:
            raise LostAttemptError
        return row


class Job(ABC):
    """A kind of job.

    Its program says what it does in JSON lines on standard output: {"stage", "percentage", "message"} for progress,
    and at its end either {"result": {…}} or {"error": message, "detail": text}. It is started again from the
    beginning when its worker was lost.
    """

    kind: ClassVar[str]

    def slots(self, settings: Settings) -> int:
        """How many of the kind a worker does at once."""
        del settings
        return 1

    def enqueue_due(self, session: Session, settings: Settings) -> None:
        """Put into the queue what is due without being asked for; called every few seconds by one worker at a time."""
        del session, settings

    @abstractmethod
    def command(self, session: Session, place: Workplace) -> Sequence[str] | None:
        """The program that does it; None when nobody wants its result any more."""

    def check(self, place: Workplace, result: dict[str, Any]) -> None:
        """Look at what the program says that it made. Raises JobError when that is not so."""
        del place, result

    def contents(self, place: Workplace, result: dict[str, Any]) -> Mapping[str, Path]:
        """The files that the program made and `keep` refers to, by their hashes: they are in the store, or on their
        way with the same transaction, when that is called, and also where they are now."""
        del place, result
        return {}

    def keep(self, session: Session, place: Workplace, result: dict[str, Any]) -> set[str]:
        """Enter what the program made, in the transaction that ends the attempt; returns the hashes of contents that
        nothing may need any more. May be called again when the commit failed. Raises ServiceError or JobError when it
        cannot be entered, LostAttemptError when nobody wants it."""
        del session, place, result
        return set()

    def salvage(self, place: Workplace) -> None:
        """Move what a failed attempt leaves to `place.kept`, before its scratch directory is removed."""
        del place

    def failure_contents(self, place: Workplace) -> Mapping[str, Path]:
        """The files among what was salvaged that `keep_failure` refers to, as `contents` has them."""
        del place
        return {}

    def keep_failure(self, session: Session, place: Workplace) -> None:
        """Enter what was salvaged, in the transaction that ends a failed attempt. May be called again when the commit
        failed."""
        del session, place

    def leftovers(self, session: Session, place: Workplace) -> set[str]:
        """The hashes of the contents that an attempt, which is over, needed and perhaps nothing else does."""
        del session, place
        return set()
