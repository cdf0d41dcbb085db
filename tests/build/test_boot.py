"""Built images, booted, and asked about themselves."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from ingot.build.boot import Accelerator, Firmware, Machine, running
from tests.build.conftest import BuiltImage

pytestmark = [pytest.mark.build, pytest.mark.boot]
_PATIENCE = 300


def _ssh(machine: Machine, image: BuiltImage, command: str) -> str:
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    argv = ["ssh", *options, "-i", image.key, "-p", str(machine.ports[22]), "alice@127.0.0.1", command]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("version", "firmware"),
    [
        ("13", "uefi"),
        pytest.param("12", "bios", marks=pytest.mark.slow),
        pytest.param("12", "uefi", marks=pytest.mark.slow),
        pytest.param("13", "bios", marks=pytest.mark.slow),
    ],
)
def test_a_machine_is_what_its_template_says(
    images: Callable[[str], BuiltImage], accelerator: Accelerator, version: str, firmware: Firmware
) -> None:
    image = images(version)
    with running(image.path, firmware=firmware, accelerator=accelerator) as machine:
        machine.wait_for_login(_PATIENCE)
        report = machine.wait_for_report(_PATIENCE)
        assert (report.failed_units, report.failed, report.state) == (0, [], "running")
        assert report.firmware == ("efi" if firmware == "uefi" else "bios")
        assert report.hostname == "test1"
        assert httpx.get(f"http://127.0.0.1:{machine.ports[80]}/").status_code == 200
        if firmware == "bios":
            return
        facts = _ssh(
            machine,
            image,
            "id; getent passwd alice bob | cut -d: -f3,5,7; date +%Z; cat /etc/motd; cat /proc/cmdline; "
            "sudo swapon --noheadings --show=type,size; grep XKBLAYOUT /etc/default/keyboard; "
            "sudo journalctl --boot --output=cat --unit='ingot-*boot-*' --grep='^(first|second|every)'; "
            "sudo dpkg --audit; systemctl is-active serial-getty@ttyS0",
        )
    assert "uid=1500(alice) gid=1500(alice) groups=1500(alice),2000(crew)" in facts
    assert "1500:Alice Liddell:/bin/bash" in facts
    assert ":/bin/sh" in facts
    assert "JST" in facts
    assert "Welcome to the test" in facts
    assert "ingot.test=1" in facts
    assert "partition 128M" in facts
    assert 'XKBLAYOUT="fr"' in facts
    assert "first on test1\nsecond\nevery time" in facts
    assert facts.endswith("active")


@pytest.mark.slow
def test_a_machine_grows_and_keeps_its_identity(
    images: Callable[[str], BuiltImage], accelerator: Accelerator, tmp_path: Path
) -> None:
    image = images("12")
    identities = []
    for number in (1, 2):
        disk = tmp_path / f"disk{number}.qcow2"
        create = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image.path, disk, "6G"]
        subprocess.run(create, check=True)
        with running(disk, accelerator=accelerator, keep_changes=True) as machine:
            report = machine.wait_for_report(_PATIENCE)
            assert (report.failed_units, report.failed, report.state) == (0, [], "running")
            assert (report.firmware, report.hostname) == ("bios", "test1")
            assert report.root_size > 5 << 30
            identities.append(_ssh(machine, image, "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub"))
            if number == 1:
                _ssh(machine, image, "sudo systemd-run --on-active=1 poweroff")
                machine.wait_for_end(120)
    assert identities[0] != identities[1]
    with running(tmp_path / "disk1.qcow2", accelerator=accelerator) as machine:
        assert machine.wait_for_report(_PATIENCE).failed_units == 0
        assert _ssh(machine, image, "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub") == identities[0]
        said = _ssh(machine, image, "sudo journalctl --boot --output=cat --unit='ingot-*boot-*' --grep='first|every'")
        assert "every time" in said
        assert "first on" not in said
