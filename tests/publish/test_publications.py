"""Publications through the API, with a real worker and real targets."""

import functools
import hashlib
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from ingot.store.tables import Attempt, Publication
from tests.faults.conftest import namespaces
from tests.faults.site import Site
from tests.faults.site import eventually as eventually_within
from tests.publish.servers import libvirt, web_dav
from tests.serving import PASSWORD, address, name, site

__all__ = ["address", "name", "namespaces", "site"]
_SECRET = "hush-hush-4711"
#: Two programs start one after the other, and what is left is looked for every few seconds.
eventually = functools.partial(eventually_within, seconds=180)


@pytest.fixture
def api(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"{address}/api/", auth=("root", PASSWORD), headers={"Accept": "application/json"}, timeout=60
    ) as client:
        yield client


@pytest.fixture
def image(site: Site, api: httpx.Client, name: str) -> dict[str, Any]:
    """A finished image of the test's own appliance."""
    site.let_go(name)
    base = f"users/root/appliances/{site.add_appliance(name)}/images"
    body = {"image": {"compress": True, "targetFormat": {"name": "QCOW2"}}}
    uri = api.post(base, json=body).json()["image"]["uri"]
    site.await_end(name)
    found: dict[str, Any] = api.get(uri).json()["image"]
    assert found["status"]["complete"], found
    return found


def _account(api: httpx.Client, kind: str, name: str, **fields: Any) -> dict[str, Any]:
    response = api.post("users/root/accounts", json={"credAccount": {"@type": kind, "name": name, **fields}})
    assert response.status_code == 201, response.text
    account: dict[str, Any] = response.json()["credAccount"]
    return account


def _publish(api: httpx.Client, image: dict[str, Any], kind: str, account: dict[str, Any], **fields: Any) -> Any:
    body = {"publishImage": {"@type": kind, "credAccount": account, **fields}}
    return api.post(f"{image['uri']}/pimages", json=body)


def _ticket(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 201, response.text
    ticket: dict[str, Any] = response.json()["publishImage"]
    return ticket


def _ended(api: httpx.Client, ticket: dict[str, Any]) -> dict[str, Any]:
    """The status of a publication once it is over."""
    status: dict[str, Any] = {}

    def over() -> bool:
        status.update(api.get(f"{ticket['uri']}/status").json()["status"])
        return bool(status["complete"] or status["cancelled"])

    eventually(over, "the publication is over")
    return status


def _row(site: Site, number: int) -> Publication | None:
    with site.database.transaction(read_only=True) as session:
        return session.get(Publication, number)


class Slow:
    """A web server that takes the first MiB of a PUT and then waits until it may go on."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.go = threading.Event()
        self.address = ""


@contextmanager
def _slow_server() -> Iterator[Slow]:
    slow = Slow()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_args: Any) -> None:
            pass

        def _handle(self) -> None:
            slow.requests.append((self.command, self.path))
            left = int(self.headers.get("Content-Length") or 0)
            if self.command == "PUT":
                slow.go.wait(60)
            while left:
                left -= len(self.rfile.read(min(left, 1 << 16)) or b"x" * left)
            self.send_response(201)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_PUT = do_DELETE = do_MOVE = _handle  # noqa: N815

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        slow.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield slow
        finally:
            slow.go.set()
            server.shutdown()
            thread.join()


def test_an_image_is_published_and_found(
    site: Site, api: httpx.Client, image: dict[str, Any], tmp_path: Path, name: str
) -> None:
    login = ("ingot", _SECRET)
    root = tmp_path / "dav"
    with web_dav(root, login) as server:
        account = _account(api, "CredAccountWebDav", name, endpointUrl=server, login=login[0], password=login[1])
        ticket = _ticket(_publish(api, image, "PublishImageWebDav", account, path="images/web.qcow2"))
        status = _ended(api, ticket)
    assert (status["complete"], status["error"], status["percentage"]) == (True, False, 100)
    assert status["message"].startswith("Done, published on ")
    assert (status["bytesLoaded"], status["bytesTotal"]) == (image["size"], image["size"])
    content = (root / "files" / "images" / "web.qcow2").read_bytes()
    assert hashlib.sha256(content).hexdigest() == image["sha256sum"]
    published = api.get(ticket["uri"]).json()["publishImage"]
    assert published["cloudId"] == published["publishLocation"] == f"{server}/images/web.qcow2"
    assert published["credAccount"]["name"] == name
    assert published["imageUri"] == image["uri"]

    def listed(where: str) -> list[int]:
        rows = api.get(where).json()["publishImages"]["publishImages"]["publishImage"]
        return [row["dbId"] for row in rows]

    # The original's clients refuse a list with a type that they do not know.
    assert published["dbId"] not in listed("users/root/pimages") + listed(f"{image['parentUri']}/pimages")
    assert published["dbId"] in listed("ingot/users/root/pimages")
    for where, shown in (("users/root/accounts", False), ("ingot/users/root/accounts", True)):
        accounts = api.get(where).json()["credAccounts"]["credAccounts"]["credAccount"]
        assert (name in [row["name"] for row in accounts]) == shown
    statuses = api.get("users/root/pimages/status", params={"img": published["dbId"]}).json()["statuses"]["statuses"]
    assert [row["published"] for row in statuses["status"]] == [True]
    logs = [file.read_text(errors="replace") for file in site.root.glob("process-*.log")]
    logs += [file.read_text(errors="replace") for file in (site.data / "logs").glob("*")]
    assert all(_SECRET not in text for text in logs)


def test_a_publication_can_be_downloaded_once_with_its_key(
    api: httpx.Client, image: dict[str, Any], tmp_path: Path, name: str
) -> None:
    with web_dav(tmp_path / "dav") as server:
        account = _account(api, "CredAccountWebDav", name, endpointUrl=server)
        ticket = _ticket(_publish(api, image, "PublishImageWebDav", account))
        assert not _ended(api, ticket)["error"]
    published = api.get(ticket["uri"]).json()["publishImage"]
    address = f"{api.base_url}{published['downloadUri']}"
    first = httpx.get(address)
    assert hashlib.sha256(first.content).hexdigest() == image["sha256sum"]
    assert httpx.get(address).status_code == 403
    other = api.get(ticket["uri"]).json()["publishImage"]
    assert other["downloadKey"] != published["downloadKey"]
    assert api.get(published["downloadUri"].partition("?")[0]).content == first.content


def test_a_publication_is_cancelled_and_leaves_nothing(
    site: Site, api: httpx.Client, image: dict[str, Any], name: str
) -> None:
    with _slow_server() as slow:
        account = _account(api, "CredAccountWebDav", name, endpointUrl=slow.address)
        ticket = _ticket(_publish(api, image, "PublishImageWebDav", account, path="disk"))
        eventually(lambda: ("PUT", "/disk.part") in slow.requests, "the upload begins")
        assert api.delete(f"{ticket['uri']}/cancel").status_code == 204
        status = _ended(api, ticket)
        assert (status["cancelled"], status["complete"], status["error"]) == (True, False, False)
        eventually(lambda: ("DELETE", "/disk.part") in slow.requests, "what was half uploaded is removed")

        def is_clean() -> bool:
            row = _row(site, ticket["dbId"])
            return row is not None and row.journal is None

        eventually(is_clean, "nothing is left to do")
        assert api.delete(ticket["uri"]).status_code == 204
        assert api.get(ticket["uri"]).status_code == 404
        assert _row(site, ticket["dbId"]) is None


def test_a_deleted_image_takes_its_running_publication_along(
    site: Site, api: httpx.Client, image: dict[str, Any], name: str
) -> None:
    with _slow_server() as slow:
        account = _account(api, "CredAccountWebDav", name, endpointUrl=slow.address)
        ticket = _ticket(_publish(api, image, "PublishImageWebDav", account, path="gone"))
        eventually(lambda: ("PUT", "/gone.part") in slow.requests, "the upload begins")
        assert api.delete(image["uri"]).status_code == 204
        rows = api.get("ingot/users/root/pimages").json()["publishImages"]["publishImages"]
        assert ticket["dbId"] not in [row["dbId"] for row in rows["publishImage"]]
        eventually(lambda: ("DELETE", "/gone.part") in slow.requests, "what was half uploaded is removed")
        eventually(lambda: _row(site, ticket["dbId"]) is None, "nothing is left of it")


def test_faults_are_told_in_the_target_s_words(
    api: httpx.Client, image: dict[str, Any], tmp_path: Path, name: str
) -> None:
    with web_dav(tmp_path / "dav", ("ingot", "right")) as server:
        account = _account(api, "CredAccountWebDav", name, endpointUrl=server, login="ingot", password=_SECRET)
        status = _ended(api, _ticket(_publish(api, image, "PublishImageWebDav", account)))
    assert status["error"]
    assert status["errorMessage"] == "The server refused PUT: 401 Unauthorized."
    assert _SECRET not in str(status)


def test_what_cannot_work_is_refused_at_once(api: httpx.Client, image: dict[str, Any], name: str) -> None:
    dav = _account(api, "CredAccountWebDav", name, endpointUrl="http://127.0.0.1:1")
    for kind, account, fields, words in (
        ("PublishImageS3", dav, {"bucket": "b"}, "is a CredAccountWebDav: a PublishImageS3 needs a CredAccountS3"),
        ("PublishImageAws", dav, {"region": "r"}, "format qcow2 cannot be published there: generate one as aws"),
        ("PublishImageS3", dav, {}, "lacks bucket"),
        ("PublishImageK5", dav, {}, "Fujitsu K5 ended"),
        ("PublishImageWebDav", {"@type": "CredAccountWebDav", "name": "nobody"}, {}, "no cloud account nobody"),
    ):
        response = _publish(api, image, kind, account, **fields)
        assert response.status_code in (400, 404), response.text
        assert words in response.json()["uforgeError"]["localizedErrorMsg"]["message"], response.text


def test_an_image_that_is_not_there_yet_is_not_published(site: Site, api: httpx.Client, name: str) -> None:
    base = f"users/root/appliances/{site.add_appliance(name)}/images"
    image = api.post(base, json={"image": {"targetFormat": {"name": "QCOW2"}}}).json()["image"]
    account = _account(api, "CredAccountWebDav", name, endpointUrl="http://127.0.0.1:1")
    response = _publish(api, image, "PublishImageWebDav", account)
    assert response.status_code == 409
    assert "still being generated" in response.text
    site.let_go(name)
    site.await_end(name)


def test_a_machine_is_deployed_listed_and_ended(
    api: httpx.Client, image: dict[str, Any], tmp_path: Path, name: str
) -> None:
    with tempfile.TemporaryDirectory(prefix="ingot-lv-") as short:
        Path(short).chmod(0o755)
        with libvirt(Path(short) / "d") as uri:
            account = _account(api, "CredAccountLibvirt", name, connectionUri=uri)
            ticket = _ticket(
                _publish(api, image, "PublishImageLibvirt", account, storagePool="images", displayName="web")
            )
            status = _ended(api, ticket)
            assert not status["error"], status
            body = {"deployment": {"name": "My web", "instances": {"instance": [{"cores": 1, "memory": 64}]}}}
            response = api.post(f"{ticket['uri']}/deploys", json=body)
            assert response.status_code == 201, response.text
            number = response.json()["deployment"]["applicationId"]
            where = f"users/root/deployments/{number}"

            def state() -> str:
                return str(api.get(f"{where}/status").json()["status"]["message"])

            eventually(lambda: state() in ("running", "on-fire"), "the machine runs")
            found = api.get(where).json()["deployment"]
            # What the stand-in engine made is no disk that boots: QEMU refuses it, or runs it. Both are told.
            assert found["state"] in ("running", "on-fire")
            machine = found["instances"]["instance"][0]
            assert machine["sourceSummary"]["@type"] == "ApplianceSummary"
            assert machine["cloudProvider"] == "libvirt"
            assert api.delete(where).status_code == 204

            def listed() -> list[str]:
                rows = api.get("users/root/deployments").json()["deployments"]["deployments"]["deployment"]
                return [row["applicationId"] for row in rows]

            eventually(lambda: number not in listed(), "the machine is gone")
            assert api.get(where).status_code == 404
            assert list((Path(short) / "d" / "pool").glob("My-web*")) == []


def test_a_worker_that_is_killed_in_the_middle_loses_nothing(tmp_path: Path, namespaces: None) -> None:
    site = Site(tmp_path, None)
    try:
        _, address = site.start_server()
        with (
            httpx.Client(
                base_url=f"{address}/api/",
                auth=("root", PASSWORD),
                headers={"Accept": "application/json"},
                timeout=60,
            ) as api,
            _slow_server() as slow,
        ):
            site.let_go("web")
            base = f"users/root/appliances/{site.add_appliance('web')}/images"
            body = {"image": {"compress": True, "targetFormat": {"name": "QCOW2"}}}
            image = api.post(base, json=body).json()["image"]
            site.await_end("web")
            account = _account(api, "CredAccountWebDav", "slow", endpointUrl=slow.address)
            ticket = _ticket(_publish(api, image, "PublishImageWebDav", account, path="disk"))
            eventually(lambda: ("PUT", "/disk.part") in slow.requests, "the upload begins")
            before = len(slow.requests)
            with site.database.transaction(read_only=True) as session:
                attempt = session.scalars(select(Attempt).where(Attempt.kind == "publish")).one()
            assert attempt.worker is not None
            worker = int(attempt.worker.rpartition(":")[2])
            os.kill(worker, signal.SIGKILL)
            slow.go.set()
            eventually(lambda: len(slow.requests) > before, "another worker takes it up")
            status = _ended(api, ticket)
            assert (status["complete"], status["error"]) == (True, False)
    finally:
        site.close()
