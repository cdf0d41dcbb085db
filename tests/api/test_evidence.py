"""The evidence of images: what is served to whom, in which form, and when it goes."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree
from sqlalchemy import select

from ingot.build.evidence import dsse
from ingot.services import attempts, evidence, stage_timings
from ingot.services.deliveries import Delivery
from ingot.settings import Settings
from ingot.store.artifacts import LocalArtifacts
from ingot.store.tables import Image
from tests.api.conftest import Site

SPDX = b'{"spdxVersion":"SPDX-2.3"}'
STATEMENT = b'{"_type":"https://in-toto.io/Statement/v1"}'


@pytest.fixture
def image(make_appliance: Any, root: httpx.Client) -> dict[str, Any]:
    """A generation that was asked for, of an appliance of root."""
    appliance = make_appliance(profile=True)
    body = {"image": {"targetFormat": {"name": "QCOW2"}, "compress": True}}
    response = root.post(f"ingot/{appliance['uri']}/images", params={"bootTest": "true"}, json=body)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()["image"]
    return made


@pytest.fixture
def keep(site: Site, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """End a generation with evidence, as a worker does; returns {name: SHA-256}."""

    def end(image: dict[str, Any], state: str = "done") -> dict[str, str]:
        record = tmp_path / "record"
        (record / "logs").mkdir(parents=True)
        for name, content in (
            ("sbom.spdx.json", SPDX),
            ("provenance.json", STATEMENT),
            ("logs/01-packages.log", b"# fetched\n"),
            ("logs/02-install.log", "Größe\n".encode()),
        ):
            (record / name).write_bytes(content)
        settings = Settings(data_dir=site.directory)
        evidence.prepare(record, settings)
        with site.database.transaction() as session:
            row = session.get(Image, image["dbId"])
            assert row is not None
            assert row.attempt is not None
            attempt = attempts.claim(session, "test", 60, ["generate"])
            while attempt is not None and attempt.id != row.attempt.id:  # left by other tests
                attempts.finish(session, attempt.id, attempt.token or "", "cancelled", message="")
                attempt = attempts.claim(session, "test", 60, ["generate"])
            assert attempt is not None
            store = LocalArtifacts(site.directory / "artifacts")
            Delivery(site.database, store, evidence.contents(record)).enter(session)
            evidence.keep(session, row, record)
            attempts.finish(session, attempt.id, attempt.token or "", state, message="", error="It failed.")
            stage_timings.observe(session, {"install": 3.0, "disk": 0.2})
            return {one.name: one.sha256 for one in evidence.of_image(session, row)}

    return end


def test_the_files_are_listed_in_both_forms_and_served_as_they_are(
    image: dict[str, Any], keep: Callable[..., dict[str, str]], root: httpx.Client, site: Site
) -> None:
    hashes = keep(image)
    path = f"ingot/{image['uri']}/evidence"
    listed = root.get(path).json()["evidenceFiles"]
    assert listed["total"] == 5
    files = {entry["name"]: entry for entry in listed["files"]["evidenceFile"]}
    assert {name: entry["sha256sum"] for name, entry in files.items()} == hashes
    assert files["sbom.spdx.json"]["type"] == "application/spdx+json"
    with site.client(accept="application/xml") as client:
        document = etree.fromstring(client.get(path).content)
        assert document.findtext("{*}files/{*}evidenceFile/{*}name") == "logs/01-packages.log"
    response = root.get(files["sbom.spdx.json"]["uri"])
    assert response.content == SPDX
    assert response.headers["content-type"] == "application/spdx+json"
    assert response.headers["etag"] == f'"{hashlib.sha256(SPDX).hexdigest()}"'
    again = root.get(files["sbom.spdx.json"]["uri"], headers={"If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    refused = root.get(files["sbom.spdx.json"]["uri"], headers={"If-Match": '"x"'})
    assert refused.status_code == 412


def test_the_log_is_read_whole_by_stage_and_from_a_byte_on(
    image: dict[str, Any], keep: Callable[..., dict[str, str]], root: httpx.Client
) -> None:
    path = f"ingot/{image['uri']}/log"
    waiting = root.get(path)
    assert (waiting.content, waiting.headers["x-ingot-complete"]) == (b"", "false")
    keep(image, "failed")
    whole = root.get(path)
    assert whole.text == "==> packages <==\n# fetched\n==> install <==\nGröße\n"
    assert whole.headers["x-ingot-complete"] == "true"
    assert root.get(path, params={"stage": "install"}).text == "Größe\n"
    for offset in range(len(whole.content) + 2):
        assert root.get(path, params={"offset": offset}).content == whole.content[offset:]
    wrong = root.get(path, params={"offset": "x"})
    assert wrong.status_code == 400
    assert "offset=x" in wrong.json()["uforgeError"]["localizedErrorMsg"]["message"]


def test_a_running_generation_is_followed(image: dict[str, Any], root: httpx.Client, site: Site) -> None:
    with site.database.transaction() as session:
        row = session.get(Image, image["dbId"])
        assert row is not None
        assert row.attempt is not None
        row.attempt.state, row.attempt.token = "running", "0123456789abcdef"
        attempt_id = row.attempt.id
    settings = Settings(data_dir=site.directory)
    scratch = evidence.scratch_directory(settings, attempt_id, "0123456789abcdef")
    logs = evidence.record_directory(scratch) / "logs"
    logs.mkdir(parents=True)
    (logs / "01-install.log").write_text("Setting up dash\n")
    response = root.get(f"ingot/{image['uri']}/log")
    assert response.text == "==> install <==\nSetting up dash\n"
    assert response.headers["x-ingot-complete"] == "false"
    with site.database.transaction() as session:
        attempt = session.get(attempts.Attempt, attempt_id)
        assert attempt is not None
        attempt.state, attempt.token = "cancelled", None


def test_the_statement_is_signed_with_the_key_that_everybody_may_have(
    image: dict[str, Any], keep: Callable[..., dict[str, str]], root: httpx.Client, site: Site
) -> None:
    keep(image)
    pem = httpx.get(f"{site.address}/api/ingot/provenance-key")
    assert pem.status_code == 200
    envelope = root.get(f"ingot/{image['uri']}/evidence/provenance.dsse.json").content
    key = dsse.read_public_pem(pem.content)
    assert dsse.verify(envelope, key) == STATEMENT
    assert json.loads(envelope)["signatures"][0]["keyid"] == dsse.key_id(key)
    assert base64.b64decode(json.loads(envelope)["payload"]) == STATEMENT


def test_nobody_else_sees_it(
    image: dict[str, Any], keep: Callable[..., dict[str, str]], alice: httpx.Client, site: Site
) -> None:
    keep(image)
    for path in ("evidence", "evidence/sbom.spdx.json", "log"):
        assert alice.get(f"ingot/{image['uri']}/{path}").status_code in (403, 404)
        assert httpx.get(f"{site.address}/api/ingot/{image['uri']}/{path}").status_code == 401
    with site.client("carol") as carol:  # has no right to design appliances
        assert carol.get(f"ingot/{image['uri'].replace('root', 'carol')}/evidence").status_code == 403


def test_what_is_not_there_is_an_error_in_the_form_asked_for(
    image: dict[str, Any], keep: Callable[..., dict[str, str]], root: httpx.Client, site: Site
) -> None:
    path = f"ingot/{image['uri']}/evidence/sbom.spdx.json"
    response = root.get(path)
    assert response.status_code == 404
    assert "has none" in response.json()["uforgeError"]["localizedErrorMsg"]["message"]
    keep(image)
    with site.client(accept="application/xml") as client:
        for name in ("nothing.json", "../../secret", "logs/../sbom.spdx.json"):
            response = client.get(f"ingot/{image['uri']}/evidence/{name.replace('..', '%2e%2e')}")
            assert response.status_code == 404
            assert etree.QName(etree.fromstring(response.content)).localname == "uforgeError"


def test_it_goes_with_its_image(
    image: dict[str, Any], keep: Callable[..., dict[str, str]], root: httpx.Client, site: Site
) -> None:
    hashes = keep(image)
    store = LocalArtifacts(site.directory / "artifacts")
    assert all(store.path(sha256).is_file() for sha256 in hashes.values())
    assert root.delete(image["uri"]).status_code == 204
    assert not any(store.path(sha256).exists() for sha256 in hashes.values())


def test_another_generation_has_evidence_of_its_own(
    image: dict[str, Any], keep: Callable[..., dict[str, str]], root: httpx.Client, site: Site
) -> None:
    keep(image)
    assert root.post(image["uri"]).status_code == 201
    assert root.get(f"ingot/{image['uri']}/evidence").json()["evidenceFiles"]["total"] == 0
    with site.database.transaction(read_only=True) as session:
        row = session.scalars(select(Image).where(Image.id == image["dbId"])).one()
        assert row.boot_test  # it is asked for once, and holds for every try


def test_a_generation_of_the_original_is_not_booted(make_appliance: Any, root: httpx.Client, site: Site) -> None:
    appliance = make_appliance(profile=True)
    body = {"image": {"targetFormat": {"name": "QCOW2"}}}
    made = root.post(f"{appliance['uri']}/images", json=body).json()["image"]
    with site.database.transaction(read_only=True) as session:
        row = session.get(Image, made["dbId"])
        assert row is not None
        assert not row.boot_test


def test_long_logs_are_cut_at_their_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    monkeypatch.setattr(evidence, "_LONGEST_LOG", 100)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/01-install.log").write_bytes(b"x" * 500 + b"the reason\n")
    evidence.prepare(tmp_path, Settings(data_dir=site.directory))
    text = (tmp_path / "logs/01-install.log").read_text()
    assert text.startswith("# 411 bytes before this were left out\n")
    assert text.endswith("the reason\n")


def test_stages_are_a_histogram(image: dict[str, Any], keep: Callable[..., dict[str, str]], site: Site) -> None:
    keep(image)
    text = httpx.get(f"{site.address}/metrics").text
    count = re.search(r'ingot_build_stage_seconds_count{stage="install"} (\d+)', text)
    below = re.search(r'ingot_build_stage_seconds_bucket{le="2.5",stage="install"} (\S+)', text)
    total = re.search(r'ingot_build_stage_seconds_sum{stage="install"} (\S+)', text)
    assert count
    assert below
    assert total
    assert float(below[1]) == 0
    assert float(total[1]) == 3.0 * float(count[1])
