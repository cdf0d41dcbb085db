"""hammr publishes images: to a real Glance, and what it shows of publications and machines."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.conftest import Hammr
from tests.faults.site import Site, eventually
from tests.publish.servers import docker_registry, glance, libvirt


@pytest.fixture(scope="module")
def glance_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with glance(tmp_path_factory.mktemp("openstack") / "glance") as address:
        yield address


@pytest.fixture
def account(api: httpx.Client, glance_address: str, name: str) -> str:
    """The name of an account at the Glance."""
    body = {"@type": "CredAccountOpenStack", "name": f"at-{name}", "glanceUrl": glance_address}
    response = api.post("accounts", json={"credAccount": body})
    assert response.status_code == 201, response.text
    return f"at-{name}"


@pytest.fixture
def finished(site: Site, api: httpx.Client, name: str) -> str:
    """The id of a finished OpenStack image of the test's own appliance."""
    return _generated(site, api, name, "OpenStack QCOW2")


def _generated(site: Site, api: httpx.Client, name: str, format_name: str, **fields: str) -> str:
    """The id of a finished image of a new appliance."""
    site.let_go(name)
    uri = f"appliances/{site.add_appliance(name)}/images"
    body = {"image": {"compress": True, "targetFormat": {"name": format_name}, **fields}}
    response = api.post(uri, json=body)
    assert response.status_code == 201, response.text
    attempt = site.await_end(name)
    assert attempt.state == "done", attempt.error
    return str(response.json()["image"]["dbId"])


def _rows(api: httpx.Client, path: str, wrapper: str, item: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = api.get(path).json()[wrapper][wrapper][item]
    return rows


def _file(directory: Path, name: str, account: str, display_name: str) -> str:
    builder = {
        "type": "OpenStack QCOW2",
        "displayName": display_name,
        "tenantName": "admin",
        "account": {"name": account},
    }
    return _stack(directory, name, builder)


def _stack(directory: Path, name: str, builder: dict[str, Any]) -> str:
    """A template file with one builder."""
    file = directory / "publish.json"
    system = {"name": "Debian", "version": "12", "arch": "x86_64", "profile": "Minimal"}
    stack = {"name": name, "version": "1", "os": system}
    file.write_text(json.dumps({"stack": stack, "builders": [builder]}), encoding="utf-8")
    return str(file)


def _images(address: str, name: str) -> list[str]:
    found = httpx.get(f"{address}/v2/images", params={"name": name}).json()["images"]
    return [image["id"] for image in found]


def test_image_publish_list_and_info(
    hammr: Hammr, api: httpx.Client, finished: str, account: str, glance_address: str, name: str
) -> None:
    output = hammr("image", "publish", "--id", finished, "--file", _file(hammr.home, name, account, name))
    (cloud_id,) = _images(glance_address, name)
    assert "Publication to " in output
    assert cloud_id in output
    published = api.get("pimages").json()["publishImages"]["publishImages"]["publishImage"][0]
    assert published["cloudId"] == cloud_id
    listed = hammr("image", "list")
    assert account in listed
    assert cloud_id in listed
    assert cloud_id in hammr("image", "info", "--id", finished)


def test_a_publication_that_fails_is_told(hammr: Hammr, api: httpx.Client, finished: str, name: str) -> None:
    body = {"@type": "CredAccountOpenStack", "name": f"bad-{name}", "glanceUrl": "http://127.0.0.1:1"}
    api.post("accounts", json={"credAccount": body})
    file = _file(hammr.home, name, f"bad-{name}", name)
    # hammr ends with 0 all the same.
    assert "Failed" in hammr("image", "publish", "--id", finished, "--file", file)
    published = api.get("pimages").json()["publishImages"]["publishImages"]["publishImage"]
    (status,) = [row["status"] for row in published if row["credAccount"]["name"] == f"bad-{name}"]
    assert status["errorMessage"].startswith("OpenStack refused")


def test_containers_are_pushed_to_a_registry(
    hammr: Hammr, api: httpx.Client, site: Site, tmp_path: Path, name: str
) -> None:
    number = _generated(site, api, name, "Docker", entrypoint='["/bin/true"]')
    login = ("ingot", "a password")
    with docker_registry(tmp_path / "registry", login) as address:
        account = {"name": "hub", "endpointUrl": address, "login": login[0], "password": login[1]}
        response = api.post("accounts", json={"credAccount": {"@type": "CredAccountDocker", **account}})
        assert response.status_code == 201, response.text
        fields = {"namespace": "team", "repositoryName": "web", "tagName": "1.0", "account": {"name": "hub"}}
        file = _stack(hammr.home, name, {"type": "Docker", **fields})
        assert "team/web:1.0" in hammr("image", "publish", "--id", number, "--file", file)
        manifest = httpx.get(
            f"{address}/v2/team/web/manifests/1.0",
            auth=login,
            headers={"Accept": "application/vnd.oci.image.manifest.v1+json"},
        )
    assert len(manifest.json()["layers"]) == 1
    assert "team" in hammr("image", "info", "--id", number)


def test_machines_are_listed_and_ended(hammr: Hammr, api: httpx.Client, site: Site, name: str) -> None:
    assert "No deployment" in hammr("deploy", "list")
    number = _generated(site, api, name, "QCOW2")
    image = next(row for row in _rows(api, "images", "images", "image") if str(row["dbId"]) == number)
    # A socket's path has to be short, and the daemon's user has to reach it.
    with tempfile.TemporaryDirectory(prefix="ingot-lv-") as short:
        Path(short).chmod(0o755)
        with libvirt(Path(short) / "d") as uri:
            body = {"@type": "CredAccountLibvirt", "name": "host", "connectionUri": uri}
            account = api.post("accounts", json={"credAccount": body}).json()["credAccount"]
            body = {"@type": "PublishImageLibvirt", "storagePool": "images", "displayName": "web"}
            body = {"publishImage": {**body, "credAccount": account}}
            answer = api.post(f"{image['uri'].removeprefix('users/root/')}/pimages", json=body)
            assert answer.status_code == 201, answer.text
            publication = answer.json()["publishImage"]["uri"].removeprefix("users/root/")
            eventually(lambda: api.get(f"{publication}/status").json()["status"]["complete"], "it is published", 180)
            body = {"name": "My web", "instances": {"instance": [{"cores": 1, "memory": 64}]}}
            started = api.post(f"{publication}/deploys", json={"deployment": body})
            assert started.status_code == 201, started.text
            deployment = started.json()["deployment"]["applicationId"]
            where = f"deployments/{deployment}/status"
            eventually(lambda: api.get(where).json()["status"]["message"] == "running", "the machine runs", 180)
            listed = hammr("deploy", "list")
            for words in ("My web", deployment, "libvirt", "running"):
                assert words in listed
            hammr("deploy", "terminate", "--id", deployment, "--force")
            assert "No deployment" in hammr("deploy", "list")
            assert list((Path(short) / "d/pool").glob("My-web*")) == []
