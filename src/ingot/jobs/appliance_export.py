"""The export of appliances as archives."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from ingot.jobs import pack
from ingot.jobs.job import Job, Workplace
from ingot.services import appliance_exports
from ingot.store.tables import ApplianceExport


class ApplianceExportJob(Job):
    """Exports appliances."""

    kind: ClassVar[str] = appliance_exports.JOB

    def command(self, session: Session, place: Workplace) -> Sequence[str] | None:
        """The program that packs."""
        row = place.subject(session, ApplianceExport)
        if row is None:
            return None
        document, files = appliance_exports.document(row.appliance)
        return pack.command(place, "template", row.output_format, document, files)

    def contents(self, place: Workplace, result: dict[str, Any]) -> Mapping[str, Path]:
        """The archive."""
        del result
        return pack.contents(place)

    def keep(self, session: Session, place: Workplace, result: dict[str, Any]) -> set[str]:
        """Enter the archive."""
        del result
        row = place.required_subject(session, ApplianceExport)
        appliance_exports.complete(session, row, pack.made(place))
        return set()
