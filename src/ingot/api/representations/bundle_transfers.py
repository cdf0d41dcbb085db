"""Imports and exports of bundles."""

from ingot.api.representations.software import bundle_uri
from ingot.api.representations.statuses import of_transfer
from ingot.api.representations.users import user_uri
from ingot.messages.base import OpStatus
from ingot.messages.software import SoftwareBundleExport, SoftwareBundleImport
from ingot.store import tables


def _import_uri(row: tables.BundleImport) -> str:
    return f"{user_uri(row.owner)}/bundleimports/{row.id}"


def import_status(row: tables.BundleImport) -> OpStatus:
    """Where an import is."""
    return of_transfer(row.attempt, _import_uri(row), "import")


def bundle_import(row: tables.BundleImport) -> SoftwareBundleImport:
    """An import, with the bundle that it made."""
    base = _import_uri(row)
    return SoftwareBundleImport(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        md5sum=row.md5,
        sha256sum=row.sha256,
        size=row.size or 0,
        status=import_status(row),
        uploaded=row.sha256 is not None,
        parent_uri=user_uri(row.owner),
        reference_uri=f"{user_uri(row.owner)}/mysoftware/{row.bundle_id}" if row.bundle_id else None,
        upload_uri=f"{base}/uploads",
        status_uri=f"{base}/status",
        imported=row.imported,
        uri=base,
    )


def _export_uri(row: tables.BundleExport) -> str:
    return f"{bundle_uri(row.bundle)}/exports/{row.id}"


def export_status(row: tables.BundleExport) -> OpStatus:
    """Where an export is."""
    return of_transfer(row.attempt, _export_uri(row), "export")


def bundle_export(row: tables.BundleExport) -> SoftwareBundleExport:
    """An export."""
    base = _export_uri(row)
    return SoftwareBundleExport(
        db_id=row.id,
        created=row.created,
        last_modified=row.last_modified,
        bundle_name=row.bundle.name,
        bundle_version=row.bundle.version,
        download_uri=f"{base}/downloads",
        parent_uri=bundle_uri(row.bundle),
        status=export_status(row),
        uri=base,
    )
