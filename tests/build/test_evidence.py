"""What a build leaves behind of how it went."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from ingot.build.errors import BuildError
from ingot.build.request import BuildRequest
from ingot.build.template import Package, Template
from tests.build.conftest import BuiltImage
from tests.build.engine import run_engine

pytestmark = pytest.mark.build


@pytest.fixture(scope="module")
def evidence(images: Callable[[str], BuiltImage]) -> Path:
    return images("12").path.parent / "evidence"


def _read(directory: Path, name: str) -> Any:
    return json.loads((directory / name).read_bytes())


def test_the_spdx_document_keeps_to_the_specification(evidence: Path) -> None:
    problems = validate_full_spdx_document(parse_file(str(evidence / "sbom.spdx.json")))
    assert [problem.validation_message for problem in problems] == []


def test_the_cyclonedx_document_keeps_to_the_specification(evidence: Path) -> None:
    text = (evidence / "sbom.cdx.json").read_text(encoding="utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_both_name_what_is_really_installed(evidence: Path, images: Callable[[str], BuiltImage]) -> None:
    manifest = _read(evidence, "manifest.json")
    files = {(entry["name"], entry["version"]): entry["sha256"] for entry in manifest["packages"]}
    spdx, cyclonedx = _read(evidence, "sbom.spdx.json"), _read(evidence, "sbom.cdx.json")
    packages = {p["SPDXID"]: p for p in spdx["packages"] if p["SPDXID"].startswith("SPDXRef-Package-")}
    found = {(p["name"], p["versionInfo"]): p["checksums"][0]["checksumValue"] for p in packages.values()}
    assert found == files
    components = {c["bom-ref"]: c for c in cyclonedx["components"] if "purl" in c}
    assert {(c["name"], c["version"]): c["hashes"][0]["content"] for c in components.values()} == files
    nginx = next(component for component in components.values() if component["name"] == "nginx-light")
    url = PackageURL.from_string(nginx["purl"])
    assert (url.type, url.namespace, url.name) == ("deb", "debian", "nginx-light")
    assert url.qualifiers == {"arch": "all", "distro": "debian-12"}
    needs = next(entry["dependsOn"] for entry in cyclonedx["dependencies"] if entry["ref"] == nginx["bom-ref"])
    assert "nginx" in {components[reference]["name"] for reference in needs}
    by_name = {package["name"]: package for package in packages.values()}
    pairs = {
        (one["spdxElementId"], one["relatedSpdxElement"])
        for one in spdx["relationships"]
        if one["relationshipType"] == "DEPENDS_ON"
    }
    assert (by_name["nginx-light"]["SPDXID"], by_name["nginx"]["SPDXID"]) in pairs
    assert by_name["zlib1g"]["licenseDeclared"] != "NOASSERTION"
    assert sum(p["licenseDeclared"] != "NOASSERTION" for p in packages.values()) > len(packages) / 2
    # The user's own files are in it too.
    scripts = {c["name"] for c in cyclonedx["components"] if c["type"] == "file"}
    assert {"first.sh", "second.sh", "every.sh"} <= scripts
    assert images("12").result.sha256 is not None


def test_the_provenance_names_the_image_and_what_it_is_made_of(
    evidence: Path, images: Callable[[str], BuiltImage]
) -> None:
    statement, manifest = _read(evidence, "provenance.json"), _read(evidence, "manifest.json")
    result = images("12").result
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert statement["subject"] == [{"name": "image", "digest": {"sha256": result.sha256}}]
    predicate = statement["predicate"]
    assert predicate["buildDefinition"]["externalParameters"]["format"] == "qcow2"
    materials = {entry["digest"]["sha256"] for entry in predicate["buildDefinition"]["resolvedDependencies"]}
    assert {entry["sha256"] for entry in manifest["packages"]} | set(manifest["files"].values()) <= materials
    assert result.identity in materials
    assert hashlib.sha256((evidence / "manifest.json").read_bytes()).hexdigest() == result.identity
    for product in predicate["runDetails"]["byproducts"]:
        digest = hashlib.sha256((evidence / product["name"]).read_bytes()).hexdigest()
        assert product["digest"] == {"sha256": digest}
    metadata = predicate["runDetails"]["metadata"]
    assert metadata["startedOn"] <= metadata["finishedOn"]
    # Passwords are in the manifest as hashes, and in nothing that is shown around.
    assert "$6$" in (evidence / "manifest.json").read_text()
    assert "$6$" not in (evidence / "provenance.json").read_text()


def test_every_stage_has_a_time_and_a_log(evidence: Path, images: Callable[[str], BuiltImage]) -> None:
    timings = _read(evidence, "timings.json")
    assert timings["stages"] == images("12").result.timings
    assert sum(timings["stages"].values()) <= timings["seconds"] + 1
    logs = {file.stem.partition("-")[2]: file.read_text() for file in (evidence / "logs").glob("*.log")}
    assert {"dependencies", "packages", "install", "configure", "disk", "convert", "finish"} <= set(logs)
    assert "Setting up nginx-light" in logs["install"] or "status: nginx-light: installed" in logs["install"]
    assert "carroll" not in "".join(logs.values())  # bob's password


def test_a_build_from_the_cache_has_the_same_bills_and_the_logs_of_the_first(
    evidence: Path, template: Callable[[str], Template], scripts: Path, cache: Path, tmp_path: Path
) -> None:
    request = BuildRequest(
        template=template("12"),
        format="raw",
        output=tmp_path / "image",
        scratch=tmp_path,
        cache=cache,
        boot_scripts_dir=scripts,
    )
    result = run_engine(request)
    assert "install" not in result.timings
    for name in ("sbom.spdx.json", "sbom.cdx.json", "manifest.json"):
        assert (request.evidence / name).read_bytes() == (evidence / name).read_bytes()
    (log,) = (request.evidence / "logs").glob("*-install.log")
    assert "was in the cache" in log.read_text()
    assert "nginx-light" in log.read_text()


def test_a_build_that_fails_leaves_its_log(cache: Path, tmp_path: Path) -> None:
    """From the command, which puts it where the next one finds it."""
    text = "stack:\n  name: x\n  version: '1'\n  os: {name: Debian, version: '12'}\n"
    text += "  installation: {users: [{name: alice, primaryGroup: nobody-has-it}]}\n"
    (tmp_path / "template.yml").write_text(text)
    argv = [sys.executable, "-m", "ingot", "build", "template.yml", "-o", "disk.raw", "--cache-dir", str(cache)]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "disk.raw.evidence/logs" in done.stderr
    (log,) = (tmp_path / "disk.raw.evidence/logs").glob("*-configure.log")
    assert "nobody-has-it" in log.read_text()
    assert not (tmp_path / "disk.raw").exists()


def test_packages_that_do_not_exist_leave_nothing(
    template: Callable[[str], Template], cache: Path, tmp_path: Path
) -> None:
    machine = template("12").model_copy(update={"config": ()})
    system = machine.os.model_copy(update={"pkgs": (Package(name="nosuch-package"),)})
    request = BuildRequest(
        template=machine.model_copy(update={"os": system}), output=tmp_path / "i", scratch=tmp_path, cache=cache
    )
    with pytest.raises(BuildError):
        run_engine(request)
    assert [file.name for file in request.evidence.glob("*.json")] == ["timings.json"]
