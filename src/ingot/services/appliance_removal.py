"""The removal of an appliance with everything that belongs to it."""

from sqlalchemy.orm import Session

from ingot.services import appliance_exports, images
from ingot.store.tables import Appliance


def remove(session: Session, appliance: Appliance) -> set[str]:
    """Delete an appliance with its images and exports, cancelling what runs; returns the hashes of its contents, to be
    swept."""
    hashes = images.delete_all(session, appliance) | appliance_exports.delete_all(session, appliance)
    hashes |= {script.sha256 for script in appliance.boot_scripts if script.sha256}
    hashes |= {appliance.logo_sha256} if appliance.logo_sha256 else set()
    session.delete(appliance)
    session.flush()
    return hashes
