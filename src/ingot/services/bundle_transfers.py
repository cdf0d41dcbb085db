"""Imports of bundles from archives and exports as archives: asked for, carried out by a worker, entered as a whole."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.build.template import Bundle as BundleModel
from ingot.services import attempts, bundle_model
from ingot.services.archive_names import plain_name, put
from ingot.services.errors import ConflictError, InvalidError, NotFoundError
from ingot.store.artifacts import StoredArtifact
from ingot.store.tables import Bundle, BundleArtifact, BundleDocument, BundleExport, BundleImport, User

IMPORT_JOB, EXPORT_JOB = "import-bundle", "export-bundle"
FORMATS = ("yaml", "json")


def find_import(session: Session, owner: User, import_id: int) -> BundleImport:
    """An import of a user."""
    row = session.get(BundleImport, import_id)
    if row is None or row.owner_id != owner.id:
        raise NotFoundError(
            f"User {owner.login} has no import of a bundle {import_id}.",
            str(import_id),
            message_id="ERROR.IMPORT.NOT_FOUND",
        )
    return row


def create_import(session: Session, owner: User, *, imported: bool) -> BundleImport:
    """Announce an import; its archive is uploaded next. `imported` says that it comes as an archive."""
    row = BundleImport(owner=owner, imported=imported)
    session.add(row)
    session.flush()
    return row


def refuse_second(row: BundleImport) -> None:
    """Refuse another archive for an import."""
    if row.attempt is not None:
        raise ConflictError(f"Import {row.id} has its archive already. Ask for another import.")


def set_archive(session: Session, row: BundleImport, archive: StoredArtifact) -> None:
    """Give an import its archive and put the job into the queue."""
    row.sha256, row.md5, row.size = archive.sha256, archive.md5, archive.size
    row.attempt = attempts.enqueue(session, IMPORT_JOB, row.id)
    session.flush()


def complete_import(
    session: Session,
    row: BundleImport,
    model: BundleModel,
    contents: Mapping[str, StoredArtifact],
    path: Callable[[str], Path],
) -> None:
    """Enter the bundle that an archive describes: all of it or nothing; see `bundle_model.enter`."""
    bundle = bundle_model.enter(session, row.owner, model, contents, path, imported=row.imported)
    row.bundle_id = bundle.id
    session.flush()


def find_export(session: Session, bundle: Bundle, export_id: int) -> BundleExport:
    """An export of a bundle."""
    row = session.get(BundleExport, export_id)
    if row is None or row.bundle_id != bundle.id:
        raise NotFoundError(
            f"Bundle {bundle.name} has no export {export_id}.", str(export_id), message_id="ERROR.EXPORT.NOT_FOUND"
        )
    return row


def create_export(session: Session, bundle: Bundle, output_format: str) -> BundleExport:
    """Ask for an export."""
    if output_format.lower() not in FORMATS:
        raise InvalidError(f"There is no output format {output_format}: use yaml or json.", output_format)
    document(bundle)  # what cannot be exported is refused at once
    row = BundleExport(bundle=bundle, output_format=output_format.lower())
    session.add(row)
    session.flush()
    row.attempt = attempts.enqueue(session, EXPORT_JOB, row.id)
    session.flush()
    return row


def complete_export(session: Session, row: BundleExport, archive: StoredArtifact) -> None:
    """Enter a finished archive."""
    row.sha256, row.size = archive.sha256, archive.size
    session.flush()


def delete_export(session: Session, row: BundleExport) -> set[str]:
    """Delete an export, cancelled if it runs; returns the hash of its archive, to be swept."""
    if row.attempt is not None:
        attempts.request_cancel(session, row.attempt)
    hashes = {row.sha256} if row.sha256 else set()
    session.delete(row)
    session.flush()
    return hashes


def delete_exports(session: Session, bundle: Bundle) -> set[str]:
    """Delete all exports of a bundle; returns the hashes of their archives, to be swept."""
    rows = session.scalars(select(BundleExport).where(BundleExport.bundle_id == bundle.id))
    return {sha256 for row in list(rows) for sha256 in delete_export(session, row)}


def require_downloadable(row: BundleExport) -> None:
    """Refuse to download what is not finished."""
    state = row.attempt.state if row.attempt else "queued"
    if row.sha256 is None:
        words = "is not finished: wait" if state in ("queued", "running") else f"ended as {state}: ask for another"
        raise ConflictError(f"Export {row.id} {words}.")


def file_name(row: BundleExport) -> str:
    """The name that an archive is downloaded under."""
    return f"{plain_name(f'{row.bundle.name}-{row.bundle.version}')}.tar.gz"


def document(bundle: Bundle) -> tuple[dict[str, Any], dict[str, str]]:
    """(The bundle file's document, {name in the archive: hash of the file's content})."""
    files: dict[str, str] = {}
    model = bundle_model.model_of(bundle, archived(bundle, files))
    return model.model_dump(mode="json", by_alias=True, exclude_defaults=True), files


def archived(bundle: Bundle, files: dict[str, str]) -> bundle_model.Source:
    """Tells the place of each content in an archive, and enters it into {name in the archive: hash}."""
    place = f"bundles/{plain_name(bundle.name)}"

    parents = {artifact.parent_id for artifact in bundle.artifacts}

    def source(row: BundleArtifact | BundleDocument) -> str | None:
        if isinstance(row, BundleDocument):
            return put(files, f"{place}/{plain_name(row.name)}", row.sha256 or "")
        if row.url is not None:
            return row.url
        directories: list[str] = []
        parent = row.parent
        while parent is not None:
            directories.insert(0, plain_name(parent.name))
            parent = parent.parent
        name = "/".join([place, plain_name(bundle.version), *directories, plain_name(row.file_name or row.name)])
        if row.is_directory:
            return name if row.id in parents else None
        return put(files, name, row.sha256 or "")

    return source
