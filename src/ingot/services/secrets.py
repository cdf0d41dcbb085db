"""Secrets: files in the data directory, outside the database, and what is sealed with them."""

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

from ingot.settings import Settings

# Functions below import the library when there is something to seal, to open or to sign: it takes 8 MB in a process,
# and most have nothing.
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_BYTES = 32
_NONCE_BYTES = 12


class LostSecretError(Exception):
    """What was sealed cannot be opened: the key is another one, or the content is."""


class Vault:
    """Seals secrets for the database, with AES-256-GCM and a key that is not there.

    A seal is bound to its `purpose` (whose secret it is): copied to another row it does not open.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, purpose: str, secret: bytes) -> bytes:
        """The sealed form of a secret."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self._key).encrypt(nonce, secret, purpose.encode())

    def open(self, purpose: str, sealed: bytes) -> bytes:
        """The secret that was sealed for this purpose; raises LostSecretError."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        try:
            return AESGCM(self._key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise LostSecretError(purpose) from error


def server_secret(settings: Settings) -> bytes:
    """The secret that download keys are derived from; made at the first call, readable by the server's user alone."""
    return _kept(settings, "secret")


def vault(settings: Settings) -> Vault:
    """The vault of a server; its key is made at the first call. Without that file, what it sealed is lost."""
    return Vault(_kept(settings, "vault-key"))


def provenance_key(settings: Settings) -> "Ed25519PrivateKey":
    """The key that statements about images are signed with; made at the first call."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    return Ed25519PrivateKey.from_private_bytes(_kept(settings, "provenance-key"))


def _kept(settings: Settings, name: str) -> bytes:
    """The random content of a file. Two processes that make it at once agree: it appears complete, and the first
    one stays.
    """
    path = settings.directory / name
    if not path.exists():
        settings.directory.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{name}.{secrets.token_hex(8)}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(_BYTES))
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
    return path.read_bytes()
