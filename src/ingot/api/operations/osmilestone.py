"""Milestones of distributions."""

from ingot.api.addresses import id_in
from ingot.api.listing import flag, moment
from ingot.api.operation import Call, Chapter
from ingot.api.operations.os import find_distribution
from ingot.api.representations import catalogue
from ingot.messages.base import Message
from ingot.messages.distribution import Milestone, Milestones
from ingot.services import distributions, milestones
from ingot.services.errors import NotFoundError
from ingot.services.users import require_entitlement
from ingot.store import tables

_chapter = Chapter("osmilestone")
CHAPTERS = (_chapter,)
_BASE = "/distributions/{id}/milestones"
_ONE = f"{_BASE}/{{mid}}"
_MOST = 1000


def _organisation(call: Call) -> int | None:
    """The organisation that a milestone is of; None for everybody's."""
    text = call.query.get("orgId", "")
    if not text:
        return None
    if text != str(call.user.organisation_id):
        raise NotFoundError(f"There is no organisation {text}.", text)
    return call.user.organisation_id


def _find(call: Call) -> tables.Milestone:
    _organisation(call)
    distribution = find_distribution(call)
    return milestones.find(call.session, distribution, call.number("mid"), call.user.organisation_id)


@_chapter.operation(
    "osMilestone_getAll",
    "GET",
    _BASE,
    answer=Milestones,
    query=("cs", "from", "orgUri", "search", "singleSearch", "to"),
    authenticated=False,
)
def get_all(call: Call) -> Message:
    """The milestones of a distribution by date: everybody's, and those of the organisation `orgUri`."""
    query = call.query
    organisation = id_in(query["orgUri"], "org") if query.get("orgUri") else None
    with call.server.database.transaction(read_only=True) as session:
        statement = milestones.search(
            distributions.find(session, call.number("id")),
            organisation,
            text=query.get("search"),
            name=query.get("singleSearch"),
            exact_case=flag(query, "cs"),
            start=moment(query, "from"),
            end=moment(query, "to"),
        )
        rows = list(session.scalars(statement.limit(_MOST)))
        return Milestones(total=len(rows), milestones=[catalogue.milestone(row) for row in rows])


@_chapter.operation(
    "osMilestone_get", "GET", _ONE, entitlements=("appliance_create",), answer=Milestone, query=("orgId",)
)
def get(call: Call) -> Message:
    """A milestone of a distribution."""
    return catalogue.milestone(_find(call))


@_chapter.operation(
    "osMilestone_create", "POST", _BASE, body=Milestone, answer=Milestone, status=201, query=("orgId",)
)
def create(call: Call) -> Message:
    """Add a milestone to a distribution, for everybody or, with `orgId`, for one organisation."""
    _require_administrator(call)
    message = call.body(Milestone)
    row = milestones.create(
        call.session,
        find_distribution(call),
        _organisation(call),
        name=message.name,
        date=message.date,
        description=message.description,
        source=message.source,
    )
    return catalogue.milestone(row)


@_chapter.operation("osMilestone_update", "PUT", _ONE, body=Milestone, answer=Milestone, query=("orgId",))
def update(call: Call) -> Message:
    """Change a milestone that somebody added."""
    _require_administrator(call)
    row, message = _find(call), call.body(Milestone)
    milestones.update(
        call.session,
        row,
        name=message.name,
        date=message.date,
        description=message.description,
        source=message.source,
    )
    return catalogue.milestone(row)


@_chapter.operation("osMilestone_delete", "DELETE", _ONE, status=204, query=("orgId",))
def delete(call: Call) -> None:
    """Delete a milestone that somebody added."""
    _require_administrator(call)
    milestones.delete(call.session, _find(call))


def _require_administrator(call: Call) -> None:
    require_entitlement(call.user, ("org_os_administrate",))
