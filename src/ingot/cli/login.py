"""`ingot login`: which server, and who."""

import os
import platform
import sys
from pathlib import Path

import typer

from ingot.cli.output import FAILED, WRONG_USE, fail, printable, say, tell
from ingot.cli.remote import exit_code
from ingot.client import login as logins
from ingot.client.connection import Connection
from ingot.client.errors import ClientError, RefusedError
from ingot.client.login import Login
from ingot.messages.access import APIKeyPair
from ingot.messages.user import User


def login(url: str, user: str, *, password_from_stdin: bool, with_password: bool) -> None:
    """Verify a login and keep it: as an API key of its own where the user may have one, else with the password."""
    file = logins.kept_file(os.environ)
    password = _password(user, from_stdin=password_from_stdin)
    try:
        given = Login(url=logins.normal_url(url), user=user, password=password)
        if not logins.is_private(given.url):
            say(f"{given.url} is not encrypted: others on the way can read the password and what you send. Use https.")
        with Connection(given) as connection:
            connection.get(connection.user_path(), User)
            kept = given if with_password or "\\" in user else _with_key(connection)
        _forget_old(file)
        logins.keep(file, kept)
    except ClientError as error:
        fail(printable(error), code=exit_code(error))
    except OSError as error:
        fail(f"The login cannot be kept in {file}: {error.strerror}.")
    how = "with an API key" if kept.public_key else "with the password, readable by you alone"
    tell(f"Logged in at {kept.url} as {user}. Kept {how} in {file}.")


def logout() -> None:
    """Forget the login, and delete its API key at the server."""
    file = logins.kept_file(os.environ)
    try:
        known = logins.read(file) is not None
        if known:
            _forget_old(file)
    except ClientError as error:
        say(f"{error} It is removed.")
        known = True
    logins.forget(file)
    tell("Logged out." if known else "You were not logged in.")


def _password(user: str, *, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if password := os.environ.get("INGOT_PASSWORD"):
        return password
    if not sys.stdin.isatty():
        fail(
            "There is no terminal to ask for the password: use --password-stdin, or set INGOT_PASSWORD.",
            code=WRONG_USE,
        )
    return str(typer.prompt(f"Password of {user}", hide_input=True))


def _with_key(connection: Connection) -> Login:
    given = connection.login
    body = APIKeyPair(
        name=f"ingot on {platform.node()}", description="Made by `ingot login`; `ingot logout` deletes it."
    )
    try:
        key = connection.post(connection.user_path("apikeys"), body, APIKeyPair)
    except RefusedError as error:
        if error.status not in (403, 404):  # no right to have one, or a server that has none
            raise
        return given
    if not key.public_key or not key.secret_key:
        fail("The server made an API key and did not show it.", code=FAILED)
    return Login(url=given.url, user=given.user, public_key=key.public_key, secret_key=key.secret_key, key_uri=key.uri)


def _forget_old(file: Path) -> None:
    """Delete the API key of the login before, as far as its server lets us."""
    try:
        old = logins.read(file)
        if old is not None and old.key_uri:
            with Connection(old) as connection:
                connection.delete(old.key_uri)
    except ClientError as error:
        say(f"The API key of the login before could not be deleted at its server: {error}")
