"""Cloud accounts on the wire: secrets go in and never come out."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from lxml import etree

from tests.api.conftest import Site

_BASE = "users/root/accounts"
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}type"
_SECRET = "hush-hush-7261"
_GOOGLE = json.dumps({"client_email": "a@b.example", "private_key": _SECRET}).encode()


def _json(kind: str, **fields: Any) -> dict[str, Any]:
    return {"credAccount": {"@type": f"CredAccount{kind}", **fields}}


@pytest.fixture
def create(root: httpx.Client) -> Iterator[Any]:
    """Creates accounts of root, deleted after the test."""
    made: list[str] = []

    def create(kind: str, **fields: Any) -> dict[str, Any]:
        response = root.post(_BASE, json=_json(kind, **fields))
        assert response.status_code == 201, response.text
        account: dict[str, Any] = response.json()["credAccount"]
        made.append(account["uri"])
        return account

    yield create
    for uri in made:
        root.delete(uri)


def test_an_account_as_hammr_writes_it(root: httpx.Client) -> None:
    document = (
        '<?xml version="1.0" encoding="utf-8"?><ns1:credAccount xmlns:ns1="http://www.usharesoft.com/uforge" '
        'xmlns:ns2="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:type="ns1:CredAccountVSphere"><name xsi:type="ns2:string">vc1</name>'
        '<targetPlatform xsi:type="ns1:TargetPlatform"><name xsi:type="ns2:string">VMware vCenter</name>'
        '</targetPlatform><hostname xsi:type="ns2:string">h</hostname><login xsi:type="ns2:string">l</login>'
        f'<password xsi:type="ns2:string">{_SECRET}</password><port xsi:type="ns2:int">443</port>'
        '<proxyHost xsi:type="ns2:string">ph</proxyHost><proxyPort xsi:type="ns2:int">6354</proxyPort>'
        "</ns1:credAccount>"
    )
    xml = {"Accept": "application/xml", "Content-Type": "application/xml"}
    created = root.post(_BASE, content=document, headers=xml)
    assert created.status_code == 201
    account = etree.fromstring(created.content)
    assert account.get(_XSI, "").rpartition(":")[2] == "CredAccountVSphere"
    assert account.findtext("targetPlatform/type") == "vsphere"
    assert (account.findtext("port"), account.findtext("secretsMissing")) == ("443", "false")
    uri = account.findtext("uri") or ""
    for answer in (created, root.get(uri, headers=xml), root.get(_BASE, headers=xml), root.get(uri), root.get(_BASE)):
        assert answer.is_success
        assert "vc1" in answer.text
        assert _SECRET not in answer.text
        assert "password" not in answer.text
    assert root.delete(uri).status_code == 204
    assert root.get(uri).status_code == 404


def test_a_list_is_filtered_and_has_its_wrapper_when_empty(root: httpx.Client, create: Any) -> None:
    empty = etree.fromstring(root.get(_BASE, headers={"Accept": "application/xml"}).content)
    assert empty.find("credAccounts") is not None
    create("OpenStack", name="os", keystoneUrl="http://k", login="l", password=_SECRET, keystoneVersion="v3")
    create("Aws", name="aws", accessKeyId="AK", secretAccessKeyId=_SECRET)
    answer = root.get(_BASE, params={"query": "targetPlatform.type==aws"}).json()["credAccounts"]
    (account,) = answer["credAccounts"]["credAccount"]
    assert (account["@type"], account["name"], answer["total"]) == ("CredAccountAws", "aws", 1)
    assert account["certificates"] == {"certificate": []}


def test_an_account_is_changed(root: httpx.Client, create: Any) -> None:
    account = create("Docker", name="hub", endpointUrl="https://hub.example", login="me", password=_SECRET)
    changed = root.put(account["uri"], json=_json("Docker", login="you"))
    assert changed.status_code == 200
    assert changed.json()["credAccount"]["login"] == "you"
    assert not changed.json()["credAccount"]["secretsMissing"]
    moved = root.put(account["uri"], json=_json("Docker", endpointUrl="https://evil.example"))
    assert moved.status_code == 400
    assert "password" in moved.json()["uforgeError"]["localizedErrorMsg"]["message"]


def test_whole_objects_can_be_sent_back(root: httpx.Client, create: Any) -> None:
    """As clients do that read, change and write."""
    account = create("VSphere", name="vc", hostname="h", login="l", password=_SECRET, port=443)
    again = root.put(account["uri"], json={"credAccount": {**account, "login": "new"}})
    assert again.status_code == 200, again.text
    assert not again.json()["credAccount"]["secretsMissing"]


def test_certificates_have_a_life_of_their_own(root: httpx.Client, create: Any) -> None:
    account = create(
        "Google", name="g", certificates={"certificate": [{"name": "k.json", "type": "googleCertificate"}]}
    )
    assert account["secretsMissing"]
    (certificate,) = account["certificates"]["certificate"]
    assert not certificate["uploaded"]
    bad = root.post(f"{certificate['uri']}/key.json", content=b"junk", headers={"Content-Type": "application/xml"})
    assert bad.status_code == 400
    uploaded = root.post(f"{certificate['uri']}/key.json", content=_GOOGLE)
    assert uploaded.status_code == 201
    assert uploaded.json()["certificate"]["size"] == len(_GOOGLE)
    answer = root.get(account["uri"])
    assert not answer.json()["credAccount"]["secretsMissing"]
    assert _SECRET not in answer.text
    assert base64.b64encode(_GOOGLE).decode() not in answer.text
    assert root.get(certificate["uri"]).status_code == 403
    second = root.post(account["baseCertificatesUri"], json={"certificate": {"type": "googleCertificate"}})
    assert second.status_code == 409
    assert root.delete(certificate["uri"]).status_code == 204
    again = root.post(account["baseCertificatesUri"], json={"certificate": {"type": "googleCertificate"}})
    assert again.status_code == 201
    other = create("Docker", name="d", password="x")
    assert root.post(f"{other['uri']}/certs", json={"certificate": {}}).status_code == 400


def test_accounts_are_nobody_elses(site: Site, root: httpx.Client, alice: httpx.Client, create: Any) -> None:
    account = create("K5", name="k5", login="l", password=_SECRET)
    number = account["dbId"]
    for method in ("GET", "DELETE"):
        assert alice.request(method, f"users/alice@example.org/accounts/{number}").status_code == 404
        assert alice.request(method, account["uri"]).status_code == 404
    with site.client("carol") as carol:  # has no right to make one
        refused = carol.post("users/carol/accounts", json=_json("K5", name="x"))
    assert refused.status_code == 403
    assert "cloud_account_create" in refused.text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"credAccount": {"name": "x"}}, "CredAccountAws"),
        (_json("Nowhere", name="x"), "one of CredAccountAws"),
        (_json("Aws"), "name of the account"),
        (_json("Aws", name="x", password="p"), "password"),
        (_json("Aws", name="x", targetPlatform={"name": "Docker"}), "Docker is of type docker"),
    ],
)
def test_bad_accounts_are_refused_with_a_reason(root: httpx.Client, body: dict[str, Any], words: str) -> None:
    response = root.post(_BASE, json=body)
    assert response.status_code == 400
    assert words in response.json()["uforgeError"]["localizedErrorMsg"]["message"]


def test_what_an_unexpected_failure_logs_has_no_secret(
    site: Site, monkeypatch: Any, capfd: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The log of an error names where, and not with which values."""
    import logging

    from ingot.logs import set_up_logs
    from ingot.services import platforms

    def fail(*_: object) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(platforms, "resolve", fail)
    caplog.set_level(logging.INFO, "ingot")  # so that it is as before afterwards
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # those of pytest
    set_up_logs()
    with site.client() as client:
        response = client.post(_BASE, json=_json("K5", name="x", password=_SECRET))
    assert response.status_code == 500
    assert _SECRET not in response.text
    logged = capfd.readouterr().err
    assert "unforeseen" in logged
    assert _SECRET not in logged


def test_platforms_and_formats_of_a_user_are_listed(root: httpx.Client) -> None:
    platforms = root.get("users/root/targetplatforms").json()["targetPlatforms"]["targetPlatforms"]["targetPlatform"]
    assert {platform["type"] for platform in platforms} >= {"aws", "azure", "google", "openstack", "vsphere"}
    assert all(platform["name"] and platform["access"] for platform in platforms)
    first = platforms[0]["dbId"]
    assert root.get(f"users/root/targetplatforms/{first}/targetformats").status_code == 200
    assert root.get("users/root/targetplatforms/999999/targetformats").status_code == 404
    formats = root.get("users/root/formats").json()["imageFormats"]["imageFormats"]["imageFormat"]
    names = [entry["name"] for entry in formats]
    assert {"raw", "qcow2"} <= set(names)
    assert len(set(names)) == len(names)
