"""Who gets how much of which disk."""

import itertools
from typing import Any

import pytest

from ingot.build.disk.layout import BIOS_BOOT, ESP, LVM, MIB, Layout, fstab
from ingot.build.errors import BuildError
from tests.unit.build.disk.layouts import laid_out

#: Alignment and tables, the BIOS boot partition, the EFI system partition.
_BOOT = 2 + 1 + 64


def _disk(*partitions: dict[str, Any], size: int = 4096, name: str = "sda", kind: str = "msdos") -> dict[str, Any]:
    return {"name": name, "type": kind, "size": size, "partitions": partitions}


def _part(number: int, fstype: str, size: int, mount: str | None = None, **more: Any) -> dict[str, Any]:
    return {"number": number, "fstype": fstype, "size": size, "mountPoint": mount, **more}


def _sizes(layout: Layout) -> dict[str, int]:
    return {volume.name: volume.size // MIB for volume in layout.volumes if volume.name != "esp"}


def _refuse_overlaps(layout: Layout) -> None:
    """Everything lies on its disk, in whole mebibytes, and nothing on anything else."""
    for disk in layout.disks:
        end = MIB
        for partition in sorted(disk.partitions, key=lambda part: part.start):
            assert partition.start >= end
            assert partition.start % MIB == 0
            end = partition.start + partition.size
        assert end <= disk.size - MIB or not disk.partitions
    taken = sorted(
        (extent.disk, extent.start, extent.start + extent.size)
        for volume in layout.volumes
        for extent in volume.extents
    )
    for one, next_ in itertools.pairwise(taken):
        assert one[0] < next_[0] or one[2] <= next_[1]


def test_a_disk_without_partitioning_has_what_boots_and_the_root() -> None:
    layout = laid_out(None, {"/": 500}, diskSize=2000, swapSize=100)
    assert [(part.number, part.name, part.type) for part in layout.disks[0].partitions[:2]] == [
        (1, "bios-boot", BIOS_BOOT),
        (2, "esp", ESP),
    ]
    assert _sizes(layout) == {"sda3": 100, "sda4": 2000 - _BOOT - 100}
    assert layout.root.grows
    _refuse_overlaps(layout)


def test_a_disk_without_a_size_is_as_small_as_its_content_allows() -> None:
    layout = laid_out(None, {"/": 500})
    assert 500 < layout.disks[0].size // MIB < 750
    with pytest.raises(BuildError, match=r"The disk of 100 MB is too small for its content: it needs at least \d+ MB"):
        laid_out(None, {"/": 500}, diskSize=100)


def test_what_grows_takes_what_is_left_and_lies_last() -> None:
    layout = laid_out(
        {
            "disks": [
                _disk(_part(1, "ext4", 64, "/", grow=True), _part(2, "linux-swap", 200), _part(3, "xfs", 400, "/a"))
            ]
        }
    )
    assert _sizes(layout) == {"sda1": 4096 - _BOOT - 600, "sda2": 200, "sda3": 400}
    assert layout.disks[0].growing is not None
    assert layout.disks[0].growing.name == "sda1"
    assert max(layout.disks[0].partitions, key=lambda part: part.start).name == "sda1"
    assert layout.disks[0].size == 4096 * MIB
    _refuse_overlaps(layout)


def test_partitions_that_fill_the_disk_leave_room_for_booting() -> None:
    """Old files give all of a disk away; the disk has its size all the same, and the largest gives way."""
    layout = laid_out({"disks": [_disk(_part(1, "ext4", 3000, "/"), _part(2, "ext4", 1096, "/srv"))]})
    assert _sizes(layout) == {"sda1": 3000 - _BOOT, "sda2": 1096}
    _refuse_overlaps(layout)


def test_logical_partitions_are_partitions_with_their_numbers() -> None:
    inner = [_part(5, "ext4", 300, "/var"), _part(6, "ext4", 300, "/home", grow=True)]
    extended = {**_part(4, "Extended", 1000), "partitions": inner}
    layout = laid_out({"disks": [_disk(_part(1, "ext4", 2000, "/"), extended)]})
    numbers = {part.name: part.number for part in layout.disks[0].partitions}
    assert numbers == {"sda1": 1, "bios-boot": 2, "esp": 3, "sda5": 5, "sda6": 6}
    assert _sizes(layout)["sda6"] == 4096 - _BOOT - 2000 - 300
    _refuse_overlaps(layout)


def test_what_grows_inside_an_extended_partition_keeps_to_it_when_something_outside_grows() -> None:
    inner = [_part(5, "ext4", 300, "/var"), _part(6, "ext4", 300, "/home", grow=True)]
    extended = {**_part(4, "Extended", 1000), "partitions": inner}
    layout = laid_out({"disks": [_disk(_part(1, "ext4", 2000, "/", grow=True), extended)]})
    assert _sizes(layout) == {"sda1": 4096 - _BOOT - 1000, "sda5": 300, "sda6": 700}
    assert layout.at("/").grows
    assert not layout.at("/home").grows


def test_volumes_span_disks_and_give_way_to_what_lvm_needs() -> None:
    layout = laid_out(
        {
            "disks": [_disk(_part(1, "ext4", 300, "/boot"), _part(2, "lvm2", 2000)), _disk(name="sdb", kind="lvm")],
            "volumeGroups": [{"name": "vg", "physicalVolumes": ["sda2", {"name": "sdb"}]}],
            "logicalVolumes": [
                {"name": "data", "vg_name": "vg", "fstype": "ext4", "size": 5096, "mountPoint": "/srv"},
                {"name": "root", "vg_name": "vg", "fstype": "ext4", "size": 1000, "mountPoint": "/"},
            ],
        }
    )
    group = layout.groups[0]
    assert [volume.count for volume in group.physical_volumes] == [499, 1023]
    # 6,096 MB were asked for, and LVM's own notes take an extent of 4 MB of each disk.
    assert _sizes(layout) == {"sda1": 300, "vg/data": 5088, "vg/root": 1000}
    assert {extent.disk for extent in layout.at("/srv").extents} == {0, 1}
    assert next(part.type for part in layout.disks[0].partitions if part.name == "sda2") == LVM
    assert layout.disks[1].partitions == ()
    assert layout.boot.mount_point == "/boot"
    _refuse_overlaps(layout)


def test_the_first_disk_boots_also_when_lvm_has_all_of_it() -> None:
    layout = laid_out(
        {
            "disks": [_disk(kind="lvm")],
            "volumeGroups": [{"name": "vg", "physicalVolumes": ["sda"]}],
            "logicalVolumes": [
                {"name": "root", "vg_name": "vg", "fstype": "xfs", "size": 64, "mountPoint": "/", "grow": True}
            ],
        }
    )
    assert [part.name for part in layout.disks[0].partitions] == ["sda", "bios-boot", "esp"]
    assert _sizes(layout)["vg/root"] == (4096 - _BOOT - 1) // 4 * 4
    _refuse_overlaps(layout)


def test_every_volume_that_is_too_small_is_named_with_what_it_needs() -> None:
    with pytest.raises(BuildError) as error:
        laid_out(
            {
                "disks": [
                    _disk(_part(1, "ext4", 400, "/"), _part(2, "ext4", 300, "/var"), _part(3, "ext4", 64, "/srv"))
                ]
            },
            {"/": 600, "/var": 400},
        )
    assert [line.split(" comes")[0] for line in error.value.message.splitlines()] == ["sda1 (/)", "sda2 (/var)"]
    assert "needs at least" in error.value.message


def test_the_file_system_table_mounts_outer_places_first() -> None:
    layout = laid_out(
        {
            "disks": [
                _disk(
                    _part(1, "btrfs", 500, "/srv/a b/inner"),
                    _part(2, "ext3", 500, "/srv/a b"),
                    _part(3, "linux-swap", 100),
                    _part(5, "ext4", 500, "/", grow=True),
                    _part(6, "fat32", 100, "/media"),
                    kind="gpt",
                )
            ]
        }
    )
    lines = [line.split() for line in fstab(layout).splitlines()]
    assert [line[1] for line in lines] == ["/", "/boot/efi", "/media", "/srv/a\\040b", "/srv/a\\040b/inner", "none"]
    assert [line[2] for line in lines] == ["ext4", "vfat", "vfat", "ext3", "btrfs", "swap"]
    assert lines[0][3] == "errors=remount-ro,x-systemd.growfs"
    assert [line[5] for line in lines] == ["1", "1", "2", "2", "0", "0"]
