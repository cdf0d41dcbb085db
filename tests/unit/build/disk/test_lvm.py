"""What we write as LVM's notes is what LVM's own tool reads."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ingot.build.disk import lvm
from ingot.build.disk.layout import MIB, Layout
from tests.unit.build.disk.layouts import EPOCH, laid_out


@pytest.fixture
def layout() -> Layout:
    return laid_out(
        {
            "disks": [
                {"name": "sda", "size": 1000, "partitions": [{"number": 1, "fstype": "lvm2", "size": 800}]},
                {"name": "sdb", "type": "lvm", "size": 500},
                {"name": "sdc", "type": "lvm", "size": 100},
            ],
            "volumeGroups": [{"name": "a-b", "physicalVolumes": ["sda1", "sdb"]}],
            "logicalVolumes": [
                {"name": "root", "vg_name": "a-b", "fstype": "ext4", "size": 200, "mountPoint": "/"},
                {"name": "large", "vg_name": "a-b", "fstype": "xfs", "size": 900, "mountPoint": "/srv"},
            ],
        }
    )


def _checked(notes: bytes, size: int, file: Path, *arguments: str) -> str:
    if shutil.which("pvck", path="/usr/sbin:/sbin") is None:
        pytest.skip("pvck (lvm2) is not installed")
    file.write_bytes(notes)
    with file.open("r+b") as content:
        content.truncate(size)
    done = subprocess.run(["/sbin/pvck", *arguments, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "CHECK" not in done.stdout.upper().replace("CHECKSUM", ""), done.stdout
    return done.stdout


def test_lvm_reads_every_physical_volume_of_a_group(layout: Layout, tmp_path: Path) -> None:
    group = layout.groups[0]
    written = lvm.notes(group, EPOCH)
    assert set(written) == {"sda1", "sdb"}
    for volume in group.physical_volumes:
        text = _checked(written[volume.name], volume.extent.size, tmp_path / "pv", "--dump", "metadata")
        assert "vgname a-b seqno 1" in text
        assert re.findall(r"^(root|large) \{", text, re.MULTILINE) == ["root", "large"]
        headers = _checked(written[volume.name], volume.extent.size, tmp_path / "pv", "--dump", "headers")
        assert f"pv_header.device_size {volume.extent.size}" in headers


def test_segments_lie_one_after_the_other(layout: Layout) -> None:
    text = lvm.notes(layout.groups[0], EPOCH)["sdb"].decode("latin-1")
    segments = re.findall(r"start_extent = (\d+)\nextent_count = (\d+)\n.*\n.*\nstripes = \[\n\"(pv\d)\", (\d+)", text)
    assert segments == [("0", "50", "pv0", "0"), ("0", "149", "pv0", "50"), ("149", "76", "pv1", "0")]
    large = layout.at("/srv")
    assert [(extent.disk, extent.size // MIB) for extent in large.extents] == [(0, 149 * 4), (1, 76 * 4)]


def test_a_physical_volume_of_no_group_is_made_all_the_same(layout: Layout, tmp_path: Path) -> None:
    orphan = layout.groups[1]
    assert (orphan.name, [volume.name for volume in orphan.physical_volumes]) == ("", ["sdc"])
    headers = _checked(lvm.notes(orphan, EPOCH)["sdc"], 100 * MIB, tmp_path / "pv", "--dump", "headers")
    assert "pv_header_extension.flags 0" in headers


def test_identifiers_have_lvms_form_and_differ(layout: Layout) -> None:
    group = layout.groups[0]
    found = {lvm.identifier(part.uuid) for part in (group, *group.physical_volumes, *group.logical_volumes)}
    assert len(found) == 5
    for identifier in found:
        assert re.fullmatch(r"[0-9a-zA-Z]{6}(-[0-9a-zA-Z]{4}){5}-[0-9a-zA-Z]{6}", identifier)
