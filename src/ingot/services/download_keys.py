"""Single-use download keys: each opens one download of one object, without a login.

A key is derived from the server's secret, the object and a serial number, so that an object shows the same key
until it is used or expires although the database holds only its hash: the database alone gives no key away.
"""

import base64
import datetime as dt
import hashlib
import hmac
from collections.abc import Collection, Sequence
from typing import cast

from sqlalchemy import CursorResult, Executable, ScalarSelect, delete, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from ingot.services.errors import ForbiddenError
from ingot.store.base import now
from ingot.store.tables import DownloadKey


class KeyRefusedError(ForbiddenError):
    """The key opens nothing (any more)."""

    message_id = "ERROR.DOWNLOAD.KEY"


def derive(secret: bytes, kind: str, object_id: int, serial: int) -> str:
    """The key of an object: 256 bits, in characters that need no escaping in an address."""
    digest = hmac.digest(secret, f"download|{kind}|{object_id}|{serial}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def present(session: Session, secret: bytes, kind: str, ids: Sequence[int]) -> dict[int, str]:
    """The keys that objects have now; an object without a good one is missing from the answer."""
    query = select(DownloadKey.object_id, DownloadKey.serial).where(
        DownloadKey.kind == kind,
        DownloadKey.object_id.in_(ids),
        DownloadKey.used.is_(None),
        DownloadKey.expires > now(),
    )
    rows = session.execute(query.order_by(DownloadKey.serial))
    return {object_id: derive(secret, kind, object_id, serial) for object_id, serial in rows}


def issue(session: Session, secret: bytes, kind: str, ids: Sequence[int], lifetime: int) -> dict[int, str]:
    """Give each object that has no good key its next one, good for `lifetime` seconds; returns the keys of all.

    Must run in a writing transaction. Two that issue at once give the same key, as it follows from what is there.
    """
    keys = present(session, secret, kind, ids)
    missing = [object_id for object_id in ids if object_id not in keys]
    if not missing:
        return keys
    of_missing = (DownloadKey.kind == kind, DownloadKey.object_id.in_(missing))
    last = select(DownloadKey.object_id, func.max(DownloadKey.serial)).where(*of_missing)
    serials: dict[int, int] = {row[0]: row[1] for row in session.execute(last.group_by(DownloadKey.object_id))}
    time = now()
    # Those that open nothing any more go, except an object's last one: from it follows the number of the next.
    session.execute(
        delete(DownloadKey).where(
            *of_missing,
            DownloadKey.serial < _last_serial(),
            or_(DownloadKey.finished.is_not(None), DownloadKey.used.is_(None), DownloadKey.resume_until < time),
        )
    )
    new = {object_id: serials.get(object_id, 0) + 1 for object_id in missing}
    for object_id, serial in new.items():
        keys[object_id] = derive(secret, kind, object_id, serial)
    session.execute(
        _insert(session),
        [
            {
                "kind": kind,
                "object_id": object_id,
                "serial": serial,
                "key_hash": _hash(keys[object_id]),
                "expires": time + dt.timedelta(seconds=lifetime),
            }
            for object_id, serial in new.items()
        ],
    )
    return keys


def recognise(session: Session, kind: str, object_id: int, key: str) -> DownloadKey:
    """The row of a key that was issued for this object; raises KeyRefusedError.

    It is looked up by its hash: how long that takes says nothing about how much of a guess is right.
    """
    row = session.scalars(select(DownloadKey).where(DownloadKey.key_hash == _hash(key))).first()
    if row is None or row.kind != kind or row.object_id != object_id:
        raise KeyRefusedError("This download key opens nothing here. Read the object again for its present key.")
    return row


def require_usable(row: DownloadKey, *, resumes: bool) -> None:
    """Refuse a key that was used, unless the request resumes the very download it opened; raises KeyRefusedError."""
    time = now()
    if row.used is None:
        if row.expires <= time:
            raise KeyRefusedError("This download key has expired. Read the object again for its present key.")
        return
    window_is_open = row.finished is None and row.resume_until is not None and row.resume_until > time
    if not (resumes and window_is_open):
        raise KeyRefusedError(
            "This download key was used: it opens one download. Read the object again for its present key, or resume "
            "the broken download with Range and If-Range."
        )


def use(session: Session, row: DownloadKey, resume_window: int) -> None:
    """Use a key up for one download. Of any number of requests with the same key exactly one gets past here."""
    time = now()
    result = session.execute(
        update(DownloadKey)
        .where(DownloadKey.id == row.id, DownloadKey.used.is_(None))
        .values(used=time, resume_until=time + dt.timedelta(seconds=resume_window))
    )
    if cast("CursorResult[object]", result).rowcount != 1:
        raise KeyRefusedError("This download key was used a moment ago: it opens one download.")


def extend(session: Session, row_ids: Collection[int], resume_window: int) -> None:
    """Let what has been broken off, or may be at any moment, be resumed for the whole window from now on."""
    until = now() + dt.timedelta(seconds=resume_window)
    session.execute(update(DownloadKey).where(DownloadKey.id.in_(row_ids)).values(resume_until=until))


def finish(session: Session, row_id: int) -> None:
    """Note that the client has got the last byte: nothing is left to resume."""
    session.execute(update(DownloadKey).where(DownloadKey.id == row_id).values(finished=now()))


def forget(session: Session, kind: str, object_ids: Sequence[int]) -> None:
    """Remove the keys of objects that are gone."""
    session.execute(delete(DownloadKey).where(DownloadKey.kind == kind, DownloadKey.object_id.in_(object_ids)))


def _insert(session: Session) -> Executable:
    """The statement that leaves what is there as it is."""
    # The dialect in use is loaded, and the other one would take 3 MB in every process.
    if session.get_bind().dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert  # noqa: PLC0415

        return sqlite_insert(DownloadKey).on_conflict_do_nothing()
    from sqlalchemy.dialects.postgresql import insert as postgresql_insert  # noqa: PLC0415

    return postgresql_insert(DownloadKey).on_conflict_do_nothing()


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _last_serial() -> ScalarSelect[int]:
    """The number of the last key of the same object."""
    other = aliased(DownloadKey)
    return (
        select(func.max(other.serial))
        .where(other.kind == DownloadKey.kind, other.object_id == DownloadKey.object_id)
        .scalar_subquery()
    )
