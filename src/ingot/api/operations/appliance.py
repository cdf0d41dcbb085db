"""Appliances and their logos: create, read, change, delete."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from ingot.api.addresses import id_in
from ingot.api.downloads.response import Downloadable
from ingot.api.downloads.room import download
from ingot.api.listing import QUERY_PARAMETERS, Listing, flag
from ingot.api.operation import Call, Chapter
from ingot.api.representations import appliances as representations
from ingot.messages.appliance import Appliance, Appliances
from ingot.messages.base import Message
from ingot.messages.common import Logo
from ingot.services import appliance_removal, appliances, bundles, images, logos
from ingot.services.errors import NotFoundError
from ingot.store import tables
from ingot.store.database import ARTIFACT_LOCK

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


def represent(call: Call, row: tables.Appliance) -> Appliance:
    """An appliance with its images and bundles."""
    return represent_all(call, [row])[0]


def represent_all(call: Call, rows: Sequence[tables.Appliance]) -> list[Appliance]:
    """Appliances with their images and bundles."""
    ids = [row.id for row in rows]
    image_ids, bundle_ids = images.ids_by_appliance(call.session, ids), bundles.ids_of_appliances(call.session, ids)
    return [representations.appliance(row, image_ids.get(row.id, []), bundle_ids.get(row.id, [])) for row in rows]


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
    return Appliances(total=total, appliances=represent_all(call, rows))


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
    """Change an appliance's name, version or description, and which bundles it has (`mySoftwareUris`, in order; or
    `mySoftwareList`, with an installLocation for each)."""
    row, message = find_appliance(call), call.body(Appliance)
    appliances.update(call.session, row, name=message.name, version=message.version, description=message.description)
    if message.my_software_uris is not None or message.my_software_list is not None:
        bundles.attach(call.session, row, _wanted_bundles(message))
    return represent(call, row)


def _wanted_bundles(message: Appliance) -> list[tuple[int, str | None]]:
    """The ids of the bundles that a message asks for, and where their files go."""
    listed = message.my_software_list or []
    wanted = [
        (entry.db_id if entry.db_id is not None else id_in(entry.uri, "mysoftware"), entry.install_location)
        for entry in listed
    ]
    known = {bundle_id for bundle_id, _ in wanted}
    uris = message.my_software_uris.uri if message.my_software_uris is not None else []
    return wanted + [(number, None) for number in (id_in(uri, "mysoftware") for uri in uris) if number not in known]


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
    call.sweep(appliance_removal.remove(call.session, row))


def _logo_of(call: Call) -> tables.Appliance:
    row = find_appliance(call)
    if row.logo_sha256 is None or call.number("logoId") != row.id:
        raise NotFoundError(f"Appliance {row.name} has no such logo.", message_id="ERROR.LOGO.NOT_FOUND")
    return row


@_chapter.operation(
    "applianceLogo_upload",
    "POST",
    "/users/{uid}/appliances/{aid}/logo/{logoId}/{fileName}",
    entitlements=_DESIGN,
    answer=Logo,
    status=201,
    upload=logos.LARGEST,
    keep=True,
)
def logo_upload(call: Call) -> Message:
    """Give an appliance a logo; one before is replaced. The id in the path is any number."""
    content = call.keep_received()
    row = find_appliance(call)
    call.number("logoId")
    call.sweep(logos.put(call.session, row, str(call.request.path_params["fileName"]), content))
    return representations.logo(row)


@_chapter.operation(
    "applianceLogo_delete",
    "DELETE",
    "/users/{uid}/appliances/{aid}/logo/{logoId}",
    entitlements=_DESIGN,
    status=204,
)
def logo_delete(call: Call) -> None:
    """Take the logo from an appliance."""
    call.sweep(logos.remove(call.session, _logo_of(call)))


@_chapter.operation("applianceLogo_download", "GET", "/users/{uid}/appliances/{aid}/logo/{logoId}")
@_chapter.operation("applianceLogo_downloadFile", "GET", "/users/{uid}/appliances/{aid}/logo/{logoId}/{fileName}")
def logo_fetch(call: Call) -> Response:
    """Download the logo of an appliance."""

    def locate(_session: Session, _owner: tables.User | None) -> Downloadable:
        row = _logo_of(call)
        return Downloadable(
            kind="logo",
            object_id=row.id,
            owner_id=row.owner_id,
            file_name=row.logo_name or "",
            artifacts=call.server.artifacts,
            size=row.logo_size or 0,
            sha256=row.logo_sha256 or "",
            last_modified=row.last_modified,
        )

    return download(call, locate)
