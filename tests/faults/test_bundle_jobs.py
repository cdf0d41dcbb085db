"""Imports, exports and fetches of bundles as jobs: what a crash, a cancel or a refusal leaves."""

import io
import json
import signal
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.faults.site import Site, eventually
from tests.serving import PASSWORD

_LARGE = 200 << 20


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = b"fetched content"
        self.send_response(200 if self.path != "/missing" else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def origin() -> Iterator[str]:
    """A server of files on the loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _archive(name: str) -> Iterator[bytes]:
    """A plain tar of a bundle with a file of 200 MB, in pieces."""
    info = tarfile.TarInfo("zeros")
    info.size = _LARGE
    yield info.tobuf()
    for _ in range(_LARGE >> 20):
        yield bytes(1 << 20)
    document = json.dumps({"name": name, "version": "1", "files": [{"name": "zeros", "source": "zeros"}]}).encode()
    rest = io.BytesIO()
    with tarfile.open(fileobj=rest, mode="w") as archive:
        info = tarfile.TarInfo("bundle.json")
        info.size = len(document)
        archive.addfile(info, io.BytesIO(document))
    yield rest.getvalue()


def _client(address: str) -> httpx.Client:
    return httpx.Client(
        base_url=f"{address}/api/users/root/",
        auth=("root", PASSWORD),
        headers={"Accept": "application/json"},
        timeout=120,
    )


def _begin(api: httpx.Client, name: str) -> str:
    ticket = api.post("bundleimports").json()["softwareBundleImport"]
    path = f"bundleimports/{ticket['dbId']}"
    assert api.post(f"{path}/uploads", content=_archive(name)).status_code == 201
    return path


def _status(api: httpx.Client, path: str) -> dict[str, Any]:
    status: dict[str, Any] = api.get(f"{path}/status").json()["status"]
    return status


def _library(api: httpx.Client) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = api.get("mysoftware").json()["mySoftwareList"]["mySoftwareList"]["mySoftware"]
    return listed


def test_transfers_survive_the_end_of_their_server(new_site: Callable[..., Site]) -> None:
    site = new_site()
    server, address = site.start_server()
    with _client(address) as api:
        path = _begin(api, "large")
        assert api.post(f"{path}/uploads", content=b"another").status_code == 409
        eventually(lambda: site.scratch() != [], "the import is being worked on")
        server.send_signal(signal.SIGKILL)
        server.wait()
    eventually(lambda: not site.survivors(), "worker and import end with the server")
    server, address = site.start_server()
    with _client(address) as api:
        eventually(lambda: bool(_status(api, path)["complete"]), "the import is over")
        assert _status(api, path)["error"] is False
        (bundle,) = _library(api)
        assert (bundle["name"], bundle["size"]) == ("large", _LARGE)
        assert api.get(path).json()["softwareBundleImport"]["referenceUri"] == bundle["uri"]
        eventually(lambda: len(site.artifacts()) == 1, "the file alone is kept")
        export = api.post(f"mysoftware/{bundle['dbId']}/exports").json()["softwareBundleExport"]
        export_path = export["uri"].removeprefix("users/root/")
        assert api.get(f"{export_path}/downloads").status_code in (200, 409)
        # Deleted while it runs or after: nothing is left of it.
        assert api.delete(export_path).status_code == 204
        eventually(lambda: site.scratch() == [] and len(site.artifacts()) == 1, "nothing is left of the export")
        assert api.delete(f"mysoftware/{bundle['dbId']}").status_code == 204
        eventually(lambda: site.artifacts() == [], "nothing is left of the bundle")


def test_fetching_asks_the_operator_for_private_addresses(
    new_site: Callable[..., Site], origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = new_site()
    server, address = site.start_server()
    with _client(address) as api:
        bundle = api.post("mysoftware", json={"mySoftware": {"name": "b", "version": "1"}}).json()["mySoftware"]
        path = f"mysoftware/{bundle['dbId']}/artifacts"

        def fetch(url: str, **query: str) -> dict[str, Any]:
            answer = api.get(f"{path}/fetch", params={"remoteFilePath": url, **query})
            assert answer.status_code == 200, answer.text
            number = answer.json()["softwareArtifact"]["dbId"]

            def shown() -> dict[str, Any]:
                artifact: dict[str, Any] = api.get(f"{path}/{number}").json()["softwareArtifact"]
                return artifact

            eventually(lambda: shown()["status"]["complete"] or shown()["status"]["error"], "the fetch is over")
            return shown()

        refused = fetch(f"{origin}/app.bin")
        assert refused["status"]["error"]
        assert "INGOT_ALLOW_PRIVATE_SOURCES" in refused["status"]["errorMessage"]
        assert not refused["uploaded"]
        assert "cannot be fetched" in api.get(f"{path}/fetch", params={"remoteFilePath": "file:///etc/passwd"}).text
        server.terminate()
        server.wait()
    site.environment["INGOT_ALLOW_PRIVATE_SOURCES"] = "true"
    server, address = site.start_server()
    with _client(address) as api:
        again = api.put(f"{path}/{refused['dbId']}/fetch", params={"useCache": "true"})
        assert again.status_code == 200, again.text

        def is_there() -> bool:
            return bool(api.get(f"{path}/{refused['dbId']}").json()["softwareArtifact"]["uploaded"])

        eventually(is_there, "the file is fetched")
        assert api.get(f"{path}/{refused['dbId']}/bin").content == b"fetched content"
        missing = fetch(f"{origin}/missing")
        assert "answers with 404" in missing["status"]["errorMessage"]
        late = fetch(f"{origin}/late.bin", useCache="false")
        assert (late["cache"], late["uploaded"]) == (False, False)
        forgotten = api.put(f"{path}/{refused['dbId']}/fetch", params={"useCache": "false"})
        assert forgotten.status_code == 200
        eventually(lambda: site.artifacts() == [], "the file is forgotten")
