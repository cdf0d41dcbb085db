"""Pack a document and its files into an archive: `python -m ingot.jobs.pack DIRECTORY`, the program of exports.

The same content gives the same bytes: nothing in the archive tells when it was made.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ingot.jobs.job import Workplace
from ingot.jobs.packing import write_archive
from ingot.jobs.progress import Progress, finish
from ingot.process import die_with_parent
from ingot.store.artifacts import StoredArtifact

_REQUEST, _INPUTS, _OUTPUT, _MADE = "request.json", "inputs", "archive", "made.json"


def command(
    place: Workplace, name: str, output_format: str, document: dict[str, Any], files: Mapping[str, str]
) -> Sequence[str]:
    """The program that packs a document (`name`.yml, or .json) and files: {name in the archive: hash}."""
    inputs = place.scratch / _INPUTS
    paths = {path: str(place.need(sha256, inputs / sha256)) for path, sha256 in files.items()}
    request = {"name": name, "format": output_format, "document": document, "files": paths}
    file = place.scratch / _REQUEST
    file.touch(mode=0o600)
    file.write_text(json.dumps(request), encoding="utf-8")
    return [sys.executable, "-m", "ingot.jobs.pack", str(place.scratch)]


def made(place: Workplace) -> StoredArtifact:
    """What the program made."""
    return StoredArtifact(**json.loads((place.scratch / _MADE).read_bytes()))


def contents(place: Workplace) -> dict[str, Path]:
    """The archive that the program made, by its hash."""
    return {made(place).sha256: place.scratch / _OUTPUT}


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
        suffix, content = "json", json.dumps(request["document"], indent=4, ensure_ascii=True)
    else:
        suffix, content = "yml", yaml.safe_dump(request["document"], sort_keys=False, explicit_start=True)
    document = {f"{request['name']}.{suffix}": content.encode()}
    archive = write_archive(directory / _OUTPUT, files, document, follow)
    (directory / _MADE).write_text(json.dumps(archive), encoding="utf-8")
    return finish()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
