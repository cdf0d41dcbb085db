"""Export an appliance as an archive: `python -m ingot.jobs.appliance_export DIRECTORY`.

The same appliance gives the same bytes: nothing in the archive tells when it was made.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import yaml
from sqlalchemy.orm import Session

from ingot.jobs.job import Job, Workplace
from ingot.jobs.packing import write_archive
from ingot.jobs.progress import Progress, finish
from ingot.process import die_with_parent
from ingot.services import appliance_exports
from ingot.services.attempts import LostAttemptError
from ingot.store.artifacts import StoredArtifact
from ingot.store.tables import ApplianceExport

_REQUEST, _OUTPUT, _MADE = "request.json", "archive", "made.json"


class ApplianceExportJob(Job):
    """Exports appliances."""

    kind: ClassVar[str] = appliance_exports.JOB

    def command(self, session: Session, place: Workplace) -> Sequence[str] | None:
        """This module, with the template and the places of its files in the scratch directory."""
        row = _wanted(session, place)
        if row is None:
            return None
        document, files = appliance_exports.document(row.appliance)
        paths = {name: str(place.artifacts.path(sha256)) for name, sha256 in files.items()}
        request = {"format": row.output_format, "document": document, "files": paths}
        file = place.scratch / _REQUEST
        file.touch(mode=0o600)
        file.write_text(json.dumps(request), encoding="utf-8")
        return [sys.executable, "-m", "ingot.jobs.appliance_export", str(place.scratch)]

    def keep(self, session: Session, place: Workplace, result: dict[str, Any]) -> set[str]:
        """Take over the archive."""
        del result
        row = _wanted(session, place)
        if row is None:
            raise LostAttemptError
        made = StoredArtifact(**json.loads((place.scratch / _MADE).read_bytes()))
        appliance_exports.complete(session, row, made)
        output = place.scratch / _OUTPUT
        if output.exists():  # not there: moved by a try whose transaction then failed
            place.artifacts.adopt(output, made.sha256)
        return set()


def _wanted(session: Session, place: Workplace) -> ApplianceExport | None:
    """The export, if this attempt is still the one that does it."""
    row = session.get(ApplianceExport, place.attempt.subject_id)
    return row if row is not None and row.attempt_id == place.attempt.id else None


def main(directory: Path) -> int:
    """Write the archive."""
    die_with_parent()
    request = json.loads((directory / _REQUEST).read_bytes())
    progress = Progress()
    files = {name: Path(path) for name, path in request["files"].items()}
    total = sum(path.stat().st_size for path in files.values()) or 1

    def follow(done: int) -> None:
        progress("pack", min(99, 100 * done // total), f"Packing the archive ({done >> 20} of {total >> 20} MB)")

    if request["format"] == "json":
        name, content = "template.json", json.dumps(request["document"], indent=4, ensure_ascii=True)
    else:
        name, content = "template.yml", yaml.safe_dump(request["document"], sort_keys=False, explicit_start=True)
    made = write_archive(directory / _OUTPUT, files, {name: content.encode()}, follow)
    (directory / _MADE).write_text(json.dumps(made), encoding="utf-8")
    return finish()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
