"""hammr 3.8.13: what it prints, how it ends, and what it did at the server."""

import hashlib
import json
import re
from typing import Any

import httpx
import pytest

from tests.clients.conftest import Hammr
from tests.faults.site import Site, eventually
from tests.serving import PASSWORD

_SECRET = "hush-hush-7261"
_ACCOUNTS: dict[str, dict[str, Any]] = {
    "Amazon": {"accountNumber": "1234", "accessKeyId": "AK", "secretAccessKeyId": _SECRET},
    "CloudStack": {"publicApiKey": "PK", "secretApiKey": _SECRET, "endpointUrl": "http://c.example"},
    "Docker": {"endpointUrl": "https://d.example", "login": "l", "password": _SECRET},
    "K5": {"login": "l", "password": _SECRET},
    "Microsoft Azure": {"tenantId": "t", "subscriptionId": "s", "applicationId": "a", "applicationKey": _SECRET},
    "OpenShift": {"registryUrl": "https://o.example", "token": _SECRET},
    "OpenStack": {
        "glanceUrl": "http://g.example:9292",
        "keystoneUrl": "http://k.example:5000",
        "keystoneVersion": "v3",
        "login": "l",
        "password": _SECRET,
    },
    "Oracle": {"login": "l", "password": _SECRET, "domainName": "d"},
    "Outscale": {"accessKey": "AK", "secretAccessKey": _SECRET},
    "VMware vCenter": {
        "hostname": "h",
        "login": "l",
        "password": _SECRET,
        "proxyHostname": "ph",
        "proxyPort": "6354",
    },
    "VMware vCloud Director": {"hostname": "h", "organizationName": "o", "login": "l", "password": _SECRET},
}


def _rows(output: str) -> list[list[str]]:
    """The rows of the tables that were printed, as lists of their cells."""
    lines = (line for line in output.splitlines() if line.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _image(site: Site, api: httpx.Client, name: str, *, compress: bool = True) -> int:
    """Ask for an image of a new appliance; its id."""
    uri = f"appliances/{site.add_appliance(name)}/images"
    body = {"image": {"compress": compress, "targetFormat": {"name": "QCOW2"}}}
    number: int = api.post(uri, json=body).json()["image"]["dbId"]
    return number


@pytest.fixture
def finished(site: Site, api: httpx.Client, name: str) -> str:
    """The id of a finished image of the test's own appliance."""
    site.let_go(name)
    number = _image(site, api, name)
    site.await_end(name)
    return str(number)


def test_user_info(hammr: Hammr) -> None:
    assert _rows(hammr("user", "info"))[1][:3] == ["root", "root@localhost", "Administrator"]


def test_a_wrong_password_is_said_in_words(hammr: Hammr) -> None:
    hammr.login = ("-u", "root", "-p", "wrong")
    output = hammr("user", "info", code=2)
    assert "UForge Error '401' with method: GET /api/users/root" in output
    assert "The user name or the password is wrong." in output


def test_a_slash_at_the_end_and_the_other_base(hammr: Hammr, address: str) -> None:
    for hammr.address in (f"{address}/api/", f"{address}/ufws"):
        assert "root@localhost" in hammr("user", "info")


def test_a_supervisor_acts_for_somebody(hammr: Hammr) -> None:
    hammr.login = ("-u", "root\\root", "-p", PASSWORD)
    assert "root@localhost" in hammr("user", "info")


def test_requests_signed_with_an_api_key(hammr: Hammr, api: httpx.Client, finished: str, address: str) -> None:
    key = api.post("apikeys").json()["apiKeyPair"]
    hammr.login = ("-u", "root", "-k", key["publicKey"], "-s", key["secretKey"])
    assert "root@localhost" in hammr("user", "info")
    assert "nginx-doc" in hammr("os", "search", "--id", "1", "--pkg", "nginx*")
    assert "Image downloaded" in hammr("image", "download", "--id", finished, "--file", "disk")
    assert "Image deleted" in hammr("image", "delete", "--id", finished, stdin="y\n")
    hammr.address = f"{address}/api/"
    assert "root@localhost" in hammr("user", "info")
    hammr.address = f"{address.replace('127.0.0.1', 'LOCALHOST')}/api"
    assert "root@localhost" in hammr("user", "info")
    hammr.login = ("-u", "root", "-k", key["publicKey"], "-s", "other")
    assert "UForge Error '401'" in hammr("user", "info", code=2)


def test_accounts_of_every_type(hammr: Hammr, api: httpx.Client) -> None:
    (hammr.home / "key.json").write_text(json.dumps({"client_email": "a@b.example", "private_key": _SECRET}))
    accounts = {**_ACCOUNTS, "Google Compute Engine": {"cert": str(hammr.home / "key.json")}}
    names = {kind: re.sub(r"\W", "", kind).lower() for kind in accounts}
    document = {"accounts": [{"type": kind, "name": names[kind], **fields} for kind, fields in accounts.items()]}
    (hammr.home / "accounts.json").write_text(json.dumps(document))
    created = hammr("account", "create", "--file", str(hammr.home / "accounts.json"))
    assert created.count("Account create successfully") == len(accounts)
    kept = api.get("accounts")
    assert _SECRET not in kept.text
    stored = {entry["name"]: entry for entry in kept.json()["credAccounts"]["credAccounts"]["credAccount"]}
    assert set(stored) == set(names.values())
    # hammr itself drops the keys of Outscale and the content of Google's certificate.
    missing = {name for name, entry in stored.items() if entry["secretsMissing"]}
    assert missing == {"outscale", "googlecomputeengine"}
    assert {kind: stored[name]["targetPlatform"]["name"] for kind, name in names.items()} == {
        kind: kind for kind in accounts
    }
    listed = _rows(hammr("account", "list"))[1:]
    assert {(row[1], row[2]) for row in listed} == {(name, kind) for kind, name in names.items()}
    again = hammr("account", "create", "--file", str(hammr.home / "accounts.json"), code=2)
    assert "already has a cloud account" in again
    for row in listed:
        assert "Account deleted" in hammr("account", "delete", "--id", row[0], "--no-confirm")
    assert "No accounts available" in hammr("account", "list")
    assert "UForge Error '404'" in hammr("account", "delete", "--id", "999", "--no-confirm", code=2)


def test_quota_list(hammr: Hammr, api: httpx.Client) -> None:
    unlimited = hammr("quota", "list")
    assert unlimited.count("UNLIMITED") == 4
    limit = {"quotas": {"quotas": {"quota": [{"type": "appliance", "limit": 1000}]}}}
    assert api.put("quotas", json=limit).status_code == 200
    assert re.search(r"Template \(\d+B/1000B\)", hammr("quota", "list"))
    limit["quotas"]["quotas"]["quota"][0]["limit"] = -1
    assert api.put("quotas", json=limit).status_code == 200


def test_os_list_and_search(hammr: Hammr) -> None:
    output = hammr("os", "list")
    assert ["1", "Debian", "12", "x86_64", "2023-06-10 00:00:00", "Minimal"] in _rows(output)
    assert "Found 2 distributions" in output

    def found(words: str) -> set[str]:
        return {row[0] for row in _rows(hammr("os", "search", "--id", "1", "--pkg", words))[1:]}

    assert found("nginx") == {"nginx", "nginx-doc", "libnginx-mod-http-lua"}
    assert found("nginx*") == {"nginx", "nginx-doc"}
    assert found("*doc") == {"nginx-doc"}
    assert found("nothing-such") == set()
    assert "UForge Error '404'" in hammr("os", "search", "--id", "99", "--pkg", "x", code=2)


def test_format_list(hammr: Hammr) -> None:
    assert ["QCOW2", "qcow2", "Virtual", "", "X"] in _rows(hammr("format", "list"))


def test_platform_list(hammr: Hammr) -> None:
    platforms = {row[1]: row[2:] for row in _rows(hammr("platform", "list"))[1:]}
    assert set(platforms) == {*_ACCOUNTS, "Google Compute Engine"}
    assert platforms["VMware vCenter"] == ["vsphere", "X"]


def test_image_list_info_and_download(hammr: Hammr, name: str, finished: str) -> None:
    (row,) = (row for row in _rows(hammr("image", "list")) if row[0] == finished)
    assert row[1:3] == [name, "1"]
    assert (row[4], row[7], row[8]) == ("QCOW2", "X", "Done")
    facts = dict(row for row in _rows(hammr("image", "info", "--id", finished)) if len(row) == 2)
    assert (facts["OS"], facts["Format"], facts["Generation Status"]) == ("Debian 12 x86_64", "QCOW2", "Done")
    for _ in range(2):  # each has a key of its own
        assert "Image downloaded" in hammr("image", "download", "--id", finished, "--file", "disk.qcow2")
        content = (b"disk of " + name.encode()) * 1000
        assert hashlib.sha256((hammr.home / "disk.qcow2").read_bytes()).digest() == hashlib.sha256(content).digest()


def test_image_delete(hammr: Hammr, api: httpx.Client, finished: str) -> None:
    def is_there() -> bool:
        return bool(api.get("images", params={"img": finished}).json()["images"]["total"])

    assert "Image deleted" not in hammr("image", "delete", "--id", finished, stdin="n\n")
    assert is_there()
    assert "Image deleted" in hammr("image", "delete", "--id", finished, stdin="y\n")
    assert not is_there()


def test_image_cancel(site: Site, hammr: Hammr, api: httpx.Client, name: str) -> None:
    number = str(_image(site, api, name))
    site.await_stage(name, "started")
    (row,) = (row for row in _rows(hammr("image", "list")) if row[0] == number)
    assert row[8].startswith("In progress (")
    assert "canceled" in hammr("image", "cancel", "--id", number, stdin="y\n").lower()
    eventually(lambda: site.attempt(name).state == "cancelled", "the generation is cancelled")
    (row,) = (row for row in _rows(hammr("image", "list")) if row[0] == number)
    assert row[8] == "Canceled"
    assert "impossible to" in hammr("image", "cancel", "--id", number, code=2)


def test_a_failed_image_shows_its_reason(site: Site, hammr: Hammr, api: httpx.Client) -> None:
    site.let_go("fails-for-hammr")
    number = str(_image(site, api, "fails-for-hammr"))
    site.await_end("fails-for-hammr")
    output = hammr("image", "info", "--id", number)
    assert "Package nosuch does not exist." in " ".join(output.replace("|", " ").split())


def test_an_image_for_publishing_cannot_be_downloaded(site: Site, hammr: Hammr, api: httpx.Client, name: str) -> None:
    site.let_go(name)
    number = str(_image(site, api, name, compress=False))
    site.await_end(name)
    assert "(not compressed). Cannot download" in hammr("image", "download", "--id", number, "--file", "disk")
    assert not (hammr.home / "disk").exists()


def test_template_list_clone_and_delete(site: Site, hammr: Hammr, api: httpx.Client, name: str) -> None:
    number = str(site.add_appliance(name))
    (row,) = (row for row in _rows(hammr("template", "list")) if row[0] == number)
    assert row[1:3] == [name, "1"]
    assert "Clonned successfully" in hammr("template", "clone", "--id", number, "--name", name, "--version", "2")
    (copy,) = (row for row in _rows(hammr("template", "list")) if row[1:3] == [name, "2"])
    assert "Template deleted" in hammr("template", "delete", "--id", copy[0], "--no-confirm")
    assert api.get(f"appliances/{copy[0]}").status_code == 404
    assert api.get(f"appliances/{number}").status_code == 200
    assert "UForge Error '404'" in hammr("template", "delete", "--id", copy[0], "--no-confirm", code=2)
