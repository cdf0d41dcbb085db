"""Single-use download keys: each opens one download of one object, without a login.

A key is derived from the server's secret, the object and a serial number, so that an object shows the same key
until it is used or expires although the database holds only its hash: the database alone gives no key away.
"""

import base64
import datetime as dt
import hashlib
import hmac
from collections.abc import Sequence
from typing import cast

from sqlalchemy import CursorResult, delete, func, select, update
from sqlalchemy.orm import Session

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
    query = select(DownloadKey).where(
        DownloadKey.kind == kind,
        DownloadKey.object_id.in_(ids),
        DownloadKey.used.is_(None),
        DownloadKey.expires > now(),
    )
    rows = sorted(session.scalars(query), key=lambda row: row.serial)
    return {row.object_id: derive(secret, kind, row.object_id, row.serial) for row in rows}


def issue(session: Session, secret: bytes, kind: str, object_id: int, lifetime: int) -> str:
    """Give an object its next key, good for `lifetime` seconds. Must run in a writing transaction."""
    if (key := present(session, secret, kind, [object_id]).get(object_id)) is not None:
        return key
    query = select(func.max(DownloadKey.serial)).where(DownloadKey.kind == kind, DownloadKey.object_id == object_id)
    serial = (session.scalar(query) or 0) + 1
    key = derive(secret, kind, object_id, serial)
    session.add(
        DownloadKey(
            kind=kind,
            object_id=object_id,
            serial=serial,
            key_hash=_hash(key),
            expires=now() + dt.timedelta(seconds=lifetime),
        )
    )
    session.flush()
    return key


def recognise(session: Session, kind: str, object_id: int, key: str) -> DownloadKey:
    """The row of a key that was issued for this object; raises KeyRefusedError."""
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


def finish(session: Session, row_id: int) -> None:
    """Note that the last byte was sent: nothing is left to resume."""
    session.execute(update(DownloadKey).where(DownloadKey.id == row_id).values(finished=now()))


def forget(session: Session, kind: str, object_ids: Sequence[int]) -> None:
    """Remove the keys of objects that are gone."""
    session.execute(delete(DownloadKey).where(DownloadKey.kind == kind, DownloadKey.object_id.in_(object_ids)))


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
