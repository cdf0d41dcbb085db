"""API keys: what they may look like."""

import secrets
from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

from ingot.services import api_keys
from ingot.services.secrets import Vault
from ingot.store.tables import User


def test_no_key_begins_as_an_option_of_a_command_does(
    session: Session, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: Iterator[str] = iter(["-public", "--public", "public", "-secret", "secret"])
    monkeypatch.setattr(secrets, "token_urlsafe", lambda _bytes: next(drawn))
    key, secret_key = api_keys.create(session, Vault(bytes(32)), owner, name="", description="")
    assert (key.public_key, secret_key) == ("public", "secret")
