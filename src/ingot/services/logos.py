"""Logos of appliances, target formats and platforms: small pictures for people."""

from pathlib import Path

from sqlalchemy.orm import Session

from ingot.services import quotas
from ingot.services.errors import InvalidError, NotFoundError
from ingot.store.artifacts import StoredArtifact
from ingot.store.base import now
from ingot.store.tables import Appliance, TargetFormat, TargetPlatform

#: Bytes.
LARGEST = 5 * 1024 * 1024
_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".bmp", ".ico")


def put(session: Session, appliance: Appliance, file_name: str, content: StoredArtifact) -> set[str]:
    """Give an appliance its logo; returns the hash of the one before, to be swept. The content stays a new revision's
    matter: a logo changes no image."""
    _require_logo(file_name, content)
    quotas.require(session, appliance.owner, "diskusage", content.size - (appliance.logo_size or 0))
    before = {appliance.logo_sha256} if appliance.logo_sha256 else set()
    appliance.logo_name, appliance.logo_sha256, appliance.logo_size = file_name, content.sha256, content.size
    appliance.last_modified = now()
    session.flush()
    return before


def remove(session: Session, appliance: Appliance) -> set[str]:
    """Take the logo from an appliance; returns its hash, to be swept."""
    if appliance.logo_sha256 is None:
        raise NotFoundError(f"Appliance {appliance.name} has no logo.", message_id="ERROR.LOGO.NOT_FOUND")
    before = {appliance.logo_sha256}
    appliance.logo_name = appliance.logo_sha256 = appliance.logo_size = None
    appliance.last_modified = now()
    session.flush()
    return before


def put_shared(
    session: Session, row: TargetFormat | TargetPlatform, file_name: str, content: StoredArtifact
) -> set[str]:
    """Give what an organisation offers its logo, which counts for nobody; returns the hash of the one before."""
    _require_logo(file_name, content)
    before = {row.logo_sha256} if row.logo_sha256 else set()
    row.logo_name, row.logo_sha256, row.logo_size = file_name, content.sha256, content.size
    row.last_modified = now()
    session.flush()
    return before


def remove_shared(session: Session, row: TargetFormat | TargetPlatform) -> set[str]:
    """Take the logo from what an organisation offers; returns its hash, to be swept."""
    before = {row.logo_sha256} if row.logo_sha256 else set()
    row.logo_name = row.logo_sha256 = row.logo_size = None
    row.last_modified = now()
    session.flush()
    return before


def _require_logo(file_name: str, content: StoredArtifact) -> None:
    if Path(file_name).suffix.lower() not in _SUFFIXES:
        raise InvalidError(f"{file_name!r} is no logo: its name has to end with one of {', '.join(_SUFFIXES)}.")
    if not 0 < content.size <= LARGEST:
        raise InvalidError(f"The logo has {content.size} bytes; 1 to {LARGEST} are possible.")
