"""Quotas: how much of each kind users may have, and that they have no more."""

import calendar
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ingot.messages.access import Quota as QuotaMessage
from ingot.services.errors import ForbiddenError, InvalidError
from ingot.store.base import now
from ingot.store.tables import (
    Appliance,
    Attempt,
    BootScript,
    Bundle,
    BundleArtifact,
    BundleDocument,
    Image,
    Quota,
    User,
)

#: Every kind, in the order that they are shown, with what it counts in words.
KINDS = {
    "appliance": "appliances",
    "generation": "generations",
    "scan": "scans",
    "diskusage": "bytes",
}
_COUNTED = ("generation", "scan")
UNLIMITED = -1
_LARGEST = 2**62


class ExceededError(ForbiddenError):
    """The user has as much as may be."""

    message_id = "ERROR.QUOTA.EXCEEDED"


@dataclass(frozen=True)
class Usage:
    """What a user has (`used`) and may have (`limit`) of a kind; `renews` is when a monthly count begins anew."""

    kind: str
    used: int
    limit: int
    frequency: str
    renews: dt.datetime | None


def of(session: Session, owner: User) -> Iterator[Usage]:
    """What a user has and may have of every kind."""
    rows = {row.kind: row for row in session.scalars(select(Quota).where(Quota.user_id == owner.id))}
    for kind in KINDS:
        row = rows.get(kind) or _unlimited(owner, kind)
        renews = _period(owner, now(), 1) if row.frequency == "monthly" else None
        yield Usage(kind, _used(session, owner, row), row.limit, row.frequency, renews)


def lock(session: Session, owner: User) -> None:
    """Let nobody else count this user's things until the transaction ends."""
    session.execute(select(User.id).where(User.id == owner.id).with_for_update(key_share=True))


def require(session: Session, owner: User, kind: str, amount: int = 1) -> None:
    """Refuse `amount` more of a kind than a user may have; of any number at once no more get past than may."""
    row = _row(session, owner, kind)
    if row is None or row.limit == UNLIMITED or amount <= 0:
        return
    lock(session, owner)
    used = _used(session, owner, row) + _under_way(session, owner, kind)
    if used + amount > row.limit:
        when = f" The count begins anew on {_period(owner, now(), 1):%d %b %Y}." if row.frequency == "monthly" else ""
        raise ExceededError(
            f"User {owner.login} has {used} of {row.limit} {KINDS[kind]}, and {amount} more would be too many.{when} "
            f"{'Delete some' if kind not in _COUNTED else 'Wait'}, or ask an administrator for more.",
            kind,
            str(row.limit),
        )


def count(session: Session, owner: User, kind: str) -> None:
    """Count one more of what is over when it is done."""
    lock(session, owner)
    row = _kept_row(session, owner, kind)
    row.counted = _counted(owner, row) + 1
    row.period_began = _period(owner, now(), 0)
    session.flush()


def change(session: Session, owner: User, quotas: list[QuotaMessage]) -> None:
    """Set limits; a limit or a frequency that is absent stays, and so does a kind that is absent."""
    lock(session, owner)
    for message in quotas:
        if message.type is None:
            raise InvalidError(f"A quota has no type; possible are {', '.join(KINDS)}.")
        if message.limit is not None and not UNLIMITED <= message.limit <= _LARGEST:
            raise InvalidError(f"The limit {message.limit} is not possible: use a number from 0 on, or -1 for none.")
        row = _kept_row(session, owner, message.type)
        if message.limit is not None:
            row.limit = message.limit
        if message.frequency is not None:
            row.frequency = message.frequency
        row.last_modified = now()
        session.flush()


def _row(session: Session, owner: User, kind: str) -> Quota | None:
    query = select(Quota).where(Quota.user_id == owner.id, Quota.kind == kind)
    return session.scalars(query.execution_options(populate_existing=True)).first()


def _kept_row(session: Session, owner: User, kind: str) -> Quota:
    """The row of a kind, to be changed; added when there is none."""
    row = _row(session, owner, kind)
    if row is None:
        row = _unlimited(owner, kind)
        session.add(row)
    return row


def _unlimited(owner: User, kind: str) -> Quota:
    return Quota(user_id=owner.id, kind=kind, limit=UNLIMITED, frequency="none", counted=0)


def _used(session: Session, owner: User, row: Quota) -> int:
    if row.kind in _COUNTED:
        return _counted(owner, row)
    if row.kind == "appliance":
        return session.scalar(select(func.count()).where(Appliance.owner_id == owner.id)) or 0
    sizes = (
        select(func.sum(Image.size)).where(Image.owner_id == owner.id),
        select(func.sum(BootScript.size)).join(Appliance).where(Appliance.owner_id == owner.id),
        select(func.sum(BundleArtifact.size)).join(Bundle).where(Bundle.owner_id == owner.id),
        select(func.sum(BundleDocument.size)).join(Bundle).where(Bundle.owner_id == owner.id),
    )
    return sum(int(session.scalar(size) or 0) for size in sizes)


def _counted(owner: User, row: Quota) -> int:
    """What was counted in the present period."""
    if row.frequency == "monthly" and (row.period_began is None or row.period_began < _period(owner, now(), 0)):
        return 0
    return row.counted


def _under_way(session: Session, owner: User, kind: str) -> int:
    """What will be counted if it ends well."""
    if kind != "generation":
        return 0
    query = (
        select(func.count())
        .select_from(Image)
        .join(Attempt, Image.attempt_id == Attempt.id)
        .where(Image.owner_id == owner.id, Image.simulated.is_(False), Attempt.state.in_(("queued", "running")))
        .where(Attempt.cancel_requested.is_(False))
    )
    return session.scalar(query) or 0


def _period(owner: User, time: dt.datetime, later: int) -> dt.datetime:
    """When the monthly period around `time` began, or one `later`: at the day of the month when the user was made."""
    this_month = _renewal(owner, time.year, time.month)
    later -= 1 if this_month > time else 0
    months = time.year * 12 + time.month - 1 + later
    return _renewal(owner, months // 12, months % 12 + 1)


def _renewal(owner: User, year: int, month: int) -> dt.datetime:
    day = min(owner.created.day, calendar.monthrange(year, month)[1])
    return dt.datetime(year, month, day, tzinfo=dt.UTC)
