"""Passwords: those of Ingot's own users, and those that go into images."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from passlib.hash import sha512_crypt

_HASHER = PasswordHasher()
#: The hash of no password: checking against it costs an unknown user's login the same time as a known one's.
NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43
_CRYPT_ROUNDS = 5000


def hash_login(password: str) -> str:
    """The hash under which a user's own password is kept."""
    return _HASHER.hash(password)


def is_login(password: str, hashed: str) -> bool:
    """Whether a password is the one that was hashed."""
    try:
        return _HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


def hash_for_machine(password: str) -> str:
    """The crypt hash of a password that goes into an image."""
    return str(sha512_crypt.using(rounds=_CRYPT_ROUNDS).hash(password))
