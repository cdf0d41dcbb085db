"""What the programs of imports share: an archive is taken apart in a directory, and what it has is entered later.

The program writes what it found into that directory; the worker reads it there, enters it, and takes over the files.
"""

import json
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ingot.build.archives import Limits, UnpackedFile, unpack_files
from ingot.build.errors import BuildError
from ingot.jobs.job import Workplace
from ingot.jobs.progress import Progress
from ingot.store.artifacts import StoredArtifact

_ARCHIVE, _FILES, _FOUND = "archive", "files", "found.json"


def command(place: Workplace, module: str, sha256: str) -> Sequence[str]:
    """The program of a module that takes an archive apart."""
    place.need(sha256, place.scratch / _ARCHIVE)
    return [sys.executable, "-m", module, str(place.scratch)]


def take_apart(directory: Path, progress: Progress) -> dict[str, UnpackedFile]:
    """The files of the archive by their names in it; raises ArchiveError."""
    place = directory / _FILES
    place.mkdir()
    return unpack_files(
        directory / _ARCHIVE,
        place,
        Limits.of_settings(),
        lambda done: progress("unpack", 5, f"Unpacking the archive ({done >> 20} MB)"),
    )


def read_document(files: dict[str, UnpackedFile], what: str) -> tuple[bytes, Path]:
    """(The content of the template or bundle at the archive's root, its name); raises BuildError."""
    for name in (f"{what}.yml", f"{what}.yaml", f"{what}.json"):
        if name in files:
            return files[name].file.read_bytes(), Path(name)
    raise BuildError(f"The archive has no {what}: {what}.yml or {what}.json has to lie at its root.")


def tell(
    directory: Path, what: str, document: dict[str, Any], files: dict[str, UnpackedFile], sources: Collection[str]
) -> None:
    """Write down what was found: a document, and the files that it names; raises BuildError where one is missing."""
    needed = {source: files.get(source) or files.get(str(PurePosixPath(source))) for source in sorted(sources)}
    missing = [source for source, file in needed.items() if file is None]
    if missing:
        raise BuildError(f"The archive does not have the file(s) that its {what} names: {', '.join(missing[:20])}.")
    found = {
        "document": document,
        "contents": {
            name: {"sha256": file.sha256, "md5": file.md5, "size": file.size} for name, file in needed.items() if file
        },
        "files": {name: file.file.name for name, file in needed.items() if file},
    }
    output = directory / _FOUND
    output.touch(mode=0o600)
    output.write_text(json.dumps(found), encoding="utf-8")
    subprocess.run(["sync", "--file-system", str(directory)], check=True)


class Found:
    """What a program found: its `document`, and the `contents` of the files that this names."""

    def __init__(self, place: Workplace) -> None:
        found = json.loads((place.scratch / _FOUND).read_bytes())
        self.document: dict[str, Any] = found["document"]
        self.contents = {name: StoredArtifact(**content) for name, content in found["contents"].items()}
        self._place, self._files = place, found["files"]

    def path(self, name: str) -> Path:
        """Where a content lies."""
        unpacked: Path = self._place.scratch / _FILES / self._files[name]
        return unpacked

    def files(self) -> dict[str, Path]:
        """All files, by their hashes."""
        return {content.sha256: self.path(name) for name, content in self.contents.items()}
