"""Appliances: create, read, change, delete."""

import re

from sqlalchemy import select

from ingot.api.listing import QUERY_PARAMETERS, Listing, flag
from ingot.api.operation import Call, Chapter
from ingot.api.representations import appliances as representations
from ingot.messages.appliance import Appliance, Appliances
from ingot.messages.base import Message
from ingot.services import appliances, images
from ingot.services.errors import InvalidError
from ingot.store import tables
from ingot.store.database import ARTIFACT_LOCK, LARGEST_ID

_chapter = Chapter("appliance")
CHAPTERS = (_chapter,)
_DESIGN = ("appliance_create",)

_APPLIANCES = Listing(
    fields={
        "name": tables.Appliance.name,
        "version": tables.Appliance.version,
        "dbId": tables.Appliance.id,
        "description": tables.Appliance.description,
        "revision": tables.Appliance.revision,
        "created": tables.Appliance.created,
        "lastModified": tables.Appliance.last_modified,
        "imported": tables.Appliance.imported,
        "distributionName": tables.Distribution.name,
        "archName": tables.Distribution.arch,
        "uuid": tables.Appliance.uuid,
    },
    order=(tables.Appliance.created.desc(), tables.Appliance.id.desc()),
)


def find_appliance(call: Call) -> tables.Appliance:
    """The appliance in the path; it is nobody else's to change until a request that may change it ends."""
    to_change = call.request.method not in ("GET", "HEAD")
    return appliances.find(call.session, call.owner, call.number("aid"), to_change=to_change)


def id_in(uri: str | None, what: str) -> int:
    """The id that an address ends with."""
    match = re.search(r"(?:^|/)(\d{1,18})/?$", uri or "")
    if match is None or int(match[1]) > LARGEST_ID:
        raise InvalidError(f"The {what} {uri!r} is no address such as {what}s/12.", what)
    return int(match[1])


def represent(call: Call, row: tables.Appliance) -> Appliance:
    """An appliance with its images."""
    ids = images.ids_by_appliance(call.session, [row.id])
    return representations.appliance(row, ids.get(row.id, []))


@_chapter.operation(
    "appliance_create",
    "POST",
    "/users/{uid}/appliances",
    entitlements=_DESIGN,
    body=Appliance,
    answer=Appliance,
    status=201,
)
def create(call: Call) -> Message:
    """Create an appliance from a name, a version and a distribution."""
    message = call.body(Appliance)
    row = appliances.create(
        call.session,
        call.owner,
        name=message.name,
        version=message.version,
        description=message.description or "",
        distribution_id=id_in(message.distribution_uri, "distribution"),
    )
    return represent(call, row)


@_chapter.operation(
    "appliance_getAll",
    "GET",
    "/users/{uid}/appliances",
    entitlements=_DESIGN,
    answer=Appliances,
    query=QUERY_PARAMETERS,
)
def get_all(call: Call) -> Message:
    """The appliances of a user, newest first."""
    statement = (
        select(tables.Appliance)
        .join(tables.Distribution, tables.Appliance.distribution_id == tables.Distribution.id)
        .where(tables.Appliance.owner_id == call.owner.id)
    )
    rows, total = _APPLIANCES.page(call.session, statement, call.query)
    ids = images.ids_by_appliance(call.session, [row.id for row in rows])
    return Appliances(total=total, appliances=[representations.appliance(row, ids.get(row.id, [])) for row in rows])


@_chapter.operation("appliance_get", "GET", "/users/{uid}/appliances/{aid}", entitlements=_DESIGN, answer=Appliance)
def get(call: Call) -> Message:
    """An appliance."""
    return represent(call, find_appliance(call))


@_chapter.operation(
    "appliance_update",
    "PUT",
    "/users/{uid}/appliances/{aid}",
    entitlements=_DESIGN,
    body=Appliance,
    answer=Appliance,
)
def update(call: Call) -> Message:
    """Change an appliance's name, version or description."""
    row, message = find_appliance(call), call.body(Appliance)
    appliances.update(call.session, row, name=message.name, version=message.version, description=message.description)
    return represent(call, row)


@_chapter.operation(
    "appliance_clone",
    "POST",
    "/users/{uid}/appliances/{aid}/clones",
    entitlements=_DESIGN,
    body=Appliance,
    answer=Appliance,
    status=201,
)
def clone(call: Call) -> Message:
    """Copy an appliance under another name or version, without its images."""
    call.server.database.exclude_others(call.session, ARTIFACT_LOCK)
    source, message = find_appliance(call), call.body(Appliance)
    return represent(call, appliances.clone(call.session, source, name=message.name, version=message.version))


@_chapter.operation(
    "appliance_delete", "DELETE", "/users/{uid}/appliances/{aid}", entitlements=_DESIGN, status=204, query=("force",)
)
def delete(call: Call) -> None:
    """Delete an appliance with all its images; `force` also stops running generations."""
    row = find_appliance(call)
    if not flag(call.query, "force"):
        appliances.refuse_while_running(call.session, row)
    hashes = images.delete_all(call.session, row)
    hashes |= {script.sha256 for script in row.boot_scripts if script.sha256}
    call.session.delete(row)
    call.sweep(hashes)
