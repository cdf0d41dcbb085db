"""`ingot login`: what is kept, and what a login that does not come off says."""

import json
import stat
from pathlib import Path

import httpx
import pytest

from tests.serving import PASSWORD, Command


@pytest.fixture
def stranger(tmp_path: Path, address: str) -> Command:
    """The command of somebody who never logged in."""
    return Command(tmp_path, None)


def _keys(address: str) -> list[str]:
    answer = httpx.get(
        f"{address}/api/users/root/apikeys", auth=("root", PASSWORD), headers={"Accept": "application/json"}
    )
    return [key["uri"] for key in answer.json()["apiKeyPairs"]["apiKeyPairs"]["apiKeyPair"]]


def test_a_login_is_kept_as_a_key_until_logout(stranger: Command, address: str) -> None:
    before = _keys(address)
    said = stranger(
        "login", address.removeprefix("http://"), "--user", "root", "--password-stdin", stdin=f"{PASSWORD}\n"
    )
    assert "with an API key" in said
    file = stranger.home / "config/ingot/login.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    kept = json.loads(file.read_text())
    assert kept["url"] == f"{address}/api"
    assert "password" not in kept
    (made,) = set(_keys(address)) - set(before)
    assert kept["key_uri"] == made
    assert "QCOW2" in stranger("format", "list")
    assert '"name": "QCOW2"' in stranger("format", "list", "--output", "json")
    stranger("login", address, "-u", "root", "--password-stdin", stdin=PASSWORD)
    assert made not in _keys(address)
    assert len(_keys(address)) == len(before) + 1
    assert "Logged out" in stranger("logout")
    assert _keys(address) == before
    assert not file.exists()
    assert "were not" in stranger("logout")


def test_a_password_is_kept_where_that_is_asked_for(stranger: Command, address: str) -> None:
    before = _keys(address)
    stranger("login", address, "-u", "root", "--password-stdin", "--with-password", stdin=PASSWORD)
    assert _keys(address) == before
    assert "QCOW2" in stranger("format", "list")


def test_a_supervisor_acts_for_somebody(stranger: Command, address: str) -> None:
    stranger("login", address, "-u", "root\\root", "--password-stdin", stdin=PASSWORD)
    assert "QCOW2" in stranger("format", "list")


def test_who_is_not_logged_in_is_told_how(stranger: Command) -> None:
    assert "ingot login" in stranger("image", "list", code=4)
    stranger.environment["INGOT_URL"] = "http://127.0.0.1:1"
    assert "INGOT_USER" in stranger("image", "list", code=4)
    (stranger.home / "config/ingot").mkdir(parents=True)
    (stranger.home / "config/ingot/login.json").write_text("{")
    del stranger.environment["INGOT_URL"]
    assert "Log in again" in stranger("image", "list", code=4)


@pytest.mark.parametrize(
    ("url", "words", "code"),
    [
        ("http://127.0.0.1:1", "cannot be reached", 1),
        ("ftp://127.0.0.1", "no address of a server", 4),
        ("http://root:secret@127.0.0.1", "Leave user and password out", 4),
    ],
)
def test_a_bad_address_is_named(stranger: Command, url: str, words: str, code: int) -> None:
    said = stranger("login", url, "-u", "root", "--password-stdin", stdin=PASSWORD, code=code)
    assert words in said
    assert not (stranger.home / "config/ingot/login.json").exists()


def test_a_wrong_password_is_refused(stranger: Command, address: str) -> None:
    assert "wrong" in stranger("login", address, "-u", "root", "--password-stdin", stdin="other", code=4)


def test_another_server_is_noticed(stranger: Command, address: str) -> None:
    said = stranger("login", f"{address}/docs", "-u", "root", "--password-stdin", stdin=PASSWORD, code=1)
    assert "/docs/users/root" in said
    assert "its address is another one" in said


def test_without_a_terminal_no_password_is_asked_for(stranger: Command, address: str) -> None:
    assert "--password-stdin" in stranger("login", address, "-u", "root", code=2)
