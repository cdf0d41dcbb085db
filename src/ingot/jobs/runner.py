"""Carry out one claimed attempt."""

import errno
import re
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from ingot.build.errors import DiskFullError
from ingot.build.request import ENGINE_COMMAND
from ingot.jobs.child import Child
from ingot.jobs.job import JobError, Workplace
from ingot.jobs.kinds import JOBS
from ingot.logs import Log
from ingot.services import artifacts, attempts, evidence
from ingot.services.attempts import LostAttemptError
from ingot.services.claims import ClaimLostError
from ingot.services.deliveries import Beat, Delivery, carry
from ingot.services.errors import ServiceError
from ingot.settings import Settings
from ingot.store.artifacts import ArtifactError, ArtifactStore, Course
from ingot.store.database import ARTIFACT_LOCK, Database
from ingot.store.tables import Attempt

_log = Log()
_POLL_SECONDS = 0.1
_REPORT_SECONDS = 0.5
_RETRY_SECONDS = 1.0
_UNPRINTABLE = re.compile(r"\x1b\[[0-9;]*m|[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_LONGEST_ERROR, _LONGEST_DETAIL = 4_000, 64_000
_T = TypeVar("_T")
#: What a database raises that is away for a moment, or whose disk is full.
_DATABASE_IS_AWAY = (OperationalError, InterfaceError)


@dataclass(frozen=True)
class Outcome:
    """How the work on an attempt ended: the attempt's new state, and what there is to say or to keep."""

    state: str
    error: str = ""
    detail: str = ""
    result: dict[str, Any] | None = None


_CANCELLED = Outcome("cancelled")
_HANDED_BACK = Outcome("queued")


class _EarlyError(Exception):
    """A transfer has to stop before its end."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.state)
        self.outcome = outcome


class Runner:
    """One attempt from its claim to its end, in a thread of its own."""

    def __init__(
        self, attempt: Attempt, database: Database, store: ArtifactStore, settings: Settings, secret: bytes
    ) -> None:
        self.attempt = attempt
        self.stopping = threading.Event()
        self._database, self._settings = database, settings
        self._token = attempt.token or ""
        self.scratch = evidence.scratch_directory(settings, attempt.id, self._token)
        self._job = JOBS[attempt.kind]
        self._place = Workplace(attempt, self.scratch, store, settings, secret)
        self._delivery = Delivery(database, store, {})
        self._percentage = 0
        self._log_file = settings.directory / "logs" / f"attempt-{attempt.id}.log"

    def run(self) -> None:
        """Do the work and note how it ended. Whatever was done for an attempt that got lost is thrown away."""
        log = _log.bind(attempt=self.attempt.id, kind=self.attempt.kind, subject=self.attempt.subject_id)
        log.info("attempt started")
        try:
            outcome = self._outcome()
            if outcome.result is None:
                # First the files, then the word: who reads "cancelled" finds nothing left, and on a full disk the
                # word needs the room.
                self._clear(outcome)
            self._settle(outcome)
            log.info("attempt ended", outcome=outcome.state, error=outcome.error)
        except LostAttemptError:
            log.warning("attempt was taken over; its work is void")
        except Exception as error:
            # Nothing is noted: the attempt's lease runs out, and it is tried again or shown as failed.
            log.exception("attempt could not be settled", exc_info=error)
        finally:
            self._delivery.close()
            remove_scratch(self.scratch)
            remove_scratch(self._place.kept)

    def _clear(self, outcome: Outcome) -> None:
        """Remove the files of an attempt that made nothing, but for what says why it failed."""
        if outcome.state == "failed":
            try:
                self._job.salvage(self._place)
            except OSError as error:
                _log.warning("the log of an attempt is lost", attempt=self.attempt.id, error=str(error))
        remove_scratch(self.scratch)

    def _outcome(self) -> Outcome:
        try:
            self.scratch.mkdir(parents=True)
            return self._work()
        except LostAttemptError:
            raise
        except _EarlyError as early:
            return early.outcome
        except ServiceError as error:
            return Outcome("failed", error.message)
        except ArtifactError as error:
            return Outcome("failed", str(error))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                full = DiskFullError.at(self._settings.directory, "The work could not go on")
                return Outcome("failed", full.message)
            _log.exception("attempt failed", attempt=self.attempt.id, exc_info=error)
            return Outcome("failed", f"The worker failed: {error}.")
        except Exception as error:
            _log.exception("attempt failed unexpectedly", attempt=self.attempt.id, exc_info=error)
            return Outcome("failed", "The worker failed unexpectedly; the server's log says more.", repr(error))

    def _work(self) -> Outcome:
        argv = self._persistently(lambda session: self._job.command(session, self._place))
        if argv is None:
            return _CANCELLED
        self._bring()
        child = Child(argv, self._log_file)
        said: dict[str, Any] = {}
        try:
            early = self._follow(child, said)
        except BaseException:
            child.stop()
            raise
        if early is not None:
            child.stop()
            return early
        status = child.wait()
        if "error" in said or "result" not in said:
            default = (
                f"The program ended with status {status} and without a word. The machine may be short of memory; "
                f"the log is {self._log_file.name} in the data directory."
            )
            return Outcome("failed", str(said.get("error") or default), str(said.get("detail") or ""))
        try:
            self._job.check(self._place, said["result"])
        except JobError as error:
            return Outcome("failed", error.message, error.detail)
        return Outcome("done", result=said["result"])

    def _follow(self, child: Child, said: dict[str, Any]) -> Outcome | None:
        """Pass on what the child says; returns an outcome when it has to stop before its end."""
        progress: dict[str, str | int] = {}
        reported = 0.0
        for document in child.documents(_POLL_SECONDS):
            if document is not None and "stage" in document:
                self._percentage = max(0, min(99, int(document["percentage"])))
                progress = {
                    "stage": str(document["stage"]),
                    "percentage": self._percentage,
                    "message": _printable(str(document["message"]), _LONGEST_ERROR),
                }
            elif document is not None:
                said.update(document)
            early = self._early(look=document is None)
            if early is not None:
                return early
            if time.monotonic() - reported >= _REPORT_SECONDS:
                reported = time.monotonic()
                if self._report(progress):
                    progress = {}
        return None

    def _early(self, *, look: bool = True) -> Outcome | None:
        """An outcome when the work has to stop before its end; a cancel is seen when we `look` for it."""
        if self.stopping.is_set():
            return _HANDED_BACK
        try:
            if look:
                with self._database.transaction(read_only=True) as session:
                    if attempts.is_cancel_requested(session, self.attempt.id):
                        return _CANCELLED
        except _DATABASE_IS_AWAY:
            pass  # the report says so
        return None

    def _report(self, progress: dict[str, str | int]) -> bool:
        """Extend the lease and note progress; returns whether the database took it."""
        try:
            with self._database.transaction() as session:
                attempts.report(session, self.attempt.id, self._token, self._settings.lease_seconds, progress)
        except _DATABASE_IS_AWAY as error:
            # The work goes on; whether it still counts is seen when the database is back.
            _log.warning("progress could not be reported", attempt=self.attempt.id, error=str(error.orig))
            return False
        return True

    def _bring(self) -> None:
        """Have what the program needs in its place."""
        store, needs = self._place.artifacts, self._place.needs
        if store.is_remote and needs:
            carry(lambda course: store.bring(needs, course), self._beat("fetch", "Fetching what is needed", (0, 5)))
        else:
            store.bring(needs, Course())

    def _deliver(self, files: Mapping[str, Path]) -> None:
        """Send files to where contents are kept."""
        self._delivery.close()
        self._delivery = Delivery(self._database, self._place.artifacts, files)
        self._delivery.send(self._beat("upload", "Storing the result", (self._percentage, 99)))

    def _beat(self, stage: str, words: str, percentages: tuple[int, int]) -> Beat:
        """Follows a transfer as `_follow` does a program."""
        reported, most = 0.0, 0

        def beat(course: Course) -> None:
            nonlocal reported, most
            early = self._early()
            if early is not None:
                raise _EarlyError(early)
            if time.monotonic() - reported < _REPORT_SECONDS:
                return
            reported, most = time.monotonic(), max(most, min(course.done, course.total))
            first, last = percentages
            message = f"{words} ({most >> 20} of {course.total >> 20} MB)"
            if course.trouble:
                message += f". It is tried again: {course.trouble}"
            percentage = first + (last - first) * most // max(1, course.total)
            self._report({"stage": stage, "percentage": percentage, "message": _printable(message, _LONGEST_ERROR)})

        return beat

    def _settle(self, outcome: Outcome) -> None:
        """Note the outcome; work that cannot be entered as it is has failed after all."""
        outcome = self._delivered(outcome)
        while True:
            try:
                leftovers = self._persistently(lambda session, known=outcome: self._note(session, known))  # type: ignore[misc]
                break
            except ClaimLostError:
                outcome = self._delivered(outcome)
            except (ServiceError, JobError) as error:
                failed = Outcome("failed", error.message, error.detail if isinstance(error, JobError) else "")
                outcome = self._failed(failed)
        if leftovers:
            artifacts.sweep(self._database, self._place.artifacts, leftovers)

    def _delivered(self, outcome: Outcome) -> Outcome:
        """The outcome, once what is to be kept of it is where contents are kept; another one when that cannot be."""
        try:
            if outcome.state == "done" and outcome.result is not None:
                self._deliver(self._job.contents(self._place, outcome.result))
            elif outcome.state == "failed":
                self._deliver(self._job.failure_contents(self._place))
        except _EarlyError as early:
            if outcome.state == "done":
                self._clear(early.outcome)
                return early.outcome
            self._lose_record("there was no time to store it")
        except ArtifactError as error:
            if outcome.state == "done":
                return self._failed(Outcome("failed", str(error)))
            self._lose_record(str(error))
        return outcome

    def _failed(self, outcome: Outcome) -> Outcome:
        """What was done has failed after all."""
        self._clear(outcome)
        return self._delivered(outcome)

    def _lose_record(self, why: str) -> None:
        # That the attempt failed is worth more than its log.
        _log.warning("the log of an attempt is lost", attempt=self.attempt.id, error=why)
        self._delivery.close()
        self._delivery = Delivery(self._database, self._place.artifacts, {})
        remove_scratch(self._place.kept)

    def _note(self, session: Session, outcome: Outcome) -> set[str]:
        """Returns the hashes of contents that may be needed no more."""
        if outcome.state == "queued":
            attempts.hand_back(session, self.attempt.id, self._token)
            return set()
        self._database.exclude_others(session, ARTIFACT_LOCK)
        # The token is checked before anything becomes visible, and in the same transaction.
        cancelled = attempts.report(session, self.attempt.id, self._token, self._settings.lease_seconds)
        state = "cancelled" if cancelled else outcome.state
        leftovers: set[str] = set()
        self._delivery.is_entered = False
        if state == "done" and outcome.result is not None:
            leftovers = self._job.keep(session, self._place, outcome.result)
            self._delivery.enter(session)
        elif state == "failed":
            self._keep_failure(session)
        attempts.finish(
            session,
            self.attempt.id,
            self._token,
            state,
            message=state.capitalize(),
            error=_printable(outcome.error, _LONGEST_ERROR) if state == "failed" else None,
            detail=_printable(outcome.detail, _LONGEST_DETAIL) if state == "failed" else None,
        )
        return leftovers | self._job.leftovers(session, self._place)

    def _keep_failure(self, session: Session) -> None:
        try:
            self._job.keep_failure(session, self._place)
            self._delivery.enter(session)
        except OSError as error:
            # That the attempt failed is worth more than its log.
            _log.warning("the log of an attempt is lost", attempt=self.attempt.id, error=str(error))

    def _persistently(self, work: Callable[[Session], _T]) -> _T:
        """Do work in a transaction, again and again while the database is away; not when the worker stops."""
        while True:
            try:
                with self._database.transaction() as session:
                    return work(session)
            except _DATABASE_IS_AWAY as error:
                if self.stopping.is_set():
                    raise
                _log.warning("the database is away", attempt=self.attempt.id, error=str(error.orig))
                self.stopping.wait(_RETRY_SECONDS)


def remove_scratch(path: Path) -> None:
    """Remove a scratch directory, which may hold files of subordinate users and of programs that are just ending."""
    for _ in range(5):
        if not path.exists():
            return
        # rm(1) is several times as fast as we are, and the engine also removes what belongs to subordinate users.
        for argv in (["rm", "-rf", "--", str(path)], [*ENGINE_COMMAND, "remove", str(path)]):
            done = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, capture_output=True)
            if done.returncode == 0:
                return
        time.sleep(0.2)
    _log.error("a scratch directory could not be removed", path=str(path))


def _printable(text: str, longest: int) -> str:
    """Text that any database and XML can hold; of too much, the end."""
    return _UNPRINTABLE.sub("", text)[-longest:]
