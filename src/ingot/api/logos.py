"""Logos of target formats and platforms: everybody who logs in sees them, administrators change them."""

from starlette.responses import Response

from ingot.api.downloads.response import Downloadable
from ingot.api.downloads.room import serve
from ingot.api.operation import Call
from ingot.services import logos
from ingot.services.errors import NotFoundError
from ingot.store import tables

Bearer = tables.TargetFormat | tables.TargetPlatform


def upload(call: Call, row: Bearer) -> None:
    """Give it the logo in the body; one before is replaced."""
    call.number("logoId")
    name = str(call.request.path_params["fileName"])
    call.sweep(logos.put_shared(call.session, row, name, call.keep_received()))


def remove(call: Call, row: Bearer) -> None:
    """Take its logo."""
    _require_logo(call, row)
    call.sweep(logos.remove_shared(call.session, row))


def fetch(call: Call, row: Bearer) -> Response:
    """Its logo."""
    _require_logo(call, row)
    file = Downloadable(
        kind="logo",
        object_id=row.id,
        owner_id=call.user.id,
        file_name=row.logo_name or "",
        artifacts=call.server.artifacts,
        size=row.logo_size or 0,
        sha256=row.logo_sha256 or "",
        last_modified=row.last_modified,
    )
    return serve(call, file)


def _require_logo(call: Call, row: Bearer) -> None:
    name = call.request.path_params.get("fileName", row.logo_name)
    if row.logo_sha256 is None or call.number("logoId") != row.id or name != row.logo_name:
        raise NotFoundError(f"{row.name} has no such logo.", message_id="ERROR.LOGO.NOT_FOUND")
