"""Which stored contents are still needed."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ingot.store.artifacts import ArtifactStore
from ingot.store.database import ARTIFACT_LOCK, Database
from ingot.store.tables import BootScript, Image


def sweep(database: Database, artifacts: ArtifactStore, hashes: set[str]) -> None:
    """Remove the contents that nothing refers to.

    It looks and removes while nobody else can add the same content; what has one open goes on reading it.
    """
    with database.transaction() as session:
        database.exclude_others(session, ARTIFACT_LOCK)
        for sha256 in sorted(hashes):
            if not _is_used(session, sha256):
                artifacts.remove(sha256)


def _is_used(session: Session, sha256: str) -> bool:
    return any(
        session.scalar(select(func.count()).where(column == sha256)) for column in (BootScript.sha256, Image.sha256)
    )
