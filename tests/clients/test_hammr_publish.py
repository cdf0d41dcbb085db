"""hammr publishes images: to a real Glance, and what it shows of publications and machines."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.clients.conftest import Hammr
from tests.faults.site import Site
from tests.publish.servers import glance


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
    site.let_go(name)
    uri = f"appliances/{site.add_appliance(name)}/images"
    body = {"image": {"compress": False, "targetFormat": {"name": "OpenStack QCOW2"}}}
    response = api.post(uri, json=body)
    assert response.status_code == 201, response.text
    attempt = site.await_end(name)
    assert attempt.state == "done", attempt.error
    return str(response.json()["image"]["dbId"])


def _file(directory: Path, name: str, account: str, display_name: str) -> str:
    builder = {
        "type": "OpenStack QCOW2",
        "displayName": display_name,
        "tenantName": "admin",
        "account": {"name": account},
    }
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


def test_no_machines_are_listed_where_there_are_none(hammr: Hammr) -> None:
    assert "No deployment" in hammr("deploy", "list")
