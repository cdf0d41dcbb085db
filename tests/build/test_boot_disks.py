"""Machines with several disks, logical volumes and other file systems, booted on larger disks, tell what they see."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingot.build.boot import Accelerator, BootReport, Firmware, running
from ingot.build.request import BuildRequest
from ingot.build.template import Template
from ingot.build.template_file import load_template
from tests.build.engine import run_engine

pytestmark = [pytest.mark.build, pytest.mark.boot]
_PATIENCE = 400
_EXAMPLES = Path(__file__).parents[2] / "examples"
_GIB = 1 << 30


def _separate() -> Template:
    """An XFS root beside a separate /boot, /home and /var, with a cloud's kernel."""
    document: dict[str, Any] = {
        "name": "separate",
        "version": "1.0",
        "os": {"name": "Debian", "version": "12", "pkgs": [{"name": "linux-image-cloud-amd64"}]},
        "installation": {
            "partitioning": {
                "disks": [
                    {
                        "name": "sda",
                        "size": 3000,
                        "partitions": [
                            {"number": 1, "fstype": "ext2", "size": 300, "mountPoint": "/boot"},
                            {"number": 2, "fstype": "linux-swap", "size": 128, "label": "swap"},
                            {
                                "number": 3,
                                "fstype": "xfs",
                                "size": 64,
                                "mountPoint": "/",
                                "grow": True,
                                "label": "root",
                            },
                            {
                                "number": 4,
                                "fstype": "Extended",
                                "size": 900,
                                "partitions": [
                                    {"number": 5, "fstype": "ext4", "size": 500, "mountPoint": "/var"},
                                    {"number": 6, "fstype": "btrfs", "size": 300, "mountPoint": "/home"},
                                    {"number": 7, "fstype": "ext3", "size": 100, "mountPoint": "/tmp"},  # noqa: S108
                                ],
                            },
                        ],
                    }
                ]
            }
        },
    }
    return Template.model_validate(document)


@pytest.fixture
def booted(
    cache: Path, accelerator: Accelerator, tmp_path: Path
) -> Callable[[Template, Firmware, list[int]], tuple[BootReport, str]]:
    """Build a template and boot it with disks of other sizes (GiB); returns its report and console."""

    def boot(template: Template, firmware: Firmware, sizes: list[int]) -> tuple[BootReport, str]:
        request = BuildRequest(template=template, output=tmp_path / "disk.qcow2", scratch=tmp_path, cache=cache)
        result = run_engine(request)
        assert result.output is not None
        files = [result.output, *(disk.output for disk in result.more_disks)]
        assert len(files) == len(sizes)
        larger = []
        for number, (file, size) in enumerate(zip(files, sizes, strict=True)):
            larger.append(tmp_path / f"larger-{number}.qcow2")
            create = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", file, larger[-1], f"{size}G"]
            subprocess.run(create, check=True)
        with running(larger[0], firmware=firmware, accelerator=accelerator, disks=larger[1:]) as machine:
            report = machine.wait_for_report(_PATIENCE)
            return report, machine.console

    return boot


_Boot = Callable[[Template, Firmware, list[int]], tuple[BootReport, str]]


def _mounts(report: BootReport) -> dict[str, str]:
    return {mount.target: mount.fstype for mount in report.mounts}


def _size(report: BootReport, target: str) -> float:
    """GiB of the file system there."""
    return next(mount.size for mount in report.mounts if mount.target == target) / _GIB


def test_logical_volumes_over_two_disks_boot_and_grow(booted: _Boot) -> None:
    report, console = booted(load_template(_EXAMPLES / "lvm/template.yml"), "bios", [5, 2])
    assert (report.failed_units, report.failed, report.firmware) == (0, [], "bios"), console[-3000:]
    mounts = {"/": "ext4", "/boot": "ext4", "/boot/efi": "vfat", "/home": "xfs"}
    assert _mounts(report).items() >= mounts.items()
    assert report.swap_size >> 20 == 255
    assert 1.5 < _size(report, "/") < 1.9
    # The disks have 3 GiB more, and the volume of the home directories gets them all.
    assert _size(report, "/home") > 3.5


@pytest.mark.slow
def test_a_btrfs_root_and_a_disk_for_data_boot_and_grow(booted: _Boot) -> None:
    report, console = booted(load_template(_EXAMPLES / "several-disks/template.yml"), "uefi", [5, 4])
    assert (report.failed_units, report.failed, report.firmware) == (0, [], "efi"), console[-3000:]
    mounts = {"/": "btrfs", "/var/lib/postgresql": "xfs", "/var/log": "ext4", "/srv/backup": "ext3"}
    assert _mounts(report).items() >= mounts.items()
    assert _size(report, "/") > 4.5
    assert _size(report, "/var/lib/postgresql") > 3
    assert report.swap_size >> 20 == 255


@pytest.mark.slow
def test_an_xfs_root_with_separate_file_systems_and_a_clouds_kernel_boot_and_grow(booted: _Boot) -> None:
    report, console = booted(_separate(), "bios", [5])
    assert (report.failed_units, report.failed) == (0, []), console[-3000:]
    assert "cloud" in report.kernel
    mounts = {"/": "xfs", "/boot": "ext2", "/var": "ext4", "/home": "btrfs", "/tmp": "ext3"}  # noqa: S108 - a guest's
    assert _mounts(report).items() >= mounts.items()
    assert _size(report, "/") > 3.5
    assert report.swap_size >> 20 == 127
