"""Imports of bundles from archives, and exports as archives."""

from sqlalchemy.orm import Session
from starlette.responses import Response

from ingot.api.downloads.response import Downloadable
from ingot.api.downloads.room import download
from ingot.api.listing import flag
from ingot.api.operation import Call, Chapter
from ingot.api.operations.mysoftware import BASE, find_bundle
from ingot.api.representations import bundle_transfers as representations
from ingot.messages.base import Message, OpStatus
from ingot.messages.software import SoftwareBundleExport, SoftwareBundleImport
from ingot.services import bundle_transfers
from ingot.store import tables

_chapter = Chapter("usersoftwarelibrary")
CHAPTERS = (_chapter,)
_READ = ("appliance_create",)
_WRITE = ("software_upload",)
_IMPORTS = "/users/{uid}/bundleimports"
_IMPORT = f"{_IMPORTS}/{{sbid}}"
_EXPORTS = f"{BASE}/exports"
_EXPORT = f"{_EXPORTS}/{{eid}}"


def _import(call: Call) -> tables.BundleImport:
    return bundle_transfers.find_import(call.session, call.owner, call.number("sbid"))


def _export(call: Call) -> tables.BundleExport:
    return bundle_transfers.find_export(call.session, find_bundle(call), call.number("eid"))


@_chapter.operation(
    "softwareBundle_import", "POST", _IMPORTS, entitlements=_READ, answer=SoftwareBundleImport, status=201,
    query=("imported",),
)  # fmt: skip
def import_create(call: Call) -> Message:
    """Announce the import of an archive; upload it next."""
    row = bundle_transfers.create_import(call.session, call.owner, imported=flag(call.query, "imported"))
    return representations.bundle_import(row)


@_chapter.operation("softwareBundleImport_get", "GET", _IMPORT, entitlements=_READ, answer=SoftwareBundleImport)
def import_get(call: Call) -> Message:
    """An import, with the bundle that it made."""
    return representations.bundle_import(_import(call))


@_chapter.operation(
    "softwareBundleImport_upload", "POST", f"{_IMPORT}/uploads", entitlements=_READ, answer=OpStatus, status=201,
    stream=True,
)  # fmt: skip
def import_upload(call: Call) -> Message:
    """Upload the archive (tar, tar.gz, tar.bz2, tar.xz or zip) of an import, which then begins."""
    row = _import(call)
    bundle_transfers.refuse_second(row)
    bundle_transfers.set_archive(call.session, row, call.keep_received())
    return representations.import_status(row)


@_chapter.operation("softwareBundleImportStatus_get", "GET", f"{_IMPORT}/status", entitlements=_READ, answer=OpStatus)
def import_status_get(call: Call) -> Message:
    """Where an import is."""
    return representations.import_status(_import(call))


@_chapter.operation(
    "mySoftware_export", "POST", _EXPORTS, entitlements=_WRITE, answer=SoftwareBundleExport, status=201,
    query=("outputFormat",),
)  # fmt: skip
def export_create(call: Call) -> Message:
    """Export a bundle as an archive that can be imported; its document is YAML, or JSON with outputFormat=json."""
    row = bundle_transfers.create_export(call.session, find_bundle(call), call.query.get("outputFormat") or "yaml")
    return representations.bundle_export(row)


@_chapter.operation("mySoftwareExportStatus_get", "GET", f"{_EXPORT}/status", entitlements=_WRITE, answer=OpStatus)
def export_status_get(call: Call) -> Message:
    """Where an export is."""
    return representations.export_status(_export(call))


@_chapter.operation("mySoftwareExport_delete", "DELETE", _EXPORT, entitlements=_WRITE, status=204)
def export_delete(call: Call) -> None:
    """Delete an export and its archive; one that runs is cancelled."""
    call.sweep(bundle_transfers.delete_export(call.session, _export(call)))


@_chapter.operation("mySoftwareExport_download", "GET", f"{_EXPORT}/downloads", entitlements=_WRITE)
def export_fetch(call: Call) -> Response:
    """Download the archive of an export."""

    def locate(_session: Session, _owner: tables.User | None) -> Downloadable:
        row = _export(call)
        bundle_transfers.require_downloadable(row)
        return Downloadable(
            kind=bundle_transfers.EXPORT_JOB,
            object_id=row.id,
            owner_id=row.bundle.owner_id,
            file_name=bundle_transfers.file_name(row),
            artifacts=call.server.artifacts,
            size=row.size or 0,
            sha256=row.sha256 or "",
            last_modified=row.last_modified,
        )

    return download(call, locate)
