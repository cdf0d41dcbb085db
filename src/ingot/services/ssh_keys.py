"""The public SSH keys that users keep to put into machines."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ingot.build.public_key import why_no_public_key
from ingot.messages.access import SSHKey as SshKeyMessage
from ingot.services.appliances import checked_text
from ingot.services.errors import ConflictError, InvalidError, NotFoundError
from ingot.store.tables import SshKey, User

_MOST = 1000


def create(session: Session, owner: User, message: SshKeyMessage) -> SshKey:
    """Keep a public key; its name is unique among the user's."""
    name = checked_text("name of the SSH key", message.name)
    if words := why_no_public_key(message.public_key or ""):
        raise InvalidError(f"SSH key {name} {words}.", name)
    if session.scalars(select(SshKey.id).where(SshKey.owner_id == owner.id, SshKey.name == name)).first():
        raise ConflictError(
            f"User {owner.login} already has an SSH key {name}. Choose another name.",
            name,
            message_id="ERROR.SSHKEY.EXISTS",
        )
    if (session.scalar(select(func.count()).where(SshKey.owner_id == owner.id)) or 0) >= _MOST:
        raise ConflictError(f"User {owner.login} has {_MOST} SSH keys, and more are not possible. Delete one first.")
    key = SshKey(owner_id=owner.id, name=name, public_key=(message.public_key or "").strip())
    session.add(key)
    session.flush()
    return key


def find(session: Session, owner: User, key_id: int) -> SshKey:
    """An SSH key of a user."""
    key = session.get(SshKey, key_id)
    if key is None or key.owner_id != owner.id:
        raise NotFoundError(
            f"User {owner.login} has no SSH key {key_id}.", str(key_id), message_id="ERROR.SSHKEY.NOT_FOUND"
        )
    return key
