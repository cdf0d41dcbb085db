"""The export of bundles as archives."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from ingot.jobs import pack
from ingot.jobs.job import Job, Workplace
from ingot.services import bundle_transfers
from ingot.store.tables import BundleExport


class BundleExportJob(Job):
    """Exports bundles."""

    kind: ClassVar[str] = bundle_transfers.EXPORT_JOB

    def command(self, session: Session, place: Workplace) -> Sequence[str] | None:
        """The program that packs."""
        row = place.subject(session, BundleExport)
        if row is None:
            return None
        document, files = bundle_transfers.document(row.bundle)
        return pack.command(place, "bundle", row.output_format, document, files)

    def contents(self, place: Workplace, result: dict[str, Any]) -> Mapping[str, Path]:
        """The archive."""
        del result
        return pack.contents(place)

    def keep(self, session: Session, place: Workplace, result: dict[str, Any]) -> set[str]:
        """Enter the archive."""
        del result
        row = place.required_subject(session, BundleExport)
        bundle_transfers.complete_export(session, row, pack.made(place))
        return set()
