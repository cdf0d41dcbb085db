"""Scans of machines. No machine can be scanned here, so whatever a path names is not there."""

from typing import NoReturn

from ingot.services.errors import NotFoundError
from ingot.store.tables import User


def find(owner: User, instance_id: int) -> NoReturn:
    """The scanned machine of a user."""
    raise NotFoundError(
        f"User {owner.login} has no scanned machine {instance_id}: machines cannot be scanned here.",
        str(instance_id),
        message_id="ERROR.SCANNEDINSTANCE.NOT_FOUND",
    )
