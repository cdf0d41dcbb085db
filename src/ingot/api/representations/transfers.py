"""Imports and exports of appliances."""

from ingot.api.representations.statuses import of_transfer
from ingot.api.representations.uris import appliance_uri
from ingot.api.representations.users import user_uri
from ingot.messages.appliance import ApplianceExport, ApplianceImport
from ingot.messages.base import OpStatus
from ingot.store import tables


def import_uri(row: tables.ApplianceImport) -> str:
    """The address of an import."""
    return f"{user_uri(row.owner)}/imports/{row.id}"


def import_status(row: tables.ApplianceImport) -> OpStatus:
    """Where an import is."""
    return of_transfer(row.attempt, import_uri(row), "import")


def appliance_import(row: tables.ApplianceImport) -> ApplianceImport:
    """An import, with the appliance that it made."""
    base = import_uri(row)
    return ApplianceImport(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        md5sum=row.md5,
        sha256sum=row.sha256,
        size=row.size or 0,
        status=import_status(row),
        uploaded=row.sha256 is not None,
        use_major=row.use_major,
        reuse_bundles=row.reuse_bundles,
        force_rw=row.force,
        imported=row.imported,
        parent_uri=user_uri(row.owner),
        reference_uri=f"{user_uri(row.owner)}/appliances/{row.appliance_id}" if row.appliance_id else None,
        upload_uri=f"{base}/uploads",
        uri=base,
    )


def export_uri(row: tables.ApplianceExport) -> str:
    """The address of an export."""
    return f"{appliance_uri(row.appliance)}/exports/{row.id}"


def export_status(row: tables.ApplianceExport) -> OpStatus:
    """Where an export is."""
    return of_transfer(row.attempt, export_uri(row), "export")


def appliance_export(row: tables.ApplianceExport) -> ApplianceExport:
    """An export."""
    base = export_uri(row)
    return ApplianceExport(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        appliance_name=row.appliance.name,
        appliance_version=row.appliance.version,
        download_uri=f"{base}/downloads",
        parent_uri=appliance_uri(row.appliance),
        status=export_status(row),
        uri=base,
    )
