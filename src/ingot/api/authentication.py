"""Who asks: HTTP Basic, with the supervisor's form ADMIN\\TARGET, or a request signed with an API key."""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import threading
import time
from collections import OrderedDict

from sqlalchemy.orm import Session
from starlette.requests import Request

from ingot.api import signatures
from ingot.api.errors import UnauthorizedError
from ingot.logs import Log
from ingot.services import api_keys
from ingot.services.errors import ForbiddenError
from ingot.services.passwords import NOBODY, is_login
from ingot.services.secrets import LostSecretError, Vault
from ingot.services.users import find_user, require_entitlement
from ingot.store.tables import ApiKey, User

_REMEMBERED_SECONDS = 60
_MOST_REMEMBERED = 10_000
_log = Log()


class Authenticator:
    """Verifies logins; one that was used within the last minute is remembered, so that Argon2 does not run for every
    request.

    What is remembered is a keyed hash of login and password together with the stored password hash: a changed
    password counts at once. Argon2 takes 64 MB and all cores for each password: no more than there are cores are
    verified at once, and what came with many requests at once is verified once.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._key = secrets.token_bytes(32)
        self._verified: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._lock = threading.Lock()
        self._verifying = threading.BoundedSemaphore(os.cpu_count() or 1)

    def authenticate(self, session: Session, request: Request) -> User:
        """The user of an Authorization header or of a signature; raises UnauthorizedError."""
        header = request.headers.get("authorization")
        if header is None and "apiKey" in request.query_params:
            return self._signer(session, request)
        login, password = _basic(header)
        admin_login, _, target_login = login.partition("\\")
        user = find_user(session, admin_login)
        if not self._is_right(admin_login, password, user) or user is None or not user.active:
            raise UnauthorizedError("The user name or the password is wrong.")
        return self._supervised(session, user, target_login) if target_login else user

    def _signer(self, session: Session, request: Request) -> User:
        signed = signatures.read(request)
        key = api_keys.by_public_key(session, signed.public_key) if signed else None
        if signed is None or key is None or not signed.is_by(self._secret(key)) or not key.owner.active:
            raise UnauthorizedError(
                "The API key or the signature is wrong. A signature is the HMAC-SHA1 of the address after the base, "
                "with its query, in Base64, and stands last: …?apiKey=PUBLIC&signature=…"
            )
        require_entitlement(key.owner, ("api_key_access",))
        return key.owner

    def _secret(self, key: ApiKey) -> bytes:
        try:
            return api_keys.secret_key(self._vault, key)
        except LostSecretError:
            _log.error("an API key cannot be opened: vault-key in the data directory is another one", api_key=key.id)
            raise UnauthorizedError(
                "The server lost the secret of this API key. Delete it and create another one."
            ) from None

    def _supervised(self, session: Session, admin: User, login: str) -> User:
        if "supervisor_access" not in admin.entitlements:
            raise ForbiddenError(
                f"User {admin.login} lacks the entitlement supervisor_access.",
                "supervisor_access",
                message_id="ERROR.ENTITLEMENT.MISSING",
            )
        target = find_user(session, login)
        if target is None or target.organisation_id != admin.organisation_id:
            raise UnauthorizedError(f"There is no user {login} to act as.")
        return target

    def _is_right(self, login: str, password: str, user: User | None) -> bool:
        stored = user.password_hash if user else NOBODY
        digest = hmac.digest(self._key, f"{login}\0{password}".encode(), hashlib.sha256)
        if self._is_remembered(digest, stored):
            return True
        with self._verifying:
            if self._is_remembered(digest, stored):  # by who was before us
                return True
            if not is_login(password, stored):
                return False
            with self._lock:
                self._verified[digest] = (stored, time.monotonic() + _REMEMBERED_SECONDS)
                while len(self._verified) > _MOST_REMEMBERED:
                    self._verified.popitem(last=False)
        return True

    def _is_remembered(self, digest: bytes, stored: str) -> bool:
        """Whether a login was right a moment ago; it then is for another minute."""
        with self._lock:
            remembered = self._verified.get(digest)
            if remembered is None or remembered[0] != stored or remembered[1] <= time.monotonic():
                return False
            self._verified[digest] = (stored, time.monotonic() + _REMEMBERED_SECONDS)
            self._verified.move_to_end(digest)
        return True


def _basic(header: str | None) -> tuple[str, str]:
    scheme, _, credentials = (header or "").partition(" ")
    if scheme.lower() != "basic":
        raise UnauthorizedError("This needs a login: send the user name and password with HTTP Basic.")
    try:
        login, separator, password = base64.b64decode(credentials.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise UnauthorizedError("The Authorization header is not Basic base64(user:password).") from None
    if not separator:
        raise UnauthorizedError("The Authorization header has no colon between user name and password.")
    return login, password
