"""Files from web addresses: what is fetched, and what is refused."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from ingot.build.addresses import is_remote
from ingot.build.contents import Contents, file_pool
from ingot.build.errors import BuildError
from ingot.build.remote import RemoteError, _is_public, fetch_file

_CONTENT = b"some software\n" * 10_000


class _Handler(BaseHTTPRequestHandler):
    content: ClassVar[bytes] = _CONTENT
    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("Authorization", ""))
        path = self.path.partition("?")[0]
        if path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/files/app.tar.gz?x=1")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path in ("/elsewhere", "/round"):
            self.send_response(301)
            self.send_header("Location", "http://other.invalid/x" if path == "/elsewhere" else "/round")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path == "/missing":
            self.send_error(404)
        else:
            self.send_response(200)
            if path != "/endless":
                self.send_header("Content-Length", str(len(self.content) + (10 if path == "/short" else 0)))
            self.end_headers()
            self.wfile.write(self.content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_fetched_with_its_hash_and_name(address: str, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    fetched = fetch_file(
        f"{address}/moved",
        tmp_path,
        largest=1 << 20,
        allow_private=True,
        credentials=("me", "secret"),
        on_progress=lambda done, total: told.append((done, total)),
    )
    assert fetched.file.read_bytes() == _CONTENT
    assert fetched.sha256 == hashlib.sha256(_CONTENT).hexdigest()
    assert fetched.size == len(_CONTENT)
    assert told[-1] == (len(_CONTENT), len(_CONTENT))
    assert _Handler.seen[-1] == f"Basic {base64.b64encode(b'me:secret').decode()}"
    assert fetch_file(f"{address}/a%20b.zip", tmp_path, largest=1 << 20, allow_private=True).name == "a b.zip"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/missing", "answers with 404"),
        ("/elsewhere", "sends on to another host, other.invalid"),
        ("/round", "more than 5 times"),
        ("/large", "at most 1000 are possible"),
        ("/endless", "more than 1000 bytes"),
    ],
)
def test_what_is_not_as_it_should_be_leaves_nothing(address: str, tmp_path: Path, path: str, words: str) -> None:
    with pytest.raises(RemoteError, match=words):
        fetch_file(f"{address}{path}", tmp_path, largest=1000, allow_private=True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_ends_too_early_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(RemoteError):
        fetch_file(f"{address}/short", tmp_path, largest=1 << 20, allow_private=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1/x", "file:///etc/passwd", "http:///x", "http://[::1", "gopher://x/", "http://127.0.0.1:99999/"],
)
def test_other_addresses_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(RemoteError):
        fetch_file(url, tmp_path, largest=1000, allow_private=True)


def test_private_addresses_are_refused_unless_allowed(address: str, tmp_path: Path) -> None:
    for url in (address, address.replace("127.0.0.1", "localhost"), address.replace("127.0.0.1", "[::1]")):
        with pytest.raises(RemoteError, match="INGOT_ALLOW_PRIVATE_SOURCES"):
            fetch_file(f"{url}/x", tmp_path, largest=1 << 20, allow_private=False)
    secret = address.replace("http://", "http://me:secret@")
    with pytest.raises(RemoteError) as error:
        fetch_file(f"{secret}/missing?token=secret", tmp_path, largest=1000, allow_private=True)
    assert "secret" not in error.value.message


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - it is refused
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert _is_public(address) is public


def test_contents_are_kept_by_their_hash(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{address}/files/app.tar.gz"
    contents = Contents(None, tmp_path)
    sha256 = contents.sha256(url)
    assert contents.path(url) == file_pool(tmp_path) / sha256
    # Known by its hash, it is not fetched again; gone, it is, and has to be the same.
    monkeypatch.setattr(_Handler, "content", b"other")
    known = Contents(None, tmp_path, known={url: sha256})
    known.verify()
    assert known.path(url).read_bytes() == _CONTENT
    (file_pool(tmp_path) / sha256).unlink()
    with pytest.raises(BuildError, match="has changed since the manifest was made"):
        Contents(None, tmp_path, known={url: sha256}).path(url)
    assert list(file_pool(tmp_path).iterdir()) == []
    assert is_remote("HTTPS://x/y")
    assert not is_remote("http/x")
