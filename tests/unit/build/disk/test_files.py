"""The disks of a machine side by side."""

from pathlib import Path

from ingot.build.disk.files import numbered, raw_disks


def test_disks_are_numbered_from_the_second_on() -> None:
    assert [numbered(Path("a/web.1.qcow2"), number).name for number in (1, 2, 12)] == [
        "web.1.qcow2",
        "web.1-2.qcow2",
        "web.1-12.qcow2",
    ]


def test_raw_disks_come_in_the_machines_order(tmp_path: Path) -> None:
    for number in (11, *range(1, 11)):
        numbered(tmp_path / "disk.raw", number).touch()
    assert [file.name for file in raw_disks(tmp_path)][1:3] == ["disk-2.raw", "disk-3.raw"]
    assert [file.name for file in raw_disks(tmp_path)][9:] == ["disk-10.raw", "disk-11.raw"]
