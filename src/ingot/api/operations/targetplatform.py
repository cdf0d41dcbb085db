"""Target platforms of an organisation."""

from typing import Any

from sqlalchemy import Select, select
from starlette.responses import Response

from ingot.api import logos as pictures
from ingot.api.listing import QUERY_PARAMETERS, Listing
from ingot.api.operation import Call, Chapter
from ingot.api.organisations import find_organisation
from ingot.api.representations import catalogue
from ingot.messages.base import Message
from ingot.messages.common import Logo
from ingot.messages.target import TargetFormat, TargetFormats, TargetPlatform, TargetPlatforms
from ingot.services import formats, logos, platforms
from ingot.services.errors import InvalidError
from ingot.store import tables

_chapter = Chapter("targetplatform")
CHAPTERS = (_chapter,)
_ADMINISTER = ("org_formats_administrate",)
_ALL = "/orgs/{oid}/targetplatforms"
_ONE = f"{_ALL}/{{tpid}}"
_LOGO = f"{_ONE}/logo/{{logoId}}"

_LISTING = Listing(
    fields={
        "name": tables.TargetPlatform.name,
        "type": tables.TargetPlatform.type,
        "dbId": tables.TargetPlatform.id,
        "active": tables.TargetPlatform.active,
    },
    order=(tables.TargetPlatform.name, tables.TargetPlatform.id),
)


def _of_organisation(call: Call) -> Select[Any]:
    return select(tables.TargetPlatform).where(tables.TargetPlatform.organisation_id == find_organisation(call).id)


def _platform(call: Call) -> tables.TargetPlatform:
    return platforms.find(call.session, find_organisation(call), call.number("tpid"))


@_chapter.operation(
    "targetPlatform_getAll", "GET", _ALL, entitlements=_ADMINISTER, answer=TargetPlatforms, query=QUERY_PARAMETERS
)
def get_all(call: Call) -> Message:
    """The platforms of an organisation, also those that it does not offer."""
    rows, total = _LISTING.page(call.session, _of_organisation(call), call.query)
    return TargetPlatforms(total=total, target_platforms=[catalogue.target_platform(row) for row in rows])


@_chapter.operation("targetPlatform_get", "GET", _ONE, answer=TargetPlatform)
def get(call: Call) -> Message:
    """A platform."""
    return catalogue.target_platform(_platform(call))


@_chapter.operation(
    "targetPlatform_create",
    "POST",
    _ALL,
    entitlements=_ADMINISTER,
    body=TargetPlatform,
    answer=TargetPlatform,
    status=201,
)
def create(call: Call) -> Message:
    """Offer a platform under a new name."""
    return catalogue.target_platform(
        platforms.create(call.session, find_organisation(call), call.body(TargetPlatform))
    )


@_chapter.operation(
    "targetPlatform_update", "PUT", _ONE, entitlements=_ADMINISTER, body=TargetPlatform, answer=TargetPlatform
)
def update(call: Call) -> Message:
    """Change a platform: its name, and whether it is offered."""
    row = _platform(call)
    platforms.change(call.session, find_organisation(call), row, call.body(TargetPlatform))
    return catalogue.target_platform(row)


@_chapter.operation(
    "targetPlatform_updateAccess", "PUT", _ALL, entitlements=_ADMINISTER, body=TargetPlatforms, answer=TargetPlatforms
)
def update_access(call: Call) -> Message:
    """Say which of the named platforms an organisation offers."""
    rows = platforms.set_active(call.session, find_organisation(call), call.body(TargetPlatforms).target_platforms)
    return TargetPlatforms(total=len(rows), target_platforms=[catalogue.target_platform(row) for row in rows])


@_chapter.operation("targetPlatform_delete", "DELETE", _ONE, entitlements=_ADMINISTER, status=204)
def delete(call: Call) -> None:
    """Delete a platform without accounts."""
    call.sweep(platforms.remove(call.session, _platform(call)))


@_chapter.operation(
    "targetPlatform_getAllFormats", "GET", f"{_ONE}/targetformats", entitlements=_ADMINISTER, answer=TargetFormats
)
def formats_get_all(call: Call) -> Message:
    """The target formats that are published to a platform."""
    rows = _platform(call).formats
    return TargetFormats(total=len(rows), target_formats=[catalogue.target_format(row) for row in rows])


@_chapter.operation(
    "targetPlatform_addFormat",
    "POST",
    f"{_ONE}/targetformats",
    entitlements=_ADMINISTER,
    body=TargetFormat,
    answer=TargetFormat,
    status=201,
)
def formats_add(call: Call) -> Message:
    """Have a target format, which is named by its dbId, be published to a platform."""
    number = call.body(TargetFormat).db_id
    if number is None:
        raise InvalidError("The target format's dbId is missing.")
    row = formats.find(call.session, find_organisation(call), number)
    platforms.link(call.session, _platform(call), row)
    return catalogue.target_format(row)


@_chapter.operation(
    "targetPlatform_removeFormat", "DELETE", f"{_ONE}/targetformats/{{tfid}}", entitlements=_ADMINISTER, status=204
)
def formats_remove(call: Call) -> None:
    """Have a target format not be published to a platform any more."""
    row = formats.find(call.session, find_organisation(call), call.number("tfid"))
    platforms.unlink(call.session, _platform(call), row)


@_chapter.operation(
    "targetPlatformLogo_upload",
    "POST",
    f"{_LOGO}/{{fileName}}",
    entitlements=_ADMINISTER,
    answer=Logo,
    status=201,
    upload=logos.LARGEST,
    keep=True,
)
def logo_upload(call: Call) -> Message:
    """Give a platform a logo. The logo's id in the path is any number."""
    row = _platform(call)
    pictures.upload(call, row)
    return catalogue.logo(row, f"orgs/{row.organisation_id}/targetplatforms/{row.id}")


@_chapter.operation("targetPlatformLogo_delete", "DELETE", _LOGO, entitlements=_ADMINISTER, status=204)
def logo_delete(call: Call) -> None:
    """Take the logo from a platform."""
    pictures.remove(call, _platform(call))


@_chapter.operation("targetPlatformLogo_download", "GET", _LOGO)
@_chapter.operation("targetPlatformLogo_downloadFile", "GET", f"{_LOGO}/{{fileName}}")
def logo_fetch(call: Call) -> Response:
    """Download the logo of a platform."""
    return pictures.fetch(call, _platform(call))
