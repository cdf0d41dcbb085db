"""Who is sending which contents, and which are being removed, where contents are kept elsewhere.

What takes long happens outside of transactions: a content is claimed, sent, and then referred to; or marked, and then
removed. Each looks for the other's rows under the lock of the artifacts, so neither misses the other.
"""

import datetime as dt
import secrets
import time
from collections.abc import Collection, Iterator

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from ingot.store.base import now
from ingot.store.database import ARTIFACT_LOCK, Database
from ingot.store.tables import ContentClaim

#: A claim of a process that was killed keeps its contents so long.
CLAIM_SECONDS = 600
#: No request that removes something is under way for longer.
_REMOVAL_SECONDS = 60
_POLL_SECONDS = 0.1
#: Databases take so many values in one statement.
_AT_ONCE = 500


class ClaimLostError(Exception):
    """The contents were claimed for too long without a sign of life, and may have been removed."""


def claim(database: Database, hashes: Collection[str]) -> str:
    """Keep contents, there or not, from being removed; waits for removals under way. Returns who holds the claim."""
    holder = secrets.token_hex(16)
    until = now() + dt.timedelta(seconds=CLAIM_SECONDS)
    while True:
        with database.transaction() as session:
            database.exclude_others(session, ARTIFACT_LOCK)
            if not _found(session, hashes, removes=True):
                rows = [
                    {"sha256": sha256, "holder": holder, "removes": False, "until": until} for sha256 in sorted(hashes)
                ]
                session.execute(insert(ContentClaim), rows)
                return holder
        time.sleep(_POLL_SECONDS)


def renew(session: Session, holder: str) -> None:
    """Put off the end of a claim."""
    until = now() + dt.timedelta(seconds=CLAIM_SECONDS)
    session.execute(update(ContentClaim).where(ContentClaim.holder == holder).values(until=until))


def release(session: Session, holder: str) -> None:
    """Give up a claim."""
    session.execute(delete(ContentClaim).where(ContentClaim.holder == holder))


def require(session: Session, holder: str, number: int) -> None:
    """See that a claim on so many contents still holds, in the transaction, with the lock, that refers to them.

    Raises ClaimLostError. While its rows are there nobody has removed anything, even when it is past its time.
    """
    query = select(func.count()).select_from(ContentClaim).where(ContentClaim.holder == holder)
    if session.scalar(query) != number:
        raise ClaimLostError


def claimed(session: Session, hashes: Collection[str]) -> set[str]:
    """Which of these contents somebody has claimed."""
    return _found(session, hashes, removes=False)


def mark_removal(session: Session, hashes: Collection[str]) -> str:
    """Note, in a transaction with the lock, that contents are going to be removed; returns who holds the mark."""
    holder = secrets.token_hex(16)
    until = now() + dt.timedelta(seconds=_REMOVAL_SECONDS)
    session.execute(
        insert(ContentClaim),
        [{"sha256": sha256, "holder": holder, "removes": True, "until": until} for sha256 in sorted(hashes)],
    )
    return holder


def forget_expired(session: Session) -> None:
    """Remove the claims and marks that are past their time, in a transaction with the lock."""
    session.execute(delete(ContentClaim).where(ContentClaim.until < now()))


def _found(session: Session, hashes: Collection[str], *, removes: bool) -> set[str]:
    return {
        sha256
        for some in _batches(hashes)
        for sha256 in session.scalars(
            select(ContentClaim.sha256).where(
                ContentClaim.sha256.in_(some), ContentClaim.removes == removes, ContentClaim.until > now()
            )
        )
    }


def _batches(hashes: Collection[str]) -> Iterator[list[str]]:
    ordered = sorted(hashes)
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]
