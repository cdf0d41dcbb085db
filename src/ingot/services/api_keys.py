"""API keys: pairs of a public and a secret key, with which a user's programs sign requests."""

import secrets

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ingot.services import quotas
from ingot.services.errors import InvalidError, NotFoundError
from ingot.services.secrets import Vault
from ingot.store.base import now
from ingot.store.tables import ApiKey, User

#: Random bytes of a key: 82 characters that need no escaping in an address.
_BYTES = 61
_LONGEST = 1000


def create(session: Session, vault: Vault, owner: User, *, name: str, description: str) -> tuple[ApiKey, str]:
    """(A new key pair, its secret key: shown now and never again)."""
    quotas.lock(session, owner)
    count = session.scalar(select(func.count()).where(ApiKey.owner_id == owner.id)) or 0
    if 0 <= owner.api_key_limit <= count:
        raise quotas.ExceededError(
            f"User {owner.login} has {count} API keys and may have {owner.api_key_limit}. Delete one first, or ask an "
            "administrator for more.",
            "apikey",
        )
    public_key, secret_key = _random_key(), _random_key()
    key = ApiKey(
        owner=owner,
        name=_checked("name", name),
        description=_checked("description", description),
        public_key=public_key,
        sealed=vault.seal(_purpose(public_key), secret_key.encode()),
    )
    session.add(key)
    session.flush()
    return key, secret_key


def find(session: Session, owner: User, key_id: int) -> ApiKey:
    """A key pair of a user."""
    key = session.get(ApiKey, key_id)
    if key is None or key.owner_id != owner.id:
        raise NotFoundError(
            f"User {owner.login} has no API key {key_id}.", str(key_id), message_id="ERROR.APIKEY.NOT_FOUND"
        )
    return key


def by_public_key(session: Session, public_key: str) -> ApiKey | None:
    """The key pair that a request names, or None."""
    return session.scalars(select(ApiKey).where(ApiKey.public_key == public_key)).first()


def secret_key(vault: Vault, key: ApiKey) -> bytes:
    """The secret key of a pair; raises LostSecretError."""
    return vault.open(_purpose(key.public_key), key.sealed)


def update(session: Session, key: ApiKey, *, name: str | None, description: str | None) -> None:
    """Change what is given; the keys stay."""
    if name is not None:
        key.name = _checked("name", name)
    if description is not None:
        key.description = _checked("description", description)
    key.last_modified = now()
    session.flush()


def _random_key() -> str:
    """A key that command lines take as it is: what begins with a hyphen would be an option to them."""
    while (key := secrets.token_urlsafe(_BYTES)).startswith("-"):
        pass
    return key


def _purpose(public_key: str) -> str:
    return f"apikey|{public_key}"


def _checked(what: str, text: str) -> str:
    if len(text) > _LONGEST or "\0" in text:
        raise InvalidError(f"The {what} has a zero character or more than {_LONGEST} characters.", what)
    return text
