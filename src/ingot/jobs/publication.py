"""Publish an image, or remove what an unfinished publication has left: `python -m ingot.jobs.publication ATTEMPT
FILE`.

The program opens the account's secrets itself: they are in no argument, no file and no environment.
"""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from ingot.jobs.job import Job, Workplace
from ingot.jobs.progress import Progress, finish
from ingot.process import die_with_parent
from ingot.publish.target import Journal, PublishError, Source, Target
from ingot.publish.targets import target_of
from ingot.services import cloud_accounts, publications
from ingot.services.attempts import LostAttemptError
from ingot.services.secrets import Vault, vault
from ingot.settings import Settings
from ingot.store.database import Database
from ingot.store.tables import Attempt, Publication

_COMMAND = (sys.executable, "-m", "ingot.jobs.publication")
_NOTE_SECONDS = 0.5


class PublicationJob(Job):
    """Publishes images."""

    kind: ClassVar[str] = publications.JOB

    def slots(self, settings: Settings) -> int:
        """As many as the operator allows: they wait for the network, not for the processor."""
        return max(1, settings.parallel_publications)

    def command(self, session: Session, place: Workplace) -> Sequence[str] | None:
        """This module."""
        row = _wanted(session, place)
        if row is None:
            return None
        file = place.scratch / "image"
        if row.image is not None and row.image.sha256 is not None:
            place.need(row.image.sha256, file)
        return [*_COMMAND, str(place.attempt.id), str(file)]

    def keep(self, session: Session, place: Workplace, result: dict[str, Any]) -> set[str]:
        """Enter the cloud's name of the image."""
        row = _wanted(session, place)
        if row is None:
            raise LostAttemptError
        publications.complete(session, row, result)
        return set()


class PublicationCleanup(Job):
    """Removes what unfinished publications have left at clouds."""

    kind: ClassVar[str] = publications.CLEANUP

    def enqueue_due(self, session: Session, settings: Settings) -> None:
        """Everything that was given up and left something."""
        del settings
        publications.enqueue_cleanups(session)

    def command(self, session: Session, place: Workplace) -> Sequence[str] | None:
        """This module."""
        row = session.get(Publication, place.attempt.subject_id)
        if row is None or row.journal is None:
            return None
        return [*_COMMAND, str(place.attempt.id), os.devnull]  # nothing is sent any more


def _wanted(session: Session, place: Workplace) -> Publication | None:
    row = place.subject(session, Publication)
    return row if row is not None and row.deleted is None else None


class _Work:
    """One attempt, from inside its program."""

    def __init__(self, attempt_id: int, file: Path) -> None:
        self._settings = Settings()
        self._database = Database(self._settings.database)
        self._vault: Vault = vault(self._settings)
        self._attempt_id, self._file = attempt_id, file
        self._say = Progress()
        self._noted = 0.0
        with self._database.transaction(read_only=True) as session:
            attempt = session.get_one(Attempt, attempt_id)
            self.kind, self._token = attempt.kind, attempt.token or ""
            self._publication_id = attempt.subject_id

    def target(self) -> Target[Any, Any]:
        """The publication's target, ready to go on where the journal says."""
        with self._database.transaction(read_only=True) as session:
            row = session.get_one(Publication, self._publication_id)
            if row.account is None:
                raise PublishError("The account of the publication is gone.")
            message = publications.message_of(row)
            source = self._source(row)
            account = cloud_accounts.revealed(self._vault, row.account)
            state = publications.read_journal(self._vault, row)
        return target_of(message)(account, message, source, Journal(state, self._keep, self._report))

    def _source(self, row: Publication) -> Source:
        image = row.image
        if image is None:
            if self.kind != publications.CLEANUP:
                raise PublishError("The image of the publication is gone.")
            return Source(self._file, "image", 0, "", "", "", "", "")
        return Source(
            file=self._file,
            file_name=image.file_name or "image",
            size=image.size or 0,
            sha256=image.sha256 or "",
            format=image.target_format.format,
            name=image.name,
            version=image.version,
            arch=image.appliance.distribution.arch,
        )

    def _keep(self, state: dict[str, Any]) -> None:
        with self._database.transaction() as session:
            publications.write_journal(
                session, self._vault, self._publication_id, self._attempt_id, self._token, state
            )

    def _report(self, done: int, total: int, message: str) -> None:
        self._say("upload", 100 * done // max(1, total), f"{message} ({done >> 20} of {total >> 20} MB)")
        now = time.monotonic()
        if now - self._noted >= _NOTE_SECONDS or done == total:
            self._noted = now
            with self._database.transaction() as session:
                publications.note_progress(session, self._publication_id, self._attempt_id, self._token, done, total)


def main(attempt_id: int, file: Path) -> int:
    """Publish, or remove what was left."""
    die_with_parent()
    work = _Work(attempt_id, file)
    try:
        target = work.target()
        if work.kind == publications.CLEANUP:
            target.abort()
            return finish()
        return finish(result=asdict(target.run()))
    except PublishError as error:
        return finish(error.message, error.detail)
    except LostAttemptError:
        return finish("The publication belongs to another worker now.")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2])))
