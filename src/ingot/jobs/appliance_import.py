"""Import an appliance from an archive: `python -m ingot.jobs.appliance_import DIRECTORY`.

The program takes the archive apart and reads its template; what it found is entered by the worker, all of it at once.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from sqlalchemy.orm import Session

from ingot.build.errors import BuildError
from ingot.build.template import RootUser, Template, User
from ingot.build.template_file import parse_template
from ingot.jobs import unpack
from ingot.jobs.job import Job, Workplace
from ingot.jobs.progress import Progress, finish
from ingot.process import bound_memory, die_with_parent
from ingot.services import appliance_imports, bundle_model
from ingot.services.passwords import hash_for_machine
from ingot.store.tables import ApplianceImport

#: Bytes of memory that reading an archive may take, however large it is.
_MEMORY = 1 << 30
_Account = TypeVar("_Account", RootUser, User)


class ApplianceImportJob(Job):
    """Imports appliances."""

    kind: ClassVar[str] = appliance_imports.JOB

    def command(self, session: Session, place: Workplace) -> Sequence[str] | None:
        """This module."""
        row = place.subject(session, ApplianceImport)
        if row is None or row.sha256 is None:
            return None
        return unpack.command(place, __name__, row.sha256)

    def contents(self, place: Workplace, result: dict[str, Any]) -> Mapping[str, Path]:
        """The files of the archive that its document names."""
        del result
        return unpack.Found(place).files()

    def keep(self, session: Session, place: Workplace, result: dict[str, Any]) -> set[str]:
        """Enter the appliance."""
        del result
        row = place.required_subject(session, ApplianceImport)
        found = unpack.Found(place)
        template = Template.model_validate(found.document)
        hashes = appliance_imports.complete(session, row, template, found.contents, found.path)
        # Of bundles that were there already nothing was needed.
        return hashes | ({content.sha256 for content in found.contents.values()} if row.reuse_bundles else set())

    def leftovers(self, session: Session, place: Workplace) -> set[str]:
        """The archive."""
        row = session.get(ApplianceImport, place.attempt.subject_id)
        return {row.sha256} if row is not None and row.sha256 else set()


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
    files = unpack.take_apart(directory, progress)
    progress("enter", 90, "Entering the appliance")
    template = parse_template(*unpack.read_document(files, "template"))
    software = tuple(bundle_model.expanded(bundle, files) for bundle in template.bundles)
    template = _with_hashes(template.model_copy(update={"bundles": software}))
    document = template.model_dump(mode="json", by_alias=True)
    unpack.tell(directory, "template", document, files, appliance_imports.sources(template))


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
