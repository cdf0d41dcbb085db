"""Import a bundle from an archive: `python -m ingot.jobs.bundle_import DIRECTORY`.

The program takes the archive apart and reads its document; what it found is entered by the worker, all of it at once.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from ingot.build.errors import BuildError
from ingot.build.template import Bundle as BundleModel
from ingot.build.template_file import parse_bundle
from ingot.jobs import unpack
from ingot.jobs.job import Job, Workplace
from ingot.jobs.progress import Progress, finish
from ingot.process import bound_memory, die_with_parent
from ingot.services import bundle_model, bundle_transfers
from ingot.store.tables import BundleImport

#: Bytes of memory that reading an archive may take, however large it is.
_MEMORY = 1 << 30


class BundleImportJob(Job):
    """Imports bundles."""

    kind: ClassVar[str] = bundle_transfers.IMPORT_JOB

    def command(self, session: Session, place: Workplace) -> Sequence[str] | None:
        """This module."""
        row = place.subject(session, BundleImport)
        return None if row is None or row.sha256 is None else unpack.command(place, __name__, row.sha256)

    def contents(self, place: Workplace, result: dict[str, Any]) -> Mapping[str, Path]:
        """The files of the archive that its document names."""
        del result
        return unpack.Found(place).files()

    def keep(self, session: Session, place: Workplace, result: dict[str, Any]) -> set[str]:
        """Enter the bundle."""
        del result
        row = place.required_subject(session, BundleImport)
        found = unpack.Found(place)
        model = BundleModel.model_validate(found.document)
        bundle_transfers.complete_import(session, row, model, found.contents, found.path)
        return set()

    def leftovers(self, session: Session, place: Workplace) -> set[str]:
        """The archive."""
        row = session.get(BundleImport, place.attempt.subject_id)
        return {row.sha256} if row is not None and row.sha256 else set()


def main(directory: Path) -> int:
    """Take the archive apart and say what there is."""
    die_with_parent()
    bound_memory(_MEMORY)
    progress = Progress()
    try:
        files = unpack.take_apart(directory, progress)
        progress("enter", 90, "Entering the bundle")
        bundle = bundle_model.expanded(parse_bundle(*unpack.read_document(files, "bundle")), files)
        document = bundle.model_dump(mode="json", by_alias=True)
        unpack.tell(directory, "bundle", document, files, bundle_model.sources(bundle))
    except BuildError as error:
        return finish(error.message, error.detail)
    except MemoryError:
        return finish(f"The archive cannot be read within {_MEMORY >> 20} MB of memory: it is not one of a bundle.")
    return finish()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
