"""A machine of another architecture: built through emulation, booted by QEMU."""

import platform
import shutil
from pathlib import Path

import pytest

from ingot.build import emulation, namespace
from ingot.build.boot import boot
from ingot.build.distributions.architectures import AARCH64, X86_64
from ingot.build.request import BuildRequest
from ingot.build.template import Template
from tests.build.engine import run_engine

pytestmark = pytest.mark.build
_FOREIGN = AARCH64 if platform.machine() == "x86_64" else X86_64


def test_programs_of_another_architecture_run_in_a_namespace() -> None:
    if shutil.which(f"qemu-{_FOREIGN.name}-static") is None:
        pytest.skip(f"qemu-{_FOREIGN.name}-static is not installed")
    assert namespace.call(lambda: emulation.try_out(_FOREIGN.name)) == 0


def test_the_remedy_is_named_where_the_emulator_is_missing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(emulation, "ENVIRONMENT", {"PATH": "/nonexistent"})
    monkeypatch.setattr(emulation, "_runs", lambda *_: False)
    status = namespace.call(lambda: emulation.try_out(_FOREIGN.name), lambda error: print(error.message, flush=True))
    assert status == 1
    out = capfd.readouterr().out
    assert "apt-get install qemu-user-static" in out


@pytest.mark.slow
@pytest.mark.boot
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("version", ["12", "13"])
def test_an_arm64_machine_boots_without_failed_units(version: str, cache: Path, tmp_path: Path) -> None:
    for program in ("qemu-system-aarch64", "qemu-aarch64-static"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    template = Template.model_validate(
        {
            "name": "arm machine",
            "version": "1",
            "os": {"name": "Debian", "version": version, "arch": "arm64"},
            "installation": {"hostname": "arm1"},
        }
    )
    result = run_engine(BuildRequest(template=template, output=tmp_path / "image", scratch=tmp_path, cache=cache))
    assert result.arch == "aarch64"
    assert {package.arch for package in result.packages} == {"arm64", "all"}
    assert result.output is not None
    report, _ = boot(result.output, arch="aarch64", seconds=900)
    assert (report.failed_units, report.failed, report.state) == (0, [], "running")
    assert (report.hostname, report.firmware) == ("arm1", "efi")
    assert report.kernel.endswith("-arm64")
