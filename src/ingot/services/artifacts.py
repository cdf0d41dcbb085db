"""Which stored contents are still needed."""

from typing import Any

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from ingot.logs import Log
from ingot.services import claims
from ingot.store.artifacts import ArtifactError, ArtifactStore, NotReachedError
from ingot.store.database import ARTIFACT_LOCK, Database
from ingot.store.tables import (
    Appliance,
    ApplianceExport,
    ApplianceImport,
    Attempt,
    BootScript,
    BundleArtifact,
    BundleDocument,
    BundleExport,
    BundleImport,
    Image,
    ImageEvidence,
    ImageFile,
    TargetFormat,
    TargetPlatform,
)

_log = Log()
_UNFINISHED = select(Attempt.id).where(Attempt.state.in_(("queued", "running")))

#: (Column that refers to contents, in which of its rows.)
_USES: tuple[tuple[InstrumentedAttribute[Any], ColumnElement[bool]], ...] = (
    (BootScript.sha256, true()),
    (Image.sha256, true()),
    (ImageEvidence.sha256, true()),
    (ImageFile.sha256, true()),
    (Appliance.logo_sha256, true()),
    (TargetFormat.logo_sha256, true()),
    (TargetPlatform.logo_sha256, true()),
    (ApplianceExport.sha256, true()),
    (BundleArtifact.sha256, true()),
    (BundleDocument.sha256, true()),
    (BundleExport.sha256, true()),
    # An archive is needed while its import waits or runs.
    (ApplianceImport.sha256, ApplianceImport.attempt_id.in_(_UNFINISHED)),
    (BundleImport.sha256, BundleImport.attempt_id.in_(_UNFINISHED)),
)


def sweep(database: Database, artifacts: ArtifactStore, hashes: set[str]) -> None:
    """Remove the contents that nothing refers to.

    It looks and removes while nobody else can add the same content; what has one open goes on reading it. Where
    contents lie elsewhere, it looks and marks them so, and removes them afterwards: one that cannot be removed now is
    found by `sweep_unreferenced` later.
    """
    if not hashes:
        return
    with database.transaction() as session:
        database.exclude_others(session, ARTIFACT_LOCK)
        if artifacts.is_remote:
            claims.forget_expired(session)
            hashes = hashes - claims.claimed(session, hashes)
        unused = {sha256 for sha256 in hashes if not _is_used(session, sha256)}
        if not artifacts.is_remote:
            artifacts.remove_all(unused)
        elif unused:
            mark = claims.mark_removal(session, unused)
    if artifacts.is_remote and unused:
        try:
            artifacts.remove_all(unused)
        except ArtifactError as error:
            _log.warning("contents could not be removed; that is tried again later", error=str(error))
            if not isinstance(error, NotReachedError):
                return  # the mark stays until no request can be under way any more
        with database.transaction() as session:
            claims.release(session, mark)


#: Younger contents may belong to a transaction that is just ending.
_UNREFERENCED_SECONDS = 3600


def sweep_unreferenced(database: Database, artifacts: ArtifactStore, prefix: str) -> None:
    """Remove the contents of one directory of the store that a crash left without anything that refers to them."""
    hashes = artifacts.older_than(_UNREFERENCED_SECONDS, prefix)
    if not hashes:
        return
    with database.transaction(read_only=True) as session:
        used = {
            sha256
            for column, condition in _USES
            for sha256 in session.scalars(select(column).where(column.startswith(prefix), condition))
        }
    if hashes - used:
        sweep(database, artifacts, hashes - used)


def sweep_leftovers(database: Database, artifacts: ArtifactStore) -> None:
    """Remove what was being written or sent when a process was killed."""

    def claimed(hashes: set[str]) -> set[str]:
        with database.transaction(read_only=True) as session:
            return claims.claimed(session, hashes)

    artifacts.remove_leftovers(_UNREFERENCED_SECONDS, claimed)


def _is_used(session: Session, sha256: str) -> bool:
    return any(
        session.scalar(select(column).where(column == sha256, condition).limit(1)) for column, condition in _USES
    )
