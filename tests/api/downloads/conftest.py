"""Finished images whose content is ours, and servers with settings of their own."""

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from ingot.api.server import server_config
from ingot.build.request import BuildResult
from ingot.services import attempts, images
from ingot.services.secrets import server_secret
from ingot.settings import Settings
from ingot.store.artifacts import LocalArtifacts
from ingot.store.database import Database
from ingot.store.tables import Image
from tests.api.conftest import Site

#: More than the kernel buffers of a connection hold: a client that reads half has not been sent the rest.
SIZE = 24_000_001


@pytest.fixture(scope="session")
def content() -> bytes:
    return random.Random(7).randbytes(SIZE)  # noqa: S311 - nothing secret


@pytest.fixture
def finish(site: Site, root: httpx.Client, make_appliance: Any) -> Callable[[str, bytes], dict[str, Any]]:
    """Makes an image with a content: what a worker does at the end of a build, without the build."""

    def make(name: str, content: bytes) -> dict[str, Any]:
        appliance = make_appliance(name, profile=True)
        body = {"image": {"targetFormat": {"name": "QCOW2"}, "compress": True}}
        made = root.post(appliance["baseImagesUri"], json=body).json()["image"]
        with LocalArtifacts(site.directory / "artifacts").writer() as writer:
            writer.write(content)
        stored = writer.result()
        with site.database.transaction() as session:
            attempt = attempts.claim(session, "here", 60, (images.JOB,))
            assert attempt is not None
            row = session.get(Image, made["dbId"])
            assert row is not None
            result = BuildResult(
                output=None,
                sha256=stored.sha256,
                size=stored.size,
                installed_size=1,
                disk_size=2,
                packages=[],
                timings={},
            )
            secret = server_secret(Settings(data_dir=site.directory))
            images.complete(session, row, result, secret, 3600)
            attempts.finish(session, attempt.id, attempt.token or "", "done", message="Done")
        finished: dict[str, Any] = root.get(made["uri"]).json()["image"]
        return finished

    return make


@pytest.fixture
def image(finish: Callable[[str, bytes], dict[str, Any]], content: bytes) -> dict[str, Any]:
    """An image that is larger than buffers."""
    return finish("größe/1", content)


@pytest.fixture
def small(finish: Callable[[str, bytes], dict[str, Any]]) -> dict[str, Any]:
    """An image of 61 bytes."""
    return finish("small", bytes(range(61)))


@pytest.fixture
def noted(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    """The lines of requests for content since the last look. That of the request that came just before the test may
    still follow, and is another one.
    """
    caplog.set_level(logging.INFO, "ingot")

    def look() -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == "request" and "/downloads" in line["target"]]

    return look


@contextmanager
def serving(
    site: Site, *, http: Any = None, tls: tuple[str, str] | None = None, keep_alive: int = 30, **settings: Any
) -> Iterator[str]:
    """Another server on the same data, with settings of its own; yields where it listens."""
    database = Database(site.database.url)
    config = server_config(Settings(data_dir=site.directory, **settings), database, "127.0.0.1", 0)
    config.http = http or config.http
    config.timeout_keep_alive = keep_alive
    if tls is not None:
        config.ssl_certfile, config.ssl_keyfile = tls
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http{'s' if tls else ''}://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
        database.close()


def url_of(site: Site, image: dict[str, Any]) -> str:
    """The address that opens an image with its key."""
    return f"{site.address}/api/{image['downloadUri']}"
