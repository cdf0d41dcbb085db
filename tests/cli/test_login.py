"""`ingot login`: what is kept, and what a login that does not come off says."""

import datetime as dt
import http.server
import ipaddress
import json
import ssl
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ingot.client.login import is_private
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


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("http://127.0.0.1:8080/api", True),
        ("http://[::1]:8080/api", True),
        ("http://localhost/api", True),
        ("https://factory.example/api", True),
        ("http://factory.example/api", False),
        ("http://192.0.2.1/api", False),
    ],
)
def test_a_line_that_others_can_read_is_known(url: str, private: bool) -> None:
    assert is_private(url) == private


@pytest.fixture
def encrypted(tmp_path: Path, address: str) -> Iterator[tuple[str, Path]]:
    """(The address of an encrypted way to the server's /status, the certificate that vouches for it)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "here")])
    start = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, start, start + dt.timedelta(days=9))
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = builder.add_extension(here, critical=False).sign(key, hashes.SHA256())
    file = tmp_path / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    class Gate(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = httpx.get(f"{address}{self.path}", headers=dict(self.headers.items()))
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gate) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}", file
        server.shutdown()
        thread.join()


def test_a_certificate_is_verified(stranger: Command, encrypted: tuple[str, Path]) -> None:
    url, certificate = encrypted
    login = ("login", url, "-u", "root", "--password-stdin", "--with-password")
    assert "SSL_CERT_FILE" in stranger(*login, stdin=PASSWORD, code=1)
    stranger.environment["SSL_CERT_FILE"] = str(certificate)
    assert "Logged in" in stranger(*login, stdin=PASSWORD)
