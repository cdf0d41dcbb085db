"""Target formats of an organisation, and the image formats underneath."""

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
from ingot.messages.target import ImageFormats, TargetFormat, TargetFormats, TargetPlatform, TargetPlatforms
from ingot.services import formats, logos, platforms
from ingot.services.errors import InvalidError
from ingot.store import tables

_chapter = Chapter("targetformat")
CHAPTERS = (_chapter,)
_ADMINISTER = ("org_formats_administrate",)
_ALL = "/orgs/{oid}/targetformats"
_ONE = f"{_ALL}/{{tfid}}"
_LOGO = f"{_ONE}/logo/{{logoId}}"

LISTING = Listing(
    fields={
        "name": tables.TargetFormat.name,
        "format.name": tables.TargetFormat.format,
        "category.name": tables.TargetFormat.category,
        "type": tables.TargetFormat.type,
        "dbId": tables.TargetFormat.id,
        "active": tables.TargetFormat.active,
    },
    order=(tables.TargetFormat.name, tables.TargetFormat.id),
)
_PRIMITIVES = Listing(fields={"name": tables.TargetFormat.format}, order=(tables.TargetFormat.format,))


def _of_organisation(call: Call) -> Select[Any]:
    return select(tables.TargetFormat).where(tables.TargetFormat.organisation_id == find_organisation(call).id)


def _format(call: Call) -> tables.TargetFormat:
    return formats.find(call.session, find_organisation(call), call.number("tfid"))


@_chapter.operation(
    "targetFormat_getAll", "GET", _ALL, entitlements=_ADMINISTER, answer=TargetFormats, query=QUERY_PARAMETERS
)
def get_all(call: Call) -> Message:
    """The target formats of an organisation, also those that it does not offer."""
    rows, total = LISTING.page(call.session, _of_organisation(call), call.query)
    return TargetFormats(total=total, target_formats=[catalogue.target_format(row) for row in rows])


@_chapter.operation("targetFormat_get", "GET", _ONE, answer=TargetFormat)
def get(call: Call) -> Message:
    """A target format."""
    return catalogue.target_format(_format(call))


@_chapter.operation(
    "targetFormat_create", "POST", _ALL, entitlements=_ADMINISTER, body=TargetFormat, answer=TargetFormat, status=201
)
def create(call: Call) -> Message:
    """Offer an image format under a new name."""
    return catalogue.target_format(formats.create(call.session, find_organisation(call), call.body(TargetFormat)))


@_chapter.operation(
    "targetFormat_update", "PUT", _ONE, entitlements=_ADMINISTER, body=TargetFormat, answer=TargetFormat
)
def update(call: Call) -> Message:
    """Change a target format: its name, category, type, whether it is offered."""
    row = _format(call)
    formats.change(call.session, find_organisation(call), row, call.body(TargetFormat))
    return catalogue.target_format(row)


@_chapter.operation(
    "targetFormat_updateAccess", "PUT", _ALL, entitlements=_ADMINISTER, body=TargetFormats, answer=TargetFormats
)
def update_access(call: Call) -> Message:
    """Say which of the named target formats an organisation offers."""
    rows = formats.set_active(call.session, find_organisation(call), call.body(TargetFormats).target_formats)
    return TargetFormats(total=len(rows), target_formats=[catalogue.target_format(row) for row in rows])


@_chapter.operation("targetFormat_delete", "DELETE", _ONE, entitlements=_ADMINISTER, status=204)
def delete(call: Call) -> None:
    """Delete a target format without images."""
    call.sweep(formats.remove(call.session, _format(call)))


@_chapter.operation(
    "targetFormat_getAllTargetPlatforms",
    "GET",
    f"{_ONE}/targetplatforms",
    entitlements=_ADMINISTER,
    answer=TargetPlatforms,
)
def platforms_get_all(call: Call) -> Message:
    """The platforms that a target format is published to."""
    rows = _format(call).platforms
    return TargetPlatforms(total=len(rows), target_platforms=[catalogue.target_platform(row) for row in rows])


@_chapter.operation(
    "targetFormat_addTargetPlatform",
    "POST",
    f"{_ONE}/targetplatforms",
    entitlements=_ADMINISTER,
    body=TargetPlatform,
    answer=TargetPlatform,
    status=201,
)
def platforms_add(call: Call) -> Message:
    """Have a target format be published to a platform, which is named by its dbId."""
    number = call.body(TargetPlatform).db_id
    if number is None:
        raise InvalidError("The target platform's dbId is missing.")
    platform = platforms.find(call.session, find_organisation(call), number)
    platforms.link(call.session, platform, _format(call))
    return catalogue.target_platform(platform)


@_chapter.operation(
    "targetFormat_removeTargetPlatform",
    "DELETE",
    f"{_ONE}/targetplatforms/{{tpid}}",
    entitlements=_ADMINISTER,
    status=204,
)
def platforms_remove(call: Call) -> None:
    """Have a target format not be published to a platform any more."""
    platform = platforms.find(call.session, find_organisation(call), call.number("tpid"))
    platforms.unlink(call.session, platform, _format(call))


@_chapter.operation(
    "primitiveFormat_getAll",
    "GET",
    "/orgs/{oid}/formats",
    entitlements=_ADMINISTER,
    answer=ImageFormats,
    query=QUERY_PARAMETERS,
)
def primitives_get_all(call: Call) -> Message:
    """The image formats underneath; active are those of which a target format is offered."""
    return _primitives(call)


def _primitives(call: Call) -> ImageFormats:
    statement = _of_organisation(call).with_only_columns(tables.TargetFormat.format).distinct()
    names, total = _PRIMITIVES.page(call.session, statement, call.query)
    offered = set(
        call.session.scalars(
            _of_organisation(call).with_only_columns(tables.TargetFormat.format).where(tables.TargetFormat.active)
        )
    )
    return ImageFormats(
        total=total, image_formats=[catalogue.image_format(name, active=name in offered) for name in names]
    )


@_chapter.operation(
    "primitiveFormat_update",
    "PUT",
    "/orgs/{oid}/formats",
    entitlements=_ADMINISTER,
    body=ImageFormats,
    answer=ImageFormats,
)
def primitives_update(call: Call) -> Message:
    """Say which image formats an organisation offers: all target formats made of them follow."""
    formats.set_primitive_access(call.session, find_organisation(call), call.body(ImageFormats).image_formats)
    return _primitives(call)


@_chapter.operation(
    "targetFormatLogo_upload",
    "POST",
    f"{_LOGO}/{{fileName}}",
    entitlements=_ADMINISTER,
    answer=Logo,
    status=201,
    upload=logos.LARGEST,
    keep=True,
)
def logo_upload(call: Call) -> Message:
    """Give a target format a logo. The logo's id in the path is any number."""
    row = _format(call)
    pictures.upload(call, row)
    return catalogue.logo(row, f"orgs/{row.organisation_id}/targetformats/{row.id}")


@_chapter.operation("targetFormatLogo_delete", "DELETE", _LOGO, entitlements=_ADMINISTER, status=204)
def logo_delete(call: Call) -> None:
    """Take the logo from a target format."""
    pictures.remove(call, _format(call))


@_chapter.operation("targetFormatLogo_download", "GET", _LOGO)
@_chapter.operation("targetFormatLogo_downloadFile", "GET", f"{_LOGO}/{{fileName}}")
def logo_fetch(call: Call) -> Response:
    """Download the logo of a target format."""
    return pictures.fetch(call, _format(call))
