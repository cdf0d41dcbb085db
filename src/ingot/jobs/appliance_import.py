"""Import an appliance from an archive: `python -m ingot.jobs.appliance_import DIRECTORY`.

The program takes the archive apart and reads its template; what it found is entered by the worker, all of it at once.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, TypeVar

from sqlalchemy.orm import Session

from ingot.build.archives import Limits, UnpackedFile, unpack_files
from ingot.build.errors import BuildError
from ingot.build.template import RootUser, Template, User
from ingot.build.template_file import parse_template
from ingot.jobs.job import Job, Workplace
from ingot.jobs.progress import Progress, finish
from ingot.process import bound_memory, die_with_parent
from ingot.services import appliance_imports
from ingot.services.attempts import LostAttemptError
from ingot.services.passwords import hash_for_machine
from ingot.store.artifacts import StoredArtifact
from ingot.store.tables import ApplianceImport

#: Bytes of memory that reading an archive may take, however large it is.
_MEMORY = 1 << 30
_Account = TypeVar("_Account", RootUser, User)
_TEMPLATES = ("template.yml", "template.yaml", "template.json")
_ARCHIVE, _FILES, _FOUND = "archive", "files", "found.json"


class ApplianceImportJob(Job):
    """Imports appliances."""

    kind: ClassVar[str] = appliance_imports.JOB

    def command(self, session: Session, place: Workplace) -> Sequence[str] | None:
        """This module."""
        row = _wanted(session, place)
        if row is None or row.sha256 is None:
            return None
        archive = place.scratch / _ARCHIVE
        if not archive.is_symlink():
            archive.symlink_to(place.artifacts.path(row.sha256))
        return [sys.executable, "-m", "ingot.jobs.appliance_import", str(place.scratch)]

    def keep(self, session: Session, place: Workplace, result: dict[str, Any]) -> set[str]:
        """Enter the appliance, then take over its files."""
        del result
        row = _wanted(session, place)
        if row is None:
            raise LostAttemptError
        found = json.loads((place.scratch / _FOUND).read_bytes())
        template = Template.model_validate(found["template"])
        contents = {name: StoredArtifact(**content) for name, content in found["contents"].items()}
        hashes = appliance_imports.complete(session, row, template, contents)
        for name, file in found["files"].items():
            path = place.scratch / _FILES / file
            if path.exists():  # not there: moved by a try whose transaction then failed
                place.artifacts.adopt(path, contents[name].sha256)
        return hashes

    def leftovers(self, session: Session, place: Workplace) -> set[str]:
        """The archive."""
        row = session.get(ApplianceImport, place.attempt.subject_id)
        return {row.sha256} if row is not None and row.sha256 else set()


def _wanted(session: Session, place: Workplace) -> ApplianceImport | None:
    """The import, if this attempt is still the one that does it."""
    row = session.get(ApplianceImport, place.attempt.subject_id)
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
        return finish(f"The archive cannot be read within {_MEMORY >> 20} MB of memory: it is not one of a template.")
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
    progress("enter", 90, "Entering the appliance")
    template = _template(files)
    needed = {source: _find(files, source) for source in sorted(appliance_imports.sources(template))}
    missing = [source for source, file in needed.items() if file is None]
    if missing:
        raise BuildError(f"The archive does not have the file(s) that its template names: {', '.join(missing[:20])}.")
    found = {
        "template": _with_hashes(template).model_dump(mode="json", by_alias=True),
        "contents": {
            name: {"sha256": file.sha256, "md5": file.md5, "size": file.size} for name, file in needed.items() if file
        },
        "files": {name: file.file.name for name, file in needed.items() if file},
    }
    output = directory / _FOUND
    output.touch(mode=0o600)
    output.write_text(json.dumps(found), encoding="utf-8")
    subprocess.run(["sync", "--file-system", str(directory)], check=True)


def _template(files: dict[str, UnpackedFile]) -> Template:
    for name in _TEMPLATES:
        if name in files:
            return parse_template(files[name].file.read_bytes(), Path(name))
    raise BuildError("The archive has no template: template.yml or template.json has to lie at its root.")


def _find(files: dict[str, UnpackedFile], source: str) -> UnpackedFile | None:
    return files.get(source) or files.get(str(PurePosixPath(source)))


def _with_hashes(template: Template) -> Template:
    """The template without its clear passwords."""
    installation = template.installation
    changes: dict[str, object] = {
        "root_user": _hashed(installation.root_user),
        "users": tuple(_hashed(user) for user in installation.users),
    }
    return template.model_copy(update={"installation": installation.model_copy(update=changes)})


def _hashed(account: _Account) -> _Account:
    if account.password is None or account.encrypted:
        return account
    return account.model_copy(update={"password": hash_for_machine(account.password), "encrypted": True})


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
