"""A stand-in for S3: a real HTTP server that can be slow, busy or away, and tells what was asked of it."""

import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

KEY, SECRET = "AKIASTANDIN", "a-secret-nobody-may-see"
#: What a process needs to know to use it.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_EC2_METADATA_DISABLED": "true"}
_REGION = "eu-west-1"


@dataclass(frozen=True)
class Asked:
    """One request: its method, its path with the query, and its headers."""

    method: str
    target: str
    headers: dict[str, str]


@dataclass
class Bucket:
    """One bucket on the stand-in. Parts of objects wait for `open`; the next `busy` requests that send or remove
    something are refused as by a busy server."""

    name: str
    open: threading.Event = field(default_factory=threading.Event)
    busy: int = 0
    asked: list[Asked] = field(default_factory=list)
    #: Bytes after which the content of the next objects breaks off, one by one.
    cuts: list[int] = field(default_factory=list)
    #: Parts that have come, and wait.
    waiting: int = 0
    address: str = ""
    _server: BaseWSGIServer | None = None
    _thread: threading.Thread | None = None

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a server that keeps its artifacts here."""
        return {"artifacts": f"s3://{self.name}/files", "s3_endpoint": self.address, "s3_region": _REGION}

    @property
    def environment(self) -> dict[str, str]:
        """The same, for a process."""
        own = {f"INGOT_{name}".upper(): value for name, value in self.settings.items()}
        return {**CREDENTIALS, **own}

    def start(self) -> None:
        """Answer, at the same address as before."""
        port = int(self.address.rpartition(":")[2]) if self.address else 0
        self._server = make_server("127.0.0.1", port, self._handle, threaded=True)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        """Be away; what is in the bucket stays there."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None

    def client(self) -> Any:
        """A client of somebody else."""
        return boto3.client(
            "s3",
            endpoint_url=self.address,
            region_name=_REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def names(self) -> set[str]:
        """The names of the objects, without what they all begin with."""
        answer = self.client().list_objects_v2(Bucket=self.name, Prefix="files/")
        return {row["Key"].removeprefix("files/") for row in answer.get("Contents", ())}

    def content(self, sha256: str) -> bytes:
        """The content of an object."""
        answer = self.client().get_object(Bucket=self.name, Key=f"files/{sha256[:2]}/{sha256}")
        content: bytes = answer["Body"].read()
        return content

    def uploads(self) -> int:
        """How many uploads in parts are unfinished."""
        return len(self.client().list_multipart_uploads(Bucket=self.name).get("Uploads", ()))

    def count(self, method: str, words: str = "") -> int:
        """How many requests there were of a method, and with these words in their target."""
        return sum(one.method == method and words in one.target for one in self.asked)

    def check_logins(self, after: float = 0) -> None:
        """Look at who asks from now on, or after so many requests; nobody has an account here."""
        httpx.post(f"{self.address}/moto-api/reset-auth", content=str(after)).raise_for_status()

    def _handle(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        method, target = environ["REQUEST_METHOD"], f"{environ['PATH_INFO']}?{environ.get('QUERY_STRING', '')}"
        headers = {
            name[5:].lower().replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")
        }
        self.asked.append(Asked(method, target, headers))
        if "X-Amz-Signature" in target and "authorization" in headers:
            # As Amazon's does: who has an address with a signature may bring no login.
            start_response("400 Bad Request", [("Content-Length", "0"), ("Connection", "close")])
            return [b""]
        if method in ("PUT", "DELETE") and self.busy:
            self.busy -= 1
            _take_in(environ)
            start_response("503 Slow Down", [("Content-Length", "0"), ("Connection", "close")])
            return [b""]
        if method == "PUT" and "partNumber=" in target and not self.open.is_set():
            self.waiting += 1
            self.open.wait(120)
            self.waiting -= 1
        answer: Iterable[bytes] = _application(environ, start_response)
        if method == "GET" and "X-Amz-Signature" in target and self.cuts:
            return _cut(b"".join(answer), self.cuts.pop(0))
        return answer


def _cut(content: bytes, size: int) -> Iterator[bytes]:
    yield content[:size]
    raise ConnectionAbortedError


def _take_in(environ: dict[str, Any]) -> None:
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))


_application = DomainDispatcherApplication(create_backend_app)


@contextmanager
def serving_bucket(name: str) -> Iterator[Bucket]:
    """A new bucket that can be used until the end of the context."""
    bucket = Bucket(re.sub(r"[^a-z0-9]+", "-", name.lower())[:40].strip("-") + f"-{time.time_ns() % 10**9}")
    bucket.open.set()
    bucket.start()
    try:
        bucket.client().create_bucket(Bucket=bucket.name, CreateBucketConfiguration={"LocationConstraint": _REGION})
        yield bucket
    finally:
        bucket.open.set()
        bucket.stop()


@pytest.fixture
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A bucket for one test, whose credentials are in the environment."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with serving_bucket(request.node.name) as bucket:
        yield bucket
