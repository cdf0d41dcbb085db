"""Software bundles of users: create, read, change, copy, delete, restrict; their licences and logos."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, lazyload
from starlette.responses import Response

from ingot.api.addresses import id_in
from ingot.api.downloads.response import Downloadable
from ingot.api.downloads.room import download
from ingot.api.listing import QUERY_PARAMETERS, Listing, flag
from ingot.api.operation import Call, Chapter
from ingot.api.operations.appliance import find_appliance, represent_all
from ingot.api.representations import catalogue
from ingot.api.representations import software as representations
from ingot.messages.appliance import Appliances
from ingot.messages.base import Message
from ingot.messages.common import License, Logo
from ingot.messages.distribution import Distributions
from ingot.messages.image import Image
from ingot.messages.software import BundleRestriction, MySoftware, MySoftwareList, Projects
from ingot.services import appliances, bundle_documents, bundle_transfers, bundles, images, restrictions
from ingot.services.errors import InvalidError, NotFoundError
from ingot.store import tables
from ingot.store.database import ARTIFACT_LOCK

_chapter = Chapter("usersoftwarelibrary")
_component = Chapter("appliancesoftwarecomponent")
CHAPTERS = (_chapter, _component)
_READ = ("appliance_create",)
_WRITE = ("software_upload",)
_ALL = "/users/{uid}/mysoftware"
BASE = f"{_ALL}/{{msid}}"

_BUNDLES = Listing(
    fields={
        "name": tables.Bundle.name,
        "version": tables.Bundle.version,
        "dbId": tables.Bundle.id,
        "description": tables.Bundle.description,
        "maintainer": tables.Bundle.maintainer,
        "revision": tables.Bundle.revision,
        "imported": tables.Bundle.imported,
        "category.name": tables.Category.name,
        "created": tables.Bundle.created,
        "lastModified": tables.Bundle.last_modified,
    },
    order=(tables.Bundle.created.desc(), tables.Bundle.id.desc()),
)


def find_bundle(call: Call) -> tables.Bundle:
    """The bundle in the path; it is nobody else's to change until a request that may change it ends."""
    to_change = call.request.method not in ("GET", "HEAD")
    return bundles.find(call.session, call.owner, call.number("msid"), to_change=to_change)


def _represent(call: Call, rows: Sequence[tables.Bundle]) -> list[MySoftware]:
    ids = [row.id for row in rows]
    sizes, used = bundles.size(call.session, ids), bundles.appliances_of(call.session, ids)
    return [
        representations.my_software(row, size=sizes.get(row.id, 0), appliance_ids=used.get(row.id, [])) for row in rows
    ]


def _one(call: Call, row: tables.Bundle) -> MySoftware:
    return _represent(call, [row])[0]


@_chapter.operation(
    "mySoftware_getAll", "GET", _ALL, entitlements=_READ, answer=MySoftwareList, query=(*QUERY_PARAMETERS, "distribId")
)
def get_all(call: Call) -> Message:
    """The bundles of a user, newest first; with `distribId`, those that images of that distribution can have."""
    statement = (
        select(tables.Bundle)
        .outerjoin(tables.Category, tables.Bundle.category_id == tables.Category.id)
        .where(tables.Bundle.owner_id == call.owner.id)
    )
    if text := call.query.get("distribId"):
        distribution = (
            call.session.get(tables.Distribution, int(text)) if text.isdecimal() and len(text) < 10 else None
        )
        if distribution is None:
            raise NotFoundError(f"There is no distribution {text}.", text)
        rules = restrictions.rules_for(call.session, call.owner, distribution)
        statement = statement.where(tables.Bundle.restriction_rule.in_(rules))
    rows, total = _BUNDLES.page(call.session, statement, call.query)
    return MySoftwareList(total=total, my_software_list=_represent(call, rows))


@_chapter.operation(
    "mySoftware_create", "POST", _ALL, entitlements=_WRITE, body=MySoftware, answer=MySoftware, status=201
)
def create(call: Call) -> Message:
    """Create a bundle; add its artifacts next."""
    return _one(call, bundles.create(call.session, call.owner, call.body(MySoftware)))


@_chapter.operation("mySoftware_get", "GET", BASE, entitlements=_READ, answer=MySoftware)
def get(call: Call) -> Message:
    """A bundle."""
    return _one(call, find_bundle(call))


@_chapter.operation("mySoftware_update", "PUT", BASE, entitlements=_WRITE, body=MySoftware, answer=MySoftware)
def update(call: Call) -> Message:
    """Change what is given of a bundle."""
    row = find_bundle(call)
    bundles.change(call.session, row, call.body(MySoftware))
    return _one(call, row)


@_chapter.operation("mySoftware_delete", "DELETE", BASE, entitlements=_WRITE, status=204)
def delete(call: Call) -> None:
    """Delete a bundle with its exports, also from the appliances that have it."""
    row = find_bundle(call)
    call.sweep(bundle_transfers.delete_exports(call.session, row) | bundles.remove(call.session, row))


@_chapter.operation(
    "mySoftware_clone", "POST", f"{BASE}/clone", entitlements=_WRITE, body=MySoftware, answer=MySoftware, status=201
)
def clone(call: Call) -> Message:
    """Copy a bundle under another name or version."""
    call.server.database.exclude_others(call.session, ARTIFACT_LOCK)
    message = call.body(MySoftware)
    row = bundles.clone(call.session, find_bundle(call), name=message.name, version=message.version)
    return _one(call, row)


@_chapter.operation("mySoftwareUsage_getAll", "GET", f"{BASE}/appliances", entitlements=_READ, answer=Appliances)
def usage_get_all(call: Call) -> Message:
    """The appliances that have a bundle."""
    row = find_bundle(call)
    having = select(tables.ApplianceBundle.appliance_id).where(tables.ApplianceBundle.bundle_id == row.id)
    statement = select(tables.Appliance).where(tables.Appliance.id.in_(having)).order_by(tables.Appliance.id)
    shown = represent_all(call, list(call.session.scalars(statement)))
    return Appliances(total=len(shown), appliances=shown)


@_chapter.operation(
    "mySoftware_availableForImage",
    "POST",
    f"{BASE}/images",
    entitlements=_READ,
    body=Image,
    answer=MySoftware,
    status=201,
)
def available_for_image(call: Call) -> Message | None:
    """The bundle, if an image of that appliance (`parentUri`) and format would have it; else nothing."""
    row, message = find_bundle(call), call.body(Image)
    appliance = appliances.find(call.session, call.owner, id_in(message.parent_uri, "appliance"))
    wanted = (message.target_format and message.target_format.name) or (message.format and message.format.name)
    target = images.find_target_format(call.session, call.owner, wanted) if wanted else None
    return _one(call, row) if restrictions.fits(row.restriction_rule, appliance.distribution, target) else None


_RESTRICTION = f"{BASE}/restriction/{{brid}}"


def _find_restricted(call: Call) -> tables.Bundle:
    row = find_bundle(call)
    if call.number("brid") != row.id:
        raise NotFoundError(f"Bundle {row.name} has no restriction {call.number('brid')}.")
    return row


@_chapter.operation(
    "mySoftwareRestriction_update", "PUT", _RESTRICTION, entitlements=_WRITE, body=BundleRestriction,
    answer=BundleRestriction,
)  # fmt: skip
def restriction_update(call: Call) -> Message:
    """Change for which distributions and formats a bundle is meant; an empty rule is for everything."""
    row = _find_restricted(call)
    bundles.set_rule(call.session, row, call.body(BundleRestriction).restriction_rule or "")
    return representations.restriction(row)


@_chapter.operation(
    "mySoftwareRestrictionOS_getAll", "GET", f"{_RESTRICTION}/distributions", entitlements=_READ, answer=Distributions,
    query=("compatibility",),
)  # fmt: skip
def restriction_get_all(call: Call) -> Message:
    """The distributions whose images can have a bundle; with compatibility=false, the others."""
    compatible = "compatibility" not in call.query or flag(call.query, "compatibility")
    return _distributions(call, _find_restricted(call).restriction_rule, compatible=compatible)


@_chapter.operation(
    "mySoftwareRestrictionOS_evaluate", "POST", f"{_RESTRICTION}/distributions", entitlements=_READ,
    body=BundleRestriction, answer=Distributions, status=201,
)  # fmt: skip
def restriction_evaluate(call: Call) -> Message:
    """The distributions that a rule would allow; nothing is changed."""
    _find_restricted(call)
    return _distributions(call, restrictions.checked(call.body(BundleRestriction).restriction_rule or ""))


def _distributions(call: Call, rule: str, *, compatible: bool = True) -> Message:
    rows = restrictions.distributions(call.session, rule, compatible=compatible)
    return Distributions(total=len(rows), distributions=[catalogue.distribution(row) for row in rows])


_LICENSE = f"{BASE}/licenses/{{lid}}"
_LOGO = f"{BASE}/logo/{{logoId}}"


def _put_document(call: Call, kind: str, file_name: str | None) -> tables.Bundle:
    content = call.keep_received()
    row = find_bundle(call)
    if not content.size:
        raise InvalidError(f"The {kind} is empty.")
    call.sweep(bundle_documents.put(call.session, row, kind, file_name, content))
    return row


def _fetch_document(call: Call, kind: str, number: str) -> Response:
    def locate(_session: Session, _owner: tables.User | None) -> Downloadable:
        row = find_bundle(call)
        document = bundle_documents.find(row, kind, call.number(number))
        return Downloadable(
            kind=kind,
            object_id=document.id,
            owner_id=row.owner_id,
            file_name=document.name,
            artifacts=call.server.artifacts,
            size=document.size or 0,
            sha256=document.sha256 or "",
            last_modified=document.uploaded or document.last_modified,
        )

    return download(call, locate)


@_chapter.operation(
    "mySoftwareLicense_upload", "POST", _LICENSE, entitlements=_WRITE, answer=License, status=201,
    upload=bundle_documents.LARGEST, keep=True,
)  # fmt: skip
@_chapter.operation(
    "mySoftwareLicense_uploadFile", "POST", f"{_LICENSE}/{{fileName}}", entitlements=_WRITE, answer=License,
    status=201, upload=bundle_documents.LARGEST, keep=True,
)  # fmt: skip
def license_upload(call: Call) -> Message:
    """Give a bundle its licence (text or HTML); one before is replaced."""
    name = call.request.path_params.get("fileName")
    row = _put_document(call, bundle_documents.LICENSE, str(name) if name else None)
    return representations.license_of(row)


@_chapter.operation("mySoftwareLicense_download", "GET", _LICENSE, entitlements=_READ)
def license_fetch(call: Call) -> Response:
    """Download a bundle's licence."""
    return _fetch_document(call, bundle_documents.LICENSE, "lid")


@_chapter.operation("mySoftwareLicense_delete", "DELETE", _LICENSE, entitlements=_WRITE, status=204)
def license_delete(call: Call) -> None:
    """Take the licence from a bundle."""
    row = find_bundle(call)
    document = bundle_documents.find(row, bundle_documents.LICENSE, call.number("lid"))
    call.sweep(bundle_documents.remove(call.session, row, document))


@_chapter.operation(
    "mySoftwareLogo_upload", "POST", f"{_LOGO}/{{fileName}}", entitlements=_READ, answer=Logo, status=201,
    upload=bundle_documents.LARGEST, keep=True,
)  # fmt: skip
def logo_upload(call: Call) -> Message:
    """Give a bundle a logo; one before is replaced."""
    row = _put_document(call, bundle_documents.LOGO, str(call.request.path_params["fileName"]))
    return representations.logo_of(row)


@_chapter.operation("mySoftwareLogo_download", "GET", _LOGO)
@_chapter.operation("mySoftwareLogo_downloadFile", "GET", f"{_LOGO}/{{fileName}}")
def logo_fetch(call: Call) -> Response:
    """Download a bundle's logo."""
    return _fetch_document(call, bundle_documents.LOGO, "logoId")


@_chapter.operation("mySoftwareLogo_delete", "DELETE", _LOGO, entitlements=_READ, status=204)
def logo_delete(call: Call) -> None:
    """Take the logo from a bundle."""
    row = find_bundle(call)
    document = bundle_documents.find(row, bundle_documents.LOGO, call.number("logoId"))
    call.sweep(bundle_documents.remove(call.session, row, document))


@_component.operation(
    "applianceMySoftware_getAll",
    "GET",
    "/users/{uid}/appliances/{aid}/mysoftware",
    entitlements=_READ,
    answer=MySoftwareList,
)
def of_appliance_get_all(call: Call) -> Message:
    """The bundles of an appliance, in their order."""
    appliance = find_appliance(call)
    statement = (
        select(tables.ApplianceBundle)
        .where(tables.ApplianceBundle.appliance_id == appliance.id)
        .order_by(tables.ApplianceBundle.position)
        .options(joinedload(tables.ApplianceBundle.bundle).options(lazyload(tables.Bundle.artifacts)))
    )
    entries = list(call.session.scalars(statement).unique())
    shown = _represent(call, [entry.bundle for entry in entries])
    for entry, message in zip(entries, shown, strict=True):
        message.install_location = entry.install_location
    return MySoftwareList(total=len(shown), my_software_list=shown)


@_component.operation(
    "applianceProject_getAll",
    "GET",
    "/users/{uid}/appliances/{aid}/projects",
    entitlements=_READ,
    answer=Projects,
)
def projects_of_appliance_get_all(call: Call) -> Message:
    """The projects of an appliance: this server's organisations have none, bundles belong to users."""
    find_appliance(call)
    return Projects(total=0, projects=[])
