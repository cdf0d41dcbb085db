"""Exports of appliances as archives, in the form that imports take."""

import datetime as dt
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.services import attempts, bundle_model
from ingot.services.archive_names import plain_name, put
from ingot.services.bundle_transfers import archived
from ingot.services.errors import ConflictError, InvalidError, NotFoundError
from ingot.services.templates import template_of
from ingot.store.artifacts import StoredArtifact
from ingot.store.tables import Appliance, ApplianceExport

#: The kind of its jobs and of its downloads.
JOB = "export-appliance"
FORMATS = ("yaml", "json")
_AT_ONCE = 100


def find(session: Session, appliance: Appliance, export_id: int) -> ApplianceExport:
    """An export of an appliance."""
    row = session.get(ApplianceExport, export_id)
    if row is None or row.appliance_id != appliance.id:
        raise NotFoundError(
            f"Appliance {appliance.name} has no export {export_id}.",
            str(export_id),
            message_id="ERROR.EXPORT.NOT_FOUND",
        )
    return row


def create(session: Session, appliance: Appliance, output_format: str) -> ApplianceExport:
    """Ask for an export."""
    if output_format.lower() not in FORMATS:
        raise InvalidError(f"There is no output format {output_format}: use yaml or json.", output_format)
    document(appliance)  # What cannot be exported is refused at once.
    row = ApplianceExport(appliance=appliance, output_format=output_format.lower())
    session.add(row)
    session.flush()
    row.attempt = attempts.enqueue(session, JOB, row.id)
    session.flush()
    return row


def complete(session: Session, row: ApplianceExport, archive: StoredArtifact) -> None:
    """Enter a finished archive."""
    row.sha256, row.size = archive.sha256, archive.size
    session.flush()


def cancel(session: Session, row: ApplianceExport) -> None:
    """Cancel an export; one that is over stays as it is."""
    if row.attempt is not None:
        attempts.request_cancel(session, row.attempt)


def delete(session: Session, row: ApplianceExport) -> set[str]:
    """Delete an export, cancelled if it runs; returns the hash of its archive, to be swept."""
    cancel(session, row)
    hashes = {row.sha256} if row.sha256 else set()
    session.delete(row)
    session.flush()
    return hashes


def delete_all(session: Session, appliance: Appliance) -> set[str]:
    """Delete all exports of an appliance; returns the hashes of their archives, to be swept."""
    rows = session.scalars(select(ApplianceExport).where(ApplianceExport.appliance_id == appliance.id))
    return {sha256 for row in list(rows) for sha256 in delete(session, row)}


def delete_old(session: Session, before: dt.datetime) -> set[str]:
    """Delete the exports that nobody deleted since then; returns the hashes of their archives, to be swept."""
    query = select(ApplianceExport).where(ApplianceExport.created < before).limit(_AT_ONCE)
    return {sha256 for row in list(session.scalars(query)) for sha256 in delete(session, row)}


def require_downloadable(row: ApplianceExport) -> None:
    """Refuse to download what is not finished."""
    state = row.attempt.state if row.attempt else "queued"
    if row.sha256 is None:
        words = "is not finished: wait" if state in ("queued", "running") else f"ended as {state}: ask for another"
        raise ConflictError(f"Export {row.id} {words}.")


def file_name(row: ApplianceExport) -> str:
    """The name that an archive is downloaded under."""
    return f"{plain_name(f'{row.appliance.name}-{row.appliance.version}')}.tar.gz"


def document(appliance: Appliance) -> tuple[dict[str, Any], dict[str, str]]:
    """(The template file's document, {name in the archive: hash of the file's content})."""
    stack = template_of(appliance, None).model_dump(mode="json", by_alias=True, exclude_none=True)
    stack["os"]["updateTo"] = appliance.last_package_update.isoformat()
    files: dict[str, str] = {}
    scripts = {script.name: script for script in appliance.boot_scripts}
    for entry in stack["config"]:
        script = scripts[entry["name"]]
        entry["source"] = put(files, f"config/{plain_name(script.file_name or script.name)}", script.sha256 or "")
    stack["bundles"] = [
        bundle_model.model_of(
            entry.bundle, archived(entry.bundle, files), install_location=entry.install_location
        ).model_dump(mode="json", by_alias=True, exclude_defaults=True)
        for entry in appliance.bundles
    ]
    if appliance.logo_sha256:
        stack["source_logo"] = put(files, f"logo/{plain_name(appliance.logo_name or 'logo')}", appliance.logo_sha256)
    return {"stack": stack}, files
