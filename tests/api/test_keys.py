"""API keys, requests signed with them as the original's clients do, SSH keys, quotas."""

import base64
import hashlib
import hmac
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest

from tests.api.conftest import Site

_BASE = "users/root/apikeys"


@dataclass
class Signer:
    """Signs as the original's clients do: the address after the base, as it goes over the wire."""

    address: str
    public: str
    secret: str
    base: str = "/api/"

    def url(self, path: str, query: str = "", *, hexadecimal: bool = False, signed: str | None = None) -> str:
        text = f"{path}?apiKey={self.public}{'&' if query else ''}{query}"
        digest = hmac.new(self.secret.encode(), (signed or text).encode(), hashlib.sha1).digest()
        content = digest.hex().encode() if hexadecimal else digest
        return f"{self.address}{self.base}{text}&{urlencode({'signature': base64.b64encode(content).decode()})}"


@pytest.fixture
def signer(site: Site, root: httpx.Client) -> Iterator[Signer]:
    key = root.post(_BASE, json={"apiKeyPair": {"name": "ci"}}).json()["apiKeyPair"]
    yield Signer(site.address, key["publicKey"], key["secretKey"])
    root.delete(key["uri"])


def test_a_key_shows_its_secret_once(root: httpx.Client) -> None:
    for content in (b"", b"<apiKeyPair/>"):
        created = root.post(_BASE, content=content, headers={"Content-Type": "application/xml"})
        assert created.status_code == 201, created.text
        key = created.json()["apiKeyPair"]
        for name in ("publicKey", "secretKey"):
            assert len(key[name]) == 82
            assert quote(key[name], safe="") == key[name]
        listed = root.get(_BASE)
        assert key["publicKey"] in listed.text
        assert "secretKey" not in listed.text
        changed = root.put(key["uri"], json={"apiKeyPair": {"name": "ci", "description": "of the build server"}})
        assert changed.json()["apiKeyPair"]["description"] == "of the build server"
        assert "secretKey" not in changed.text
        assert root.delete(key["uri"]).status_code == 204
        assert root.delete(key["uri"]).status_code == 404


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("users/root", ""),
        ("users/root/appliances", "query=name%3D%3D%27unittest%27%3Bversion%3D%3D%271.0%27"),
        ("users/root/appliances", "query=name%3d%3d%27a+b%27&count=3"),
        ("users/r%6fot", ""),
    ],
)
def test_a_signed_request_is_its_users(signer: Signer, path: str, query: str) -> None:
    for base in ("/api/", "/ufws/", "/api//", "//api/"):
        signer.base = base
        assert httpx.get(signer.url(path, query)).status_code == 200
    assert httpx.get(signer.url(path, query, hexadecimal=True)).status_code == 200


def test_the_whole_address_may_be_signed(signer: Signer) -> None:
    """As clients do whose user typed the host in capitals."""
    path = "users/root"
    whole = f"{signer.address}{signer.base}{path}?apiKey={signer.public}"
    assert httpx.get(signer.url(path, signed=whole)).status_code == 200
    elsewhere = f"http://elsewhere.example{signer.base}{path}?apiKey={signer.public}"
    assert httpx.get(signer.url(path, signed=elsewhere)).status_code == 401


def test_writing_and_downloads_can_be_signed_too(signer: Signer) -> None:
    created = httpx.post(signer.url("users/root/apikeys"), headers={"Accept": "application/json"})
    assert created.status_code == 201
    assert httpx.delete(signer.url(created.json()["apiKeyPair"]["uri"])).status_code == 204
    assert httpx.get(signer.url("users/root/appliances/1/images/1/downloads")).status_code == 404


def test_what_is_not_what_was_signed_is_refused(signer: Signer) -> None:
    good = signer.url("users/root/appliances", "count=1")
    assert httpx.get(good).status_code == 200
    for bad in (
        good.replace("count=1", "count=2"),
        good.replace("/appliances", "/images"),
        good + "&force=true",
        good.replace("&signature=", "&signature=A"),
        good.rpartition("&signature=")[0],
        good.rpartition("&signature=")[0] + "&signature=",
        good.replace(f"apiKey={signer.public}", f"apiKey={signer.public[:-1]}x"),
        good.replace("count=1", f"apiKey={signer.public}"),
        signer.url("users/root", f"apiKey={signer.public}"),
    ):
        assert bad != good
        answer = httpx.get(bad)
        assert answer.status_code == 401, bad
        assert signer.public not in answer.text


def test_a_signature_of_another_secret_is_refused(site: Site, signer: Signer) -> None:
    assert httpx.get(Signer(site.address, signer.public, "x" + signer.secret).url("users/root")).status_code == 401
    assert httpx.get(Signer(site.address, "nobody", signer.secret).url("users/root")).status_code == 401


def test_the_document_for_programs_names_both_ways_to_log_in(site: Site) -> None:
    document = httpx.get(f"{site.address}/openapi.json").json()
    ways = document["paths"]["/api/users/{uid}"]["get"]["security"]
    assert [set(way) for way in ways] == [{"basic"}, {"apiKey", "signature"}]
    assert {name for way in ways for name in way} == set(document["components"]["securitySchemes"])
    assert document["paths"]["/api/status"]["get"]["security"] == []


def test_keys_need_their_entitlement(site: Site, root: httpx.Client, alice: httpx.Client) -> None:
    assert alice.post("users/alice@example.org/apikeys").status_code == 403
    # Root makes one for her, as an administrator may: without the right to use keys she cannot.
    made = root.post("users/alice@example.org/apikeys").json()["apiKeyPair"]
    signer = Signer(site.address, made["publicKey"], made["secretKey"])
    refused = httpx.get(signer.url("users/alice@example.org"))
    assert refused.status_code == 403
    assert "api_key_access" in refused.text
    root.delete(made["uri"])


def _key(directory: Path, name: str) -> str:
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)]
    subprocess.run(argv, check=True, capture_output=True)
    return (directory / f"{name}.pub").read_text(encoding="utf-8")


def test_ssh_keys_are_kept(root: httpx.Client, tmp_path: Path) -> None:
    public = _key(tmp_path, "laptop")
    created = root.post("users/root/sshkeys", json={"sshKey": {"name": "laptop", "publicKey": public + "\n"}})
    assert created.status_code == 201, created.text
    key = created.json()["sshKey"]
    assert key["publicKey"] == public.strip()
    assert root.post("users/root/sshkeys", json={"sshKey": {"name": "laptop", "publicKey": public}}).status_code == 409
    assert len(root.get("users/root/sshkeys", params={"name": "laptop"}).json()["sshKeys"]["sshKeys"]["sshKey"]) == 1
    assert root.get("users/root/sshkeys", params={"name": "other"}).json()["sshKeys"]["total"] == 0
    assert root.get(key["uri"]).json()["sshKey"]["name"] == "laptop"
    private = (tmp_path / "laptop").read_text(encoding="utf-8")
    for content, words in ((private, ".pub"), ("ssh-rsa AAAA", "ssh-ed25519 AAAA"), (None, "ssh-ed25519 AAAA")):
        refused = root.post("users/root/sshkeys", json={"sshKey": {"name": "x", "publicKey": content}})
        assert refused.status_code == 400
        assert words in refused.text
    assert root.delete(key["uri"], params={"force": "True"}).status_code == 204
    assert root.get(key["uri"]).status_code == 404


def test_quotas_are_set_by_administrators_and_hold(root: httpx.Client, alice: httpx.Client) -> None:
    uri = "users/alice@example.org/quotas"

    def limits(client: httpx.Client) -> dict[str, Any]:
        return {quota["type"]: quota for quota in client.get(uri).json()["quotas"]["quotas"]["quota"]}

    assert set(limits(alice)) == {"appliance", "generation", "scan", "diskusage"}
    body = {"quotas": {"quotas": {"quota": [{"type": "appliance", "limit": 1, "frequency": "none"}]}}}
    assert alice.put(uri, json=body).status_code == 403
    changed = root.put(uri, json=body)
    assert changed.status_code == 200, changed.text
    assert (limits(alice)["appliance"]["limit"], limits(alice)["generation"]["limit"]) == (1, -1)
    appliance = {"name": "one", "version": "1", "distributionUri": "distributions/1"}
    first = alice.post("users/alice@example.org/appliances", json={"appliance": appliance})
    assert first.status_code == 201
    second = alice.post("users/alice@example.org/appliances", json={"appliance": {**appliance, "name": "two"}})
    assert second.status_code == 403
    assert second.json()["uforgeError"]["localizedErrorMsg"]["messageId"] == "ERROR.QUOTA.EXCEEDED"
    assert "1 of 1 appliances" in second.text
    alice.delete(first.json()["appliance"]["uri"])
    body["quotas"]["quotas"]["quota"][0]["limit"] = -1
    assert root.put(uri, json=body).status_code == 200
