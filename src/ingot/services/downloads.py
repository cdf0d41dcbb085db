"""Downloads under way: counted in the database, so that limits hold for all processes of all machines together.

A download is counted while its lease lasts. Its process renews that; what a killed process leaves ends by itself.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from ingot.services.errors import TooManyError
from ingot.store.base import now
from ingot.store.database import DOWNLOAD_LOCK, Database
from ingot.store.tables import Download

LEASE_SECONDS = 30


@dataclass(frozen=True)
class Subject:
    """Which object is downloaded, and whose it is."""

    kind: str
    object_id: int
    owner_id: int


@dataclass(frozen=True)
class Counts:
    """How many downloads of an object, and of a user's objects, are under way."""

    of_object: int
    of_owner: int


def begin(
    database: Database, session: Session, subject: Subject, most_of_object: int | None, most_of_owner: int | None
) -> tuple[int, Counts]:
    """Enter a download; returns its id and how many there are with it. Raises TooManyError."""
    database.exclude_others(session, DOWNLOAD_LOCK)
    session.execute(delete(Download).where(Download.lease_until < now()))
    there = count(session, subject)
    if most_of_object is not None and there.of_object >= most_of_object:
        raise TooManyError(
            f"{most_of_object} downloads of this file are under way, and no more are allowed at once. Try again when "
            "one of them has ended.",
            str(most_of_object),
            message_id="ERROR.DOWNLOAD.TOO_MANY",
        )
    if most_of_owner is not None and there.of_owner >= most_of_owner:
        raise TooManyError(
            f"{most_of_owner} downloads of this user are under way, and no more are allowed at once. Try again when "
            "one of them has ended.",
            str(most_of_owner),
            message_id="ERROR.DOWNLOAD.TOO_MANY",
        )
    row = Download(kind=subject.kind, object_id=subject.object_id, owner_id=subject.owner_id, lease_until=_lease())
    session.add(row)
    session.flush()
    return row.id, Counts(there.of_object + 1, there.of_owner + 1)


def count(session: Session, subject: Subject) -> Counts:
    """How many downloads are under way now."""
    return counts(session, [subject])[subject]


def counts(session: Session, subjects: Collection[Subject]) -> dict[Subject, Counts]:
    """How many downloads are under way now, for each subject."""
    alive = Download.lease_until >= now()
    owners = {subject.owner_id for subject in subjects}
    by_object = select(Download.kind, Download.object_id, func.count()).where(
        alive, Download.object_id.in_({subject.object_id for subject in subjects})
    )
    of_object: dict[tuple[str, int], int] = {
        (row[0], row[1]): row[2] for row in session.execute(by_object.group_by(Download.kind, Download.object_id))
    }
    by_owner = select(Download.owner_id, func.count()).where(alive, Download.owner_id.in_(owners))
    of_owner: dict[int, int] = {row[0]: row[1] for row in session.execute(by_owner.group_by(Download.owner_id))}
    return {
        subject: Counts(of_object.get((subject.kind, subject.object_id), 0), of_owner.get(subject.owner_id, 0))
        for subject in subjects
    }


def renew(session: Session, ids: Collection[int]) -> None:
    """Keep downloads counted."""
    session.execute(update(Download).where(Download.id.in_(ids)).values(lease_until=_lease()))


def end(session: Session, download_id: int) -> None:
    """Count a download no more."""
    session.execute(delete(Download).where(Download.id == download_id))


def _lease() -> dt.datetime:
    return now() + dt.timedelta(seconds=LEASE_SECONDS)
