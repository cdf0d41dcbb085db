"""Boot scripts of appliances."""

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from ingot.api.downloads.response import Downloadable
from ingot.api.downloads.room import download
from ingot.api.listing import QUERY_PARAMETERS, Listing
from ingot.api.operation import Call, Chapter
from ingot.api.operations.appliance import find_appliance
from ingot.api.representations import appliances as representations
from ingot.messages.base import Message
from ingot.messages.software import BootScript, BootScripts
from ingot.services import boot_scripts
from ingot.services.errors import InvalidError, NotFoundError
from ingot.store import tables

_chapter = Chapter("applianceconfiguration")
CHAPTERS = (_chapter,)
_DESIGN = ("appliance_create",)
_BASE = "/users/{uid}/appliances/{aid}/bootscripts"
_ONE = f"{_BASE}/{{bsid}}"
_KIND = "boot-script"

_BOOT_SCRIPTS = Listing(
    fields={
        "name": tables.BootScript.name,
        "dbId": tables.BootScript.id,
        "bootType": tables.BootScript.boot_type,
        "bootOrder": tables.BootScript.boot_order,
        "created": tables.BootScript.created,
    },
    order=(tables.BootScript.boot_order, tables.BootScript.name),
)


@_chapter.operation(
    "applianceBootScript_create",
    "POST",
    _BASE,
    entitlements=_DESIGN,
    body=BootScript,
    answer=BootScript,
    status=201,
)
def create(call: Call) -> Message:
    """Announce a boot script; upload its content next."""
    row, message = find_appliance(call), call.body(BootScript)
    script = boot_scripts.create(
        call.session, row, name=message.name, boot_type=message.boot_type, boot_order=message.boot_order
    )
    return representations.boot_script(script, row)


@_chapter.operation(
    "applianceBootScript_getAll", "GET", _BASE, entitlements=_DESIGN, answer=BootScripts, query=QUERY_PARAMETERS
)
def get_all(call: Call) -> Message:
    """The boot scripts of an appliance, in the order they run."""
    row = find_appliance(call)
    statement = select(tables.BootScript).where(tables.BootScript.appliance_id == row.id)
    scripts, total = _BOOT_SCRIPTS.page(call.session, statement, call.query)
    return BootScripts(total=total, boot_scripts=[representations.boot_script(script, row) for script in scripts])


@_chapter.operation("applianceBootScript_get", "GET", _ONE, entitlements=_DESIGN, answer=BootScript)
def get(call: Call) -> Message:
    """A boot script."""
    row = find_appliance(call)
    return representations.boot_script(boot_scripts.find(row, call.number("bsid")), row)


@_chapter.operation(
    "applianceBootScript_update", "PUT", _ONE, entitlements=_DESIGN, body=BootScript, answer=BootScript
)
def update(call: Call) -> Message:
    """Change a boot script's name, time or order; another `md5sum` drops the content, which is uploaded again next."""
    row, message = find_appliance(call), call.body(BootScript)
    script = boot_scripts.find(row, call.number("bsid"))
    dropped = boot_scripts.update(
        call.session,
        row,
        script,
        name=message.name,
        boot_type=message.boot_type,
        boot_order=message.boot_order,
        md5=message.md5sum,
    )
    call.sweep({dropped} if dropped else set())
    return representations.boot_script(script, row)


@_chapter.operation(
    "applianceBootScript_upload",
    "POST",
    f"{_ONE}/bin/{{fileName}}",
    entitlements=_DESIGN,
    answer=BootScript,
    status=201,
    upload=boot_scripts.LARGEST,
    keep=True,
)
def upload(call: Call) -> Message:
    """Upload a boot script's content; one before is replaced."""
    content = call.keep_received()
    row = find_appliance(call)
    script = boot_scripts.find(row, call.number("bsid"))
    if not call.content:
        raise InvalidError(f"The content of boot script {script.name} is empty.")
    file_name = str(call.request.path_params["fileName"])
    before = boot_scripts.set_content(call.session, row, script, file_name, content)
    call.sweep({before} if before else set())
    return representations.boot_script(script, row)


@_chapter.operation("applianceBootScript_delete", "DELETE", _ONE, entitlements=_DESIGN, status=204)
def delete(call: Call) -> None:
    """Remove a boot script."""
    row = find_appliance(call)
    _remove(call, row, [boot_scripts.find(row, call.number("bsid"))])


@_chapter.operation(
    "applianceBootScript_deleteAll", "DELETE", _BASE, entitlements=_DESIGN, status=204, query=("id", "name", "type")
)
def delete_all(call: Call) -> None:
    """Remove the boot scripts of the given ids, names or types, or all of them."""
    row = find_appliance(call)
    ids, names, types = (set(call.query.getlist(name)) for name in ("id", "name", "type"))
    _remove(
        call,
        row,
        [
            script
            for script in row.boot_scripts
            if (not ids or str(script.id) in ids)
            and (not names or script.name in names)
            and (not types or script.boot_type in types)
        ],
    )


def _remove(call: Call, row: tables.Appliance, scripts: list[tables.BootScript]) -> None:
    call.sweep({script.sha256 for script in scripts if script.sha256})
    for script in scripts:
        boot_scripts.remove(call.session, row, script)


@_chapter.operation("applianceBootScript_download", "GET", f"{_ONE}/bin", query=("downloadId",), authenticated=False)
@_chapter.operation(
    "applianceBootScript_downloadFile",
    "GET",
    f"{_ONE}/bin/{{fileName}}",
    query=("downloadId",),
    authenticated=False,
)
def fetch(call: Call) -> Response:
    """Download a boot script's content."""

    def locate(session: Session, owner: tables.User | None) -> Downloadable:
        script = session.get(tables.BootScript, call.number("bsid"))
        appliance = session.get(tables.Appliance, call.number("aid"))
        if (
            script is None
            or appliance is None
            or script.appliance_id != appliance.id
            or appliance.owner.login != call.request.path_params["uid"]
            or (owner is not None and appliance.owner_id != owner.id)
        ):
            raise NotFoundError("There is no such boot script.", message_id="ERROR.BOOTSCRIPT.NOT_FOUND")
        if script.sha256 is None:
            raise NotFoundError(f"Boot script {script.name} has no content yet: upload it first.")
        return Downloadable(
            kind=_KIND,
            object_id=script.id,
            owner_id=appliance.owner_id,
            file_name=script.file_name or script.name,
            artifacts=call.server.artifacts,
            size=script.size or 0,
            sha256=script.sha256,
            last_modified=script.uploaded or script.last_modified,
        )

    return download(call, locate)
