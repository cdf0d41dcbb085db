"""The RPM family, on a distribution that the test makes: solved by dnf, installed by rpm, booted."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ingot.build.boot import boot
from ingot.build.errors import BuildError
from ingot.build.request import BuildRequest, BuildResult
from ingot.build.template import Template
from tests.build.engine import copy_packages, run_engine
from tests.build.rpms import make_distribution

pytestmark = [pytest.mark.build, pytest.mark.slow]


@pytest.fixture(scope="session")
def testora(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> dict[str, str]:
    """The environment in which the engine knows the distribution."""
    if missing := [program for program in ("dnf", "rpmbuild", "createrepo_c") if shutil.which(program) is None]:
        pytest.skip(f"{', '.join(missing)} is not installed")
    work = tmp_path_factory.mktemp("testora")
    definitions = make_distribution(cache, work)
    return {
        **os.environ,
        "INGOT_DISTRIBUTIONS_FILE": str(definitions),
        "INGOT_MIRRORS": json.dumps({"testora": f"file://{work}/repository"}),
    }


def _template(*packages: str) -> Template:
    return Template.model_validate(
        {
            "name": "machine",
            "version": "1.0",
            "os": {"name": "Testora", "version": "1", "pkgs": [{"name": name} for name in packages]},
            "installation": {
                "hostname": "rpm1",
                "keyboard": "de",
                "diskSize": 2000,
                "users": [{"name": "alice", "password": "secret"}],
            },
        }
    )


def _build(work: Path, cache: Path, environment: Mapping[str, str], **values: Any) -> BuildResult:
    work.mkdir(exist_ok=True)
    request = BuildRequest(output=work / "image", scratch=work, cache=cache, **values)
    return run_engine(request, env=dict(environment))


@pytest.fixture(scope="session")
def machine(
    tmp_path_factory: pytest.TempPathFactory, testora: Mapping[str, str], cache: Path
) -> tuple[BuildResult, Path]:
    """A finished machine of that distribution, and the directory of its evidence."""
    work = tmp_path_factory.mktemp("rpm-machine")
    return _build(work, cache, testora, template=_template("hello")), work / "evidence"


@pytest.mark.boot
def test_a_machine_of_rpm_packages_boots(machine: tuple[BuildResult, Path]) -> None:
    result, _ = machine
    assert result.output is not None
    report, _ = boot(result.output, seconds=600)
    assert (report.failed_units, report.failed, report.state) == (0, [], "running")
    assert report.hostname == "rpm1"


def test_what_is_installed_comes_from_the_machines_own_database(machine: tuple[BuildResult, Path]) -> None:
    result, evidence = machine
    levels = {package.name: package.level for package in result.packages}
    assert levels["hello"] == 0
    assert levels["filesystem"] > 0
    components = json.loads((evidence / "sbom.cdx.json").read_text())["components"]
    purls = {component["name"]: component.get("purl") for component in components}
    assert purls["hello"] == "pkg:rpm/testora/hello@1-1?arch=x86_64&distro=testora-1"
    assert set(levels) <= set(purls)


def test_the_same_manifest_gives_the_same_bytes_offline(
    machine: tuple[BuildResult, Path], testora: Mapping[str, str], cache: Path, tmp_path: Path
) -> None:
    """With nothing but the manifest and the package files: no repository, no tree."""
    result, evidence = machine
    fresh = tmp_path / "cache"
    fresh.mkdir()
    copy_packages(cache, fresh)
    offline = {**testora, "INGOT_MIRRORS": '{"testora": "file:///nowhere"}'}
    manifest = json.loads((evidence / "manifest.json").read_text())
    again = _build(tmp_path / "again", fresh, offline, manifest=manifest)
    assert again.sha256 == result.sha256


@pytest.mark.parametrize(
    ("packages", "words"),
    [(["helo"], r"helo \(did you mean hello"), (["impossible"], "nothing provides no-such-thing")],
)
def test_impossible_packages_are_named(
    testora: Mapping[str, str], cache: Path, tmp_path: Path, packages: list[str], words: str
) -> None:
    with pytest.raises(BuildError, match=words):
        _build(tmp_path / "w", cache, testora, template=_template(*packages), simulate=True)


def test_a_package_with_another_signature_is_refused(
    testora: Mapping[str, str], machine: tuple[BuildResult, Path], tmp_path: Path
) -> None:
    definitions = Path(testora["INGOT_DISTRIBUTIONS_FILE"])
    other = {**testora, "INGOT_KEYRINGS": json.dumps({"testora": str(definitions.with_name("RPM-GPG-KEY-other"))})}
    with pytest.raises(BuildError, match="Package core 1-1 of Testora is not signed with a key in "):
        _build(tmp_path / "w", tmp_path / "cache", other, template=_template("hello"))
