"""Publishing to Google.

There is no stand-in for its services to install: a small one here holds to the rules of resumable uploads (a part
begins where the last one ended, 308 with what has arrived) and of making images, and checks what it is sent.
"""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ingot.messages.account import Certificate, CredAccountGoogle
from ingot.messages.image import PublishImageGoogle
from ingot.publish.google import GoogleTarget
from ingot.publish.target import PublishError, Source
from tests.publish.conftest import Broken, Notes, as_format


@dataclass
class Google:
    """What the stand-in has: buckets, objects by name, uploads under way, images by name."""

    address: str = ""
    buckets: dict[str, dict[str, Any]] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    refuses_images: str = ""


class _Handler(BaseHTTPRequestHandler):
    google: Google

    def log_message(self, *_args: Any) -> None:
        pass

    def _answer(self, status: int, document: Any = None, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(document).encode() if document is not None else b""
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _handle(self) -> None:
        google, url = self.google, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if url.path == "/token":
            self._answer(200, {"access_token": "token", "expires_in": 3600, "token_type": "Bearer"})
        elif self.headers.get("Authorization") != "Bearer token":
            self._answer(401, {"error": {"message": "Invalid Credentials"}})
        elif url.path.startswith("/upload/"):
            self._upload(url.path, parse_qs(url.query), body)
        elif match := re.fullmatch(r"/storage/v1/b/([^/]+)", url.path):
            bucket = google.buckets.get(match[1])
            self._answer(200, bucket) if bucket else self._answer(404, {"error": {"message": "Not Found"}})
        elif url.path == "/storage/v1/b":
            document = json.loads(body)
            google.buckets[document["name"]] = document
            self._answer(200, document)
        elif match := re.fullmatch(r"/storage/v1/b/([^/]+)/o/(.+)", url.path):
            there = google.objects.pop(f"{match[1]}/{match[2].replace('%2F', '/')}", None)
            self._answer(204) if there is not None else self._answer(404, {"error": {"message": "Not Found"}})
        else:
            self._compute(url.path, body)

    def _upload(self, path: str, query: dict[str, list[str]], body: bytes) -> None:
        google = self.google
        if self.command == "POST":
            name = path.split("/")[5] + "/" + json.loads(body)["name"]
            google.uploads[name] = bytearray()
            self._answer(200, {}, {"Location": f"{google.address}{path}?upload_id={name}"})
            return
        name = query["upload_id"][0]
        if name not in google.uploads:
            self._answer(404, {})
            return
        if self.command == "DELETE":
            del google.uploads[name]
            self._answer(499)
            return
        there = google.uploads[name]
        match = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)", self.headers["Content-Range"])
        assert match is not None
        if match[1] is not None:
            assert int(match[1]) == len(there)
            assert int(match[2]) - int(match[1]) + 1 == len(body)
            there += body
        if len(there) == int(match[3]):
            google.objects[name] = bytes(google.uploads.pop(name))
            self._answer(200, {})
        else:
            self._answer(308, None, {"Range": f"bytes=0-{len(there) - 1}"} if there else {})

    def _compute(self, path: str, body: bytes) -> None:
        google = self.google
        if path == "/compute/v1/projects/p1/global/images":
            document = json.loads(body)
            source = document["rawDisk"]["source"].removeprefix("https://storage.googleapis.com/")
            if document["name"] in google.images:
                self._answer(409, {"error": {"message": "already exists"}})
            elif source not in google.objects:
                self._answer(400, {"error": {"message": f"no object {source}"}})
            else:
                google.images[document["name"]] = {**document, "content": google.objects[source]}
                self._answer(200, {"name": "operation-1", "status": "RUNNING"})
        elif google.refuses_images:
            self._answer(200, {"status": "DONE", "error": {"errors": [{"message": google.refuses_images}]}})
        else:
            assert path == "/compute/v1/projects/p1/global/operations/operation-1"
            self._answer(200, {"name": "operation-1", "status": "DONE"})

    do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    state = Google()
    handler = type("Handler", (_Handler,), {"google": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        state.address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(GoogleTarget, "storage_endpoint", state.address)
        monkeypatch.setattr(GoogleTarget, "compute_endpoint", state.address)
        monkeypatch.setattr("ingot.publish.google._POLL_SECONDS", 0.01)
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def account(google: Google, private_key: str) -> CredAccountGoogle:
    document = {
        "type": "service_account",
        "project_id": "p1",
        "private_key_id": "1",
        "private_key": private_key,
        "client_email": "ingot@p1.example",
        "token_uri": f"{google.address}/token",
    }
    certificate = Certificate(name="key.json", type="googleCertificate", content=json.dumps(document).encode())
    return CredAccountGoogle(certificates=[certificate])


def _image(**fields: str) -> PublishImageGoogle:
    complete = {"project_id": "p1", "bucket": "images", "disk_name_prefix": "web", "bucket_location": "EU"}
    return PublishImageGoogle.model_validate({**complete, "storage_class": "NEARLINE", **fields})


def test_an_archive_becomes_an_image_and_its_object_goes(
    google: Google, account: CredAccountGoogle, large_file: Source
) -> None:
    source = as_format(large_file, "google")
    notes = Notes()
    published = GoogleTarget(account, _image(), source, notes.journal()).run()
    assert published.cloud_id == f"web-{source.sha256[:12]}"
    image = google.images[published.cloud_id]
    assert image["content"] == source.file.read_bytes()
    assert image["architecture"] == "X86_64"
    assert {"type": "UEFI_COMPATIBLE"} in image["guestOsFeatures"]
    assert (google.buckets["images"]["location"], google.buckets["images"]["storageClass"]) == ("EU", "NEARLINE")
    assert google.objects == {}
    assert notes.reports[-1] == (source.size, source.size)
    assert notes.last == {"published": [published.cloud_id, published.location]}


def test_an_upload_that_died_goes_on_where_google_says(
    google: Google, account: CredAccountGoogle, large_file: Source
) -> None:
    source = as_format(large_file, "google")
    dying = Notes(dies_after=1)
    with pytest.raises(Broken):
        GoogleTarget(account, _image(), source, dying.journal()).run()
    (name,) = google.uploads
    google.uploads[name] += source.file.read_bytes()[: 3 << 20]
    published = GoogleTarget(account, _image(), source, Notes().journal(dying.last)).run()
    assert google.images[published.cloud_id]["content"] == source.file.read_bytes()


def test_what_is_given_up_leaves_nothing(google: Google, account: CredAccountGoogle, large_file: Source) -> None:
    source = as_format(large_file, "google")
    dying = Notes(dies_after=1)
    with pytest.raises(Broken):
        GoogleTarget(account, _image(), source, dying.journal()).run()
    GoogleTarget(account, _image(), source, Notes().journal(dying.last)).abort()
    assert (google.uploads, google.objects) == ({}, {})


def test_faults_are_told_in_google_s_words(google: Google, account: CredAccountGoogle, large_file: Source) -> None:
    source = as_format(large_file, "google")
    google.refuses_images = "The disk is no disk"
    with pytest.raises(PublishError, match="The disk is no disk"):
        GoogleTarget(account, _image(), source, Notes().journal()).run()
    with pytest.raises(PublishError, match="is no diskNamePrefix"):
        GoogleTarget(account, _image(disk_name_prefix="9"), source, Notes().journal()).run()
    with pytest.raises(PublishError, match="no key file of a service account"):
        GoogleTarget(CredAccountGoogle(), _image(), source, Notes().journal()).run()
