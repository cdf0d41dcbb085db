"""Fetch a bundle's artifact from its web address: `python -m ingot.jobs.fetch_artifact DIRECTORY`."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from ingot.build.errors import BuildError
from ingot.build.remote import fetch_file
from ingot.jobs.job import Job, Workplace
from ingot.jobs.progress import Progress, finish
from ingot.process import die_with_parent
from ingot.services import bundle_artifacts
from ingot.settings import Settings
from ingot.store.artifacts import StoredArtifact
from ingot.store.tables import BundleArtifact

_REQUEST, _FOUND = "request.json", "found.json"


class FetchArtifactJob(Job):
    """Fetches artifacts from web addresses."""

    kind: ClassVar[str] = bundle_artifacts.JOB

    def slots(self, settings: Settings) -> int:
        """A slow server somewhere does not hold up the others."""
        del settings
        return 4

    def command(self, session: Session, place: Workplace) -> Sequence[str] | None:
        """This module; the address is in a file, since it may have secrets."""
        row = place.subject(session, BundleArtifact)
        if row is None or row.url is None:
            return None
        file = place.scratch / _REQUEST
        file.touch(mode=0o600)
        file.write_text(json.dumps({"url": row.url}), encoding="utf-8")
        return [sys.executable, "-m", "ingot.jobs.fetch_artifact", str(place.scratch)]

    def contents(self, place: Workplace, result: dict[str, Any]) -> Mapping[str, Path]:
        """The file."""
        del result
        content, _, file = _found(place)
        return {content.sha256: file}

    def keep(self, session: Session, place: Workplace, result: dict[str, Any]) -> set[str]:
        """Enter the file."""
        del result
        row = place.required_subject(session, BundleArtifact)
        content, name, file = _found(place)
        return bundle_artifacts.set_content(session, row, name or row.name, content, file)


def _found(place: Workplace) -> tuple[StoredArtifact, str | None, Path]:
    """(What was fetched, the name it came under, where it lies)."""
    found = json.loads((place.scratch / _FOUND).read_bytes())
    content = StoredArtifact(found["sha256"], found["md5"], found["size"])
    return content, found["name"], place.scratch / found["file"]


def main(directory: Path) -> int:
    """Fetch the file."""
    die_with_parent()
    settings, progress = Settings(), Progress()

    def follow(done: int, total: int | None) -> None:
        percentage = min(99, 100 * done // total) if total else 0
        of = f" of {total >> 20}" if total else ""
        progress("fetch", percentage, f"Fetching ({done >> 20}{of} MB)")

    try:
        fetched = fetch_file(
            json.loads((directory / _REQUEST).read_bytes())["url"],
            directory,
            largest=settings.largest_upload,
            allow_private=settings.allow_private_sources,
            on_progress=follow,
        )
    except BuildError as error:
        return finish(error.message, error.detail)
    found = {
        "file": fetched.file.name,
        "name": fetched.name,
        "sha256": fetched.sha256,
        "md5": fetched.md5,
        "size": fetched.size,
    }
    (directory / _FOUND).write_text(json.dumps(found), encoding="utf-8")
    return finish()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
