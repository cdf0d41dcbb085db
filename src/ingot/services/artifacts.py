"""Which stored contents are still needed."""

from typing import Any

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from ingot.store.artifacts import ArtifactStore, LocalArtifacts
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

    It looks and removes while nobody else can add the same content; what has one open goes on reading it.
    """
    with database.transaction() as session:
        database.exclude_others(session, ARTIFACT_LOCK)
        for sha256 in sorted(hashes):
            if not _is_used(session, sha256):
                artifacts.remove(sha256)


#: Younger contents may belong to a transaction that is just ending.
_UNREFERENCED_SECONDS = 3600


def sweep_unreferenced(database: Database, artifacts: LocalArtifacts, prefix: str) -> None:
    """Remove the contents of one directory of the store that a crash left without anything that refers to them,
    and what was being written then."""
    artifacts.remove_leftovers(_UNREFERENCED_SECONDS)
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


def _is_used(session: Session, sha256: str) -> bool:
    return any(
        session.scalar(select(column).where(column == sha256, condition).limit(1)) for column, condition in _USES
    )
