"""Import a bundle from an archive: `python -m ingot.jobs.bundle_import DIRECTORY`.

The program takes the archive apart and reads its document; what it found is entered by the worker, all of it at once.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from ingot.build.archives import Limits, UnpackedFile, unpack_files
from ingot.build.errors import BuildError
from ingot.build.template import Bundle as BundleModel
from ingot.build.template_file import parse_bundle
from ingot.jobs.job import Job, Workplace
from ingot.jobs.progress import Progress, finish
from ingot.process import bound_memory, die_with_parent
from ingot.services import bundle_model, bundle_transfers
from ingot.services.attempts import LostAttemptError
from ingot.store.artifacts import StoredArtifact
from ingot.store.tables import BundleImport

#: Bytes of memory that reading an archive may take, however large it is.
_MEMORY = 1 << 30
_DOCUMENTS = ("bundle.yml", "bundle.yaml", "bundle.json")
_ARCHIVE, _FILES, _FOUND = "archive", "files", "found.json"


class BundleImportJob(Job):
    """Imports bundles."""

    kind: ClassVar[str] = bundle_transfers.IMPORT_JOB

    def command(self, session: Session, place: Workplace) -> Sequence[str] | None:
        """This module."""
        row = _wanted(session, place)
        if row is None or row.sha256 is None:
            return None
        archive = place.scratch / _ARCHIVE
        if not archive.is_symlink():
            archive.symlink_to(place.artifacts.path(row.sha256))
        return [sys.executable, "-m", "ingot.jobs.bundle_import", str(place.scratch)]

    def keep(self, session: Session, place: Workplace, result: dict[str, Any]) -> set[str]:
        """Enter the bundle, then take over its files."""
        del result
        row = _wanted(session, place)
        if row is None:
            raise LostAttemptError
        found = json.loads((place.scratch / _FOUND).read_bytes())
        contents = {name: StoredArtifact(**content) for name, content in found["contents"].items()}

        def path(name: str) -> Path:
            unpacked: Path = place.scratch / _FILES / found["files"][name]
            # Not there: moved by a try whose transaction then failed.
            return unpacked if unpacked.exists() else place.artifacts.path(contents[name].sha256)

        bundle_transfers.complete_import(session, row, BundleModel.model_validate(found["bundle"]), contents, path)
        for name, file in found["files"].items():
            unpacked = place.scratch / _FILES / file
            if unpacked.exists():
                place.artifacts.adopt(unpacked, contents[name].sha256)
        return set()

    def leftovers(self, session: Session, place: Workplace) -> set[str]:
        """The archive."""
        row = session.get(BundleImport, place.attempt.subject_id)
        return {row.sha256} if row is not None and row.sha256 else set()


def _wanted(session: Session, place: Workplace) -> BundleImport | None:
    """The import, if this attempt is still the one that does it."""
    row = session.get(BundleImport, place.attempt.subject_id)
    return row if row is not None and row.attempt_id == place.attempt.id else None


def main(directory: Path) -> int:
    """Take the archive apart and say what there is."""
    die_with_parent()
    bound_memory(_MEMORY)
    try:
        _read(directory, Progress())
    except BuildError as error:
        return finish(error.message, error.detail)
    except MemoryError:
        return finish(f"The archive cannot be read within {_MEMORY >> 20} MB of memory: it is not one of a bundle.")
    return finish()


def _read(directory: Path, progress: Progress) -> None:
    place = directory / _FILES
    place.mkdir()
    files = unpack_files(
        directory / _ARCHIVE,
        place,
        Limits.of_settings(),
        lambda done: progress("unpack", 5, f"Unpacking the archive ({done >> 20} MB)"),
    )
    progress("enter", 90, "Entering the bundle")
    model = bundle_model.expanded(_bundle(files), files)
    needed = {source: find_file(files, source) for source in sorted(bundle_model.sources(model))}
    missing = [source for source, file in needed.items() if file is None]
    if missing:
        raise BuildError(f"The archive does not have the file(s) that its bundle names: {', '.join(missing[:20])}.")
    found = {
        "bundle": model.model_dump(mode="json", by_alias=True),
        "contents": {
            name: {"sha256": file.sha256, "md5": file.md5, "size": file.size} for name, file in needed.items() if file
        },
        "files": {name: file.file.name for name, file in needed.items() if file},
    }
    (directory / _FOUND).write_text(json.dumps(found), encoding="utf-8")
    subprocess.run(["sync", "--file-system", str(directory)], check=True)


def _bundle(files: dict[str, UnpackedFile]) -> BundleModel:
    for name in _DOCUMENTS:
        if name in files:
            return parse_bundle(files[name].file.read_bytes(), Path(name))
    raise BuildError("The archive has no bundle: bundle.yml or bundle.json has to lie at its root.")


def find_file(files: dict[str, UnpackedFile], source: str) -> UnpackedFile | None:
    """The file that a document names, also as ./file."""
    return files.get(source) or files.get(str(PurePosixPath(source)))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
