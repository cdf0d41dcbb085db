"""Who logs in where: from the environment, or as it was kept by `ingot login`."""

import contextlib
import ipaddress
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingot.client.errors import NoLoginError

_BASE = "/api"


class Login(BaseModel):
    """A user of a server, with a password or with an API key (`public_key`, `secret_key`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    user: str
    password: str | None = Field(default=None, repr=False)
    public_key: str | None = None
    secret_key: str | None = Field(default=None, repr=False)
    key_uri: str | None = None


def kept_file(environment: Mapping[str, str]) -> Path:
    """The file that a login is kept in."""
    base = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "~")).expanduser() / ".config"
    return Path(environment.get("INGOT_LOGIN_FILE") or Path(base) / "ingot" / "login.json")


def find(environment: Mapping[str, str]) -> Login:
    """The login to use: INGOT_URL, INGOT_USER and INGOT_PASSWORD (or INGOT_API_KEY and INGOT_API_SECRET) where they
    are set, otherwise the one that was kept. Raises NoLoginError.
    """
    if url := environment.get("INGOT_URL"):
        return _of_environment(url, environment)
    kept = read(kept_file(environment))
    if kept is None:
        raise NoLoginError(
            "You are not logged in. Log in: ingot login http://SERVER:8080 --user NAME (or set INGOT_URL, INGOT_USER "
            "and INGOT_PASSWORD)."
        )
    return kept


def _of_environment(url: str, environment: Mapping[str, str]) -> Login:
    user = environment.get("INGOT_USER")
    password, public, secret = (
        environment.get(name) for name in ("INGOT_PASSWORD", "INGOT_API_KEY", "INGOT_API_SECRET")
    )
    if not user or not (password or (public and secret)):
        raise NoLoginError(
            "INGOT_URL is set without who logs in: set INGOT_USER, and INGOT_PASSWORD or INGOT_API_KEY with "
            "INGOT_API_SECRET."
        )
    if public and secret:
        return Login(url=normal_url(url), user=user, public_key=public, secret_key=secret)
    return Login(url=normal_url(url), user=user, password=password)


def normal_url(url: str) -> str:
    """The base address of the API at a server that is named more or less completely. Raises NoLoginError."""
    whole = url if "://" in url else f"http://{url}"
    parts = urlsplit(whole)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise NoLoginError(f"{url} is no address of a server such as http://127.0.0.1:8080.")
    if parts.username or parts.password:
        raise NoLoginError("Leave user and password out of the address: the command asks for the password.")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or _BASE}"


def is_private(url: str) -> bool:
    """Whether nobody on the way can listen: the address is encrypted, or is this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    with contextlib.suppress(ValueError):
        return parts.scheme == "https" or ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def read(file: Path) -> Login | None:
    """The kept login, if there is one. Raises NoLoginError when it cannot be read."""
    try:
        return Login.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        words = error.strerror if isinstance(error, OSError) else "its content is none of ours"
        raise NoLoginError(f"The kept login {file} cannot be read: {words}. Log in again: ingot login") from error


def keep(file: Path, login: Login) -> None:
    """Keep a login, readable by its user alone; the file appears complete."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as output:
            json.dump(login.model_dump(exclude_none=True), output)
        draft.rename(file)
    finally:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()


def forget(file: Path) -> None:
    """Remove the kept login."""
    file.unlink(missing_ok=True)
