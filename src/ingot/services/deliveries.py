"""Files on their way into the store: sent before the transaction that refers to them, and theirs from then on."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from ingot.logs import Log
from ingot.services import claims
from ingot.services.artifacts import sweep
from ingot.store.artifacts import PATIENCE_SECONDS, ArtifactStore, Course
from ingot.store.database import Database

_log = Log()
_POLL_SECONDS = 0.1
_RENEW_SECONDS = claims.CLAIM_SECONDS / 10
_DATABASE_IS_AWAY = (OperationalError, InterfaceError)

#: Looks several times per second at how far a transfer is; what it raises ends the transfer.
Beat = Callable[[Course], None]


def carry(work: Callable[[Course], None], beat: Beat, patience: float = PATIENCE_SECONDS) -> None:
    """Do what takes long in a thread of its own, followed by `beat` in this one."""
    course, failures = Course(patience), list[BaseException]()

    def run() -> None:
        try:
            work(course)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, name="transfer")
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_POLL_SECONDS)
            beat(course)
    except BaseException:
        course.stop()
        raise
    finally:
        thread.join()
    if failures:
        raise failures[0]


class Delivery:
    """Some files by their hashes: sent, then entered together with what refers to them, or swept when that never
    comes. To be closed at its end."""

    def __init__(self, database: Database, artifacts: ArtifactStore, files: Mapping[str, Path]) -> None:
        self._database, self._artifacts, self._files = database, artifacts, files
        self._holder: str | None = None
        #: Whether a transaction refers to the files: then closing removes nothing.
        self.is_entered = False

    def send(self, beat: Beat, patience: float = PATIENCE_SECONDS) -> None:
        """Send the files, where contents lie elsewhere. Raises ArtifactError, and what `beat` raises."""
        if not self._artifacts.is_remote or not self._files:
            return
        self._release()
        self._holder = holder = claims.claim(self._database, self._files)
        renewed = time.monotonic()

        def follow(course: Course) -> None:
            nonlocal renewed
            if time.monotonic() - renewed > _RENEW_SECONDS:
                renewed = time.monotonic()
                try:
                    with self._database.transaction() as session:
                        claims.renew(session, holder)
                except _DATABASE_IS_AWAY as error:
                    # Nobody can sweep either; whether the claim still holds is seen in the end.
                    _log.warning("a claim could not be renewed", error=str(error.orig))
            beat(course)

        carry(lambda course: self._artifacts.send(self._files, course), follow, patience)

    def enter(self, session: Session) -> None:
        """Make the files contents of the store, in the transaction, with the lock, that refers to them. May be called
        again when the commit failed. Raises ClaimLostError when they have to be sent once more."""
        if self._artifacts.is_remote:
            if self._files:
                claims.require(session, self._holder or "", len(self._files))
            self.is_entered = True
            return
        for sha256, file in self._files.items():
            # A second name for the file: it has to be there when the transaction is tried again.
            adopted = file.with_name(f"{file.name}.adopted")
            adopted.unlink(missing_ok=True)
            os.link(file, adopted)
            self._artifacts.adopt(adopted, sha256)
        self.is_entered = True

    def close(self) -> None:
        """Nothing is on its way any more; what nothing refers to is removed."""
        was_sent = self._holder is not None
        try:
            self._release()
            if was_sent and not self.is_entered:
                sweep(self._database, self._artifacts, set(self._files))
        except _DATABASE_IS_AWAY as error:
            _log.warning("a claim runs out by itself", error=str(error.orig))

    def _release(self) -> None:
        if self._holder is not None:
            with self._database.transaction() as session:
                claims.release(session, self._holder)
            self._holder = None
