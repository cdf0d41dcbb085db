"""Milestones: named dates in the life of a distribution."""

import datetime as dt
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from ingot.services import appliances
from ingot.services.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from ingot.store.tables import Distribution, Milestone

#: The source of the milestones that a distribution's own release files tell of.
OWN = "distribution"


def enter_release(session: Session, distribution_id: int, version: str | None, date: dt.datetime) -> None:
    """Enter a minor release of a distribution, once."""
    row = session.get(Distribution, distribution_id)
    if row is None or version is None:
        return
    name = f"{row.name} {version}"
    query = select(Milestone.id).where(Milestone.distribution_id == row.id, Milestone.name == name)
    if session.scalar(query.where(Milestone.source == OWN)) is None:
        description = f"The release of {name}"
        session.add(Milestone(distribution_id=row.id, name=name, date=date, description=description, source=OWN))
        session.flush()


def find(session: Session, distribution: Distribution, milestone_id: int, organisation_id: int | None) -> Milestone:
    """A milestone of a distribution that an organisation may see."""
    row = session.get(Milestone, milestone_id)
    if row is None or row.distribution_id != distribution.id or row.organisation_id not in (None, organisation_id):
        raise NotFoundError(
            f"{distribution.description} has no milestone {milestone_id}.", message_id="ERROR.MILESTONE.NOT_FOUND"
        )
    return row


def search(
    distribution: Distribution,
    organisation_id: int | None,
    *,
    text: str | None = None,
    name: str | None = None,
    exact_case: bool = False,
    start: dt.datetime | None = None,
    end: dt.datetime | None = None,
) -> Select[Any]:
    """Milestones by date: with `text` in the name or description, of this `name`, between two times."""
    query = select(Milestone).where(Milestone.distribution_id == distribution.id)
    query = query.where(or_(Milestone.organisation_id.is_(None), Milestone.organisation_id == organisation_id))
    if text:
        columns = (Milestone.name, Milestone.description)
        # LIKE takes no notice of case on one of our databases, instr and strpos do on both.
        if exact_case:
            query = query.where(or_(*(func.replace(column, text, "") != column for column in columns)))
        else:
            word = text.lower()
            query = query.where(or_(*(func.lower(column).contains(word, autoescape=True) for column in columns)))
    if name:
        matched = Milestone.name == name if exact_case else func.lower(Milestone.name) == name.lower()
        query = query.where(matched)
    if start is not None:
        query = query.where(Milestone.date >= start)
    if end is not None:
        query = query.where(Milestone.date <= end)
    return query.order_by(Milestone.date, Milestone.id)


def create(
    session: Session,
    distribution: Distribution,
    organisation_id: int | None,
    *,
    name: str | None,
    date: dt.datetime | None,
    description: str | None,
    source: str | None,
) -> Milestone:
    """Add a milestone, for everybody or for one organisation."""
    row = Milestone(distribution_id=distribution.id, organisation_id=organisation_id)
    _set(session, row, name=name, date=date, description=description, source=source)
    session.add(row)
    session.flush()
    return row


def update(
    session: Session,
    row: Milestone,
    *,
    name: str | None,
    date: dt.datetime | None,
    description: str | None,
    source: str | None,
) -> None:
    """Change what is given."""
    _refuse_own(row)
    _set(
        session,
        row,
        name=name if name is not None else row.name,
        date=date or row.date,
        description=description if description is not None else row.description,
        source=source if source is not None else row.source,
    )
    session.flush()


def delete(session: Session, row: Milestone) -> None:
    """Remove a milestone that somebody added."""
    _refuse_own(row)
    session.delete(row)
    session.flush()


def _set(
    session: Session,
    row: Milestone,
    *,
    name: str | None,
    date: dt.datetime | None,
    description: str | None,
    source: str | None,
) -> None:
    checked = appliances.checked_text("name of a milestone", name)
    if date is None:
        raise InvalidError(f"The milestone {checked} has no date.", "date")
    if source == OWN:
        raise InvalidError(f"The source {OWN!r} is kept for what the distribution says itself: choose another.", OWN)
    with session.no_autoflush:
        query = select(Milestone.id).where(Milestone.distribution_id == row.distribution_id, Milestone.name == checked)
        taken = session.scalar(query.where(Milestone.id != row.id) if row.id is not None else query)
    if taken is not None:
        raise ConflictError(f"There is a milestone {checked} already. Choose another name.", checked)
    row.name, row.date, row.description, row.source = checked, date, description or "", source or ""


def _refuse_own(row: Milestone) -> None:
    if row.source == OWN:
        raise ForbiddenError(
            f"The milestone {row.name} comes from the distribution's own release files: it cannot be changed or "
            "deleted. Only milestones that somebody added can.",
            row.name,
        )
