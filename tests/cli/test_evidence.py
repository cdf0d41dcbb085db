"""The evidence of images as the command fetches, follows and verifies it."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from ingot.build.evidence import dsse
from ingot.store.tables import Image, ImageEvidence
from tests.faults.site import Site, eventually
from tests.serving import Command


def _generate(ingot: Command, name: str, *more: str) -> str:
    argv = ("image", "generate", name, "--format", "qcow2", "--output", "json", *more)
    return str(json.loads(ingot(*argv))["dbId"])


@pytest.fixture(scope="module")
def done(site: Site, address: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The id of a finished image that has evidence."""
    site.add_appliance("logged-well")
    site.let_go("logged-well")
    return _generate(Command(tmp_path_factory.mktemp("home"), address), "logged-well", "--boot-test")


def test_bills_manifest_and_timings(ingot: Command, done: str) -> None:
    assert json.loads(ingot("image", "sbom", done)) == {"spdxVersion": "SPDX-2.3"}
    ingot("image", "sbom", done, "--format", "cyclonedx", "-o", "bill.json")
    assert json.loads((ingot.home / "bill.json").read_text()) == {"bomFormat": "CycloneDX"}
    assert "--force" in ingot("image", "sbom", done, "--to", "bill.json", code=4)
    ingot("image", "sbom", done, "--to", "bill.json", "--force")
    assert json.loads(ingot("image", "manifest", done)) == {"engine": 0}
    assert "install" in ingot("image", "timings", done)
    assert json.loads(ingot("image", "timings", done, "--output", "json"))["stages"] == {"install": 1.5}
    ingot("image", "sbom", done, "--format", "xml", code=2)


def test_provenance_is_verified(ingot: Command, done: str) -> None:
    envelope = json.loads(ingot("image", "provenance", done))
    statement: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))
    assert statement["predicate"]["buildDefinition"]["externalParameters"] == {"bootTest": True}
    assert statement["subject"][0]["name"] == "logged-well-1.qcow2"
    said = ingot("image", "provenance", done, "--verify")
    assert "Verified" in said
    assert statement["predicate"]["runDetails"]["builder"]["id"] in said
    ingot("image", "key", "--to", "key.pem")
    ingot("image", "download", done, "--to", "disk")
    assert "Verified" in ingot("image", "provenance", done, "--key", "key.pem", "--file", "disk")
    (ingot.home / "disk").write_bytes(b"another")
    assert "not of disk" in ingot("image", "provenance", done, "--file", "disk", code=1)
    (ingot.home / "other.pem").write_bytes(dsse.public_pem(Ed25519PrivateKey.generate().public_key()))
    assert "cannot be trusted" in ingot("image", "provenance", done, "--key", "other.pem", code=1)
    assert "no key" in ingot("image", "provenance", done, "--key", "disk", code=1)
    ingot("image", "provenance", done, "--key", "nothing", code=3)


def test_logs(ingot: Command, done: str) -> None:
    assert ingot("image", "log", done) == "==> install <==\nSetting up dash\nSetting up größe\n"
    assert ingot("image", "log", done, "--stage", "install") == "Setting up dash\nSetting up größe\n"
    assert ingot("image", "log", done, "--stage", "nothing") == ""


def test_a_log_is_followed_to_the_failure(site: Site, ingot: Command) -> None:
    site.add_appliance("logged-fails")
    number = _generate(ingot, "logged-fails", "--no-wait")
    site.let_go("logged-fails", "started")
    site.await_stage("logged-fails", "logged")
    assert ingot("image", "log", number) == "==> install <==\nSetting up dash\n"
    with ingot.start("image", "log", number, "--follow") as process:
        assert process.stdout
        assert process.stdout.readline() == "==> install <==\n"
        assert process.stdout.readline() == "Setting up dash\n"
        site.let_go("logged-fails")
        output, errors = process.communicate(timeout=60)
    assert output == "Setting up größe\n"
    assert process.returncode == 1
    assert "dash could not be set up" in errors
    # And it is kept for those who come later.
    assert ingot("image", "log", number) == "==> install <==\nSetting up dash\nSetting up größe\n"
    eventually(lambda: site.scratch() == [], "nothing is left of the build")
    assert f"ingot image log {number}" in ingot("image", "follow", number, code=1)
    assert "has no sbom.spdx.json" in ingot("image", "sbom", number, code=3)


def test_what_never_began_has_no_log(site: Site, ingot: Command, name: str) -> None:
    site.add_appliance(name)
    number = _generate(ingot, name, "--no-wait")
    site.await_stage(name, "started")
    ingot("image", "cancel", number)
    site.await_end(name)
    assert ingot("image", "log", number) == ""
    with site.database.transaction(read_only=True) as session:
        query = select(ImageEvidence).join(Image, Image.id == ImageEvidence.image_id).where(Image.name == name)
        assert session.scalars(query).all() == []
    assert not any(Path(site.data / "scratch").glob("*.kept"))
