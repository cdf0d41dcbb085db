"""Public SSH keys of users."""

from sqlalchemy import select

from ingot.api.operation import Call, Chapter
from ingot.api.representations import users as representations
from ingot.messages.access import SSHKey, SSHKeys
from ingot.messages.base import Message
from ingot.services import ssh_keys
from ingot.store import tables

_chapter = Chapter("usersshkeys")
CHAPTERS = (_chapter,)
_BASE = "/users/{uid}/sshkeys"
_ONE = f"{_BASE}/{{sshid}}"


@_chapter.operation("sshKey_create", "POST", _BASE, body=SSHKey, answer=SSHKey, status=201)
def create(call: Call) -> Message:
    """Keep a public SSH key."""
    return representations.ssh_key(ssh_keys.create(call.session, call.owner, call.body(SSHKey)), call.owner)


@_chapter.operation("sshKey_getAll", "GET", _BASE, answer=SSHKeys, query=("name",))
def get_all(call: Call) -> Message:
    """The SSH keys of a user, or the one of a name."""
    statement = select(tables.SshKey).where(tables.SshKey.owner_id == call.owner.id)
    if name := call.query.get("name"):
        statement = statement.where(tables.SshKey.name == name)
    rows = call.session.scalars(statement.order_by(tables.SshKey.name)).all()
    return SSHKeys(total=len(rows), ssh_keys=[representations.ssh_key(row, call.owner) for row in rows])


@_chapter.operation("sshKey_get", "GET", _ONE, answer=SSHKey)
def get(call: Call) -> Message:
    """A public SSH key."""
    return representations.ssh_key(ssh_keys.find(call.session, call.owner, call.number("sshid")), call.owner)


@_chapter.operation("sshKey_delete", "DELETE", _ONE, status=204, query=("force",))
def delete(call: Call) -> None:
    """Forget an SSH key; appliances keep the copies that they have."""
    call.session.delete(ssh_keys.find(call.session, call.owner, call.number("sshid")))
