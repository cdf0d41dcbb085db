"""API keys of users."""

from sqlalchemy import select

from ingot.api.operation import Call, Chapter
from ingot.api.representations import users as representations
from ingot.messages.access import APIKeyPair, APIKeyPairs
from ingot.messages.base import Message
from ingot.services import api_keys
from ingot.store import tables

_chapter = Chapter("apikey")
CHAPTERS = (_chapter,)
_ACCESS = ("api_key_access",)
_BASE = "/users/{uid}/apikeys"
_ONE = f"{_BASE}/{{akid}}"


@_chapter.operation(
    "apiKey_create",
    "POST",
    _BASE,
    entitlements=_ACCESS,
    body=APIKeyPair,
    answer=APIKeyPair,
    status=201,
    optional_body=True,
)
def create(call: Call) -> Message:
    """Make an API key; only this answer shows its secret key."""
    message = call.body(APIKeyPair)
    row, secret_key = api_keys.create(
        call.session,
        call.server.vault,
        call.owner,
        name=message.name or "",
        description=message.description or "",
    )
    return representations.api_key(row, secret_key)


@_chapter.operation("apiKey_getAll", "GET", _BASE, entitlements=_ACCESS, answer=APIKeyPairs)
def get_all(call: Call) -> Message:
    """The API keys of a user, without their secret keys."""
    statement = select(tables.ApiKey).where(tables.ApiKey.owner_id == call.owner.id)
    rows = call.session.scalars(statement.order_by(tables.ApiKey.id)).all()
    return APIKeyPairs(total=len(rows), api_key_pairs=[representations.api_key(row) for row in rows])


@_chapter.operation("apiKey_update", "PUT", _ONE, entitlements=_ACCESS, body=APIKeyPair, answer=APIKeyPair)
def update(call: Call) -> Message:
    """Change an API key's name or description."""
    row, message = api_keys.find(call.session, call.owner, call.number("akid")), call.body(APIKeyPair)
    api_keys.update(call.session, row, name=message.name, description=message.description)
    return representations.api_key(row)


@_chapter.operation("apiKey_delete", "DELETE", _ONE, entitlements=_ACCESS, status=204)
def delete(call: Call) -> None:
    """Delete an API key: what it signed counts no more."""
    call.session.delete(api_keys.find(call.session, call.owner, call.number("akid")))
