"""Imports of appliances from archives, and exports as archives."""

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, contains_eager
from starlette.responses import Response

from ingot.api.downloads.response import Downloadable
from ingot.api.downloads.room import download
from ingot.api.listing import QUERY_PARAMETERS, Listing, flag
from ingot.api.operation import Call, Chapter
from ingot.api.operations.appliance import find_appliance
from ingot.api.representations import transfers as representations
from ingot.messages.appliance import ApplianceExport, ApplianceExports, ApplianceImport, ApplianceImports
from ingot.messages.base import Message, OpStatus
from ingot.messages.common import OpStatuses
from ingot.services import appliance_exports, appliance_imports
from ingot.store import tables

_chapter = Chapter("applianceimportandexport")
CHAPTERS = (_chapter,)
_DESIGN = ("appliance_create",)
_IMPORTS = "/users/{uid}/imports"
_IMPORT = f"{_IMPORTS}/{{iid}}"
_EXPORTS = "/users/{uid}/appliances/{aid}/exports"
_EXPORT = f"{_EXPORTS}/{{eid}}"

_IMPORT_LIST = Listing(
    fields={
        "dbId": tables.ApplianceImport.id,
        "created": tables.ApplianceImport.created,
        "imported": tables.ApplianceImport.imported,
        "size": tables.ApplianceImport.size,
    },
    order=(tables.ApplianceImport.id.desc(),),
)
_EXPORT_LIST = Listing(
    fields={
        "dbId": tables.ApplianceExport.id,
        "created": tables.ApplianceExport.created,
        "applianceName": tables.Appliance.name,
        "applianceVersion": tables.Appliance.version,
    },
    order=(tables.ApplianceExport.id.desc(),),
)
_MOST_STATUSES = 1000


def _import(call: Call) -> tables.ApplianceImport:
    return appliance_imports.find(call.session, call.owner, call.number("iid"))


def _export(call: Call) -> tables.ApplianceExport:
    return appliance_exports.find(call.session, find_appliance(call), call.number("eid"))


def _wanted(call: Call, parameter: str) -> list[int]:
    return [int(text) for text in call.query.getlist(parameter) if text.isdecimal() and len(text) < 10]


@_chapter.operation(
    "appliance_import",
    "POST",
    _IMPORTS,
    entitlements=_DESIGN,
    answer=ApplianceImport,
    status=201,
    query=("force", "imported", "reuseBundles", "useMajor"),
)
def import_create(call: Call) -> Message:
    """Announce the import of an archive; upload it next. `force` replaces an appliance of that name and version."""
    flags = appliance_imports.Flags(
        imported=flag(call.query, "imported"),
        force=flag(call.query, "force"),
        reuse_bundles=flag(call.query, "reuseBundles"),
        use_major=flag(call.query, "useMajor"),
    )
    return representations.appliance_import(appliance_imports.create(call.session, call.owner, flags))


@_chapter.operation(
    "applianceImport_upload",
    "POST",
    f"{_IMPORT}/uploads",
    entitlements=_DESIGN,
    answer=OpStatus,
    status=201,
    stream=True,
)
def import_upload(call: Call) -> Message:
    """Upload the archive (tar, tar.gz, tar.bz2, tar.xz or zip) of an import, which then begins."""
    row = _import(call)
    appliance_imports.refuse_second(row)
    appliance_imports.set_archive(call.session, row, call.keep_received())
    return representations.import_status(row)


@_chapter.operation("applianceImport_get", "GET", _IMPORT, entitlements=_DESIGN, answer=ApplianceImport)
def import_get(call: Call) -> Message:
    """An import, with the appliance that it made."""
    return representations.appliance_import(_import(call))


@_chapter.operation(
    "applianceImport_getAll", "GET", _IMPORTS, entitlements=_DESIGN, answer=ApplianceImports, query=QUERY_PARAMETERS
)
def import_get_all(call: Call) -> Message:
    """The imports of a user, newest first."""
    statement = select(tables.ApplianceImport).where(tables.ApplianceImport.owner_id == call.owner.id)
    rows, total = _IMPORT_LIST.page(call.session, statement, call.query)
    return ApplianceImports(total=total, appliance_imports=[representations.appliance_import(row) for row in rows])


@_chapter.operation("applianceImportStatus_get", "GET", f"{_IMPORT}/status", entitlements=_DESIGN, answer=OpStatus)
def import_status_get(call: Call) -> Message:
    """Where an import is."""
    return representations.import_status(_import(call))


@_chapter.operation(
    "applianceImport_getAllStatus",
    "GET",
    f"{_IMPORTS}/statuses",
    entitlements=_DESIGN,
    answer=OpStatuses,
    query=("ai",),
)
def import_statuses_get(call: Call) -> Message:
    """Where a user's imports are, newest first: those of the ids `ai`, or the latest."""
    statement = select(tables.ApplianceImport).where(tables.ApplianceImport.owner_id == call.owner.id)
    if call.query.getlist("ai"):
        statement = statement.where(tables.ApplianceImport.id.in_(_wanted(call, "ai")))
    rows = call.session.scalars(statement.order_by(tables.ApplianceImport.id.desc()).limit(_MOST_STATUSES)).unique()
    statuses = [representations.import_status(row) for row in rows]
    return OpStatuses(total=len(statuses), statuses=statuses)


@_chapter.operation("applianceImport_delete", "DELETE", _IMPORT, entitlements=_DESIGN, status=204)
def import_delete(call: Call) -> None:
    """Forget an import; one that runs is cancelled. What it made stays."""
    call.sweep(appliance_imports.delete(call.session, _import(call)))


@_chapter.operation(
    "appliance_export",
    "POST",
    _EXPORTS,
    entitlements=_DESIGN,
    answer=ApplianceExport,
    status=201,
    query=("outputFormat",),
)
def export_create(call: Call) -> Message:
    """Export an appliance as an archive that can be imported; its template is YAML, or JSON with outputFormat=json."""
    row = appliance_exports.create(call.session, find_appliance(call), call.query.get("outputFormat") or "yaml")
    return representations.appliance_export(row)


@_chapter.operation("applianceExport_get", "GET", _EXPORT, entitlements=_DESIGN, answer=ApplianceExport)
def export_get(call: Call) -> Message:
    """An export."""
    return representations.appliance_export(_export(call))


@_chapter.operation(
    "applianceExport_getAll",
    "GET",
    "/users/{uid}/exports",
    entitlements=_DESIGN,
    answer=ApplianceExports,
    query=QUERY_PARAMETERS,
)
def export_get_all(call: Call) -> Message:
    """The exports of a user's appliances, newest first."""
    rows, total = _EXPORT_LIST.page(call.session, _exports_of(call), call.query)
    return ApplianceExports(total=total, appliance_exports=[representations.appliance_export(row) for row in rows])


@_chapter.operation("applianceExportStatus_get", "GET", f"{_EXPORT}/status", entitlements=_DESIGN, answer=OpStatus)
def export_status_get(call: Call) -> Message:
    """Where an export is."""
    return representations.export_status(_export(call))


@_chapter.operation(
    "applianceExport_getAllStatus",
    "GET",
    "/users/{uid}/exports/statuses",
    entitlements=_DESIGN,
    answer=OpStatuses,
    query=("ae",),
)
def export_statuses_get(call: Call) -> Message:
    """Where the exports of a user's appliances are, newest first: those of the ids `ae`, or the latest."""
    statement = _exports_of(call)
    if call.query.getlist("ae"):
        statement = statement.where(tables.ApplianceExport.id.in_(_wanted(call, "ae")))
    rows = call.session.scalars(statement.order_by(tables.ApplianceExport.id.desc()).limit(_MOST_STATUSES)).unique()
    statuses = [representations.export_status(row) for row in rows]
    return OpStatuses(total=len(statuses), statuses=statuses)


@_chapter.operation("applianceExport_cancel", "DELETE", f"{_EXPORT}/status", entitlements=_DESIGN, status=204)
def export_cancel(call: Call) -> None:
    """Cancel an export."""
    appliance_exports.cancel(call.session, _export(call))


@_chapter.operation("applianceExport_delete", "DELETE", _EXPORT, entitlements=_DESIGN, status=204)
def export_delete(call: Call) -> None:
    """Delete an export and its archive."""
    call.sweep(appliance_exports.delete(call.session, _export(call)))


@_chapter.operation("applianceExport_download", "GET", f"{_EXPORT}/downloads", entitlements=_DESIGN)
def export_fetch(call: Call) -> Response:
    """Download the archive of an export."""

    def locate(_session: Session, _owner: tables.User | None) -> Downloadable:
        row = _export(call)
        appliance_exports.require_downloadable(row)
        return Downloadable(
            kind=appliance_exports.JOB,
            object_id=row.id,
            owner_id=row.appliance.owner_id,
            file_name=appliance_exports.file_name(row),
            artifacts=call.server.artifacts,
            size=row.size or 0,
            sha256=row.sha256 or "",
            last_modified=row.last_modified,
        )

    return download(call, locate)


def _exports_of(call: Call) -> Select[tables.ApplianceExport]:
    return (
        select(tables.ApplianceExport)
        .join(tables.Appliance, tables.ApplianceExport.appliance_id == tables.Appliance.id)
        .where(tables.Appliance.owner_id == call.owner.id)
        .options(contains_eager(tables.ApplianceExport.appliance))
    )
