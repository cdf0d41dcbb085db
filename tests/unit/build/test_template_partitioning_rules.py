"""Partitioning that cannot be built is told in one go, each mistake with its value and what would be right."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from ingot.build.errors import BuildError
from ingot.build.template import Partitioning
from ingot.build.template_partitioning_rules import findings, refuse_impossible

_GOOD: dict[str, Any] = {
    "disks": [
        {
            "name": "sda",
            "type": "msdos",
            "size": 4096,
            "partitions": [
                {"number": 1, "fstype": "EXT4", "size": 500, "mountPoint": "/boot", "label": "boot"},
                {"number": "2", "fstype": "linux-swap", "size": "256"},
                {
                    "number": 3,
                    "fstype": "Extended",
                    "size": 3000,
                    "partitions": [
                        {"number": 5, "fstype": "lvm2", "size": 2000, "grow": True},
                        {"number": 6, "fstype": "xfs", "size": 500, "mountPoint": "/home"},
                    ],
                },
            ],
        },
        {"name": "sdb", "type": "LVM", "size": 2048},
    ],
    "volumeGroups": [{"name": "vg", "physicalVolumes": [{"name": "sda5"}, "sdb"]}],
    "logicalVolumes": [
        {"name": "root", "vg_name": "vg", "fstype": "btrfs", "size": 2000, "mountPoint": "/", "grow": True},
        {"name": "data", "vg_name": "vg", "fstype": "ext4", "size": 2000, "mountPoint": "/srv/data"},
    ],
}
_Change = Callable[[dict[str, Any]], Any]


def _told(document: dict[str, Any]) -> dict[str, str]:
    found = findings({"installation": {"partitioning": document}})
    return {".".join(str(step) for step in place[3:]): words for place, words in found}


def test_what_can_be_built_has_no_mistakes() -> None:
    assert _told(_GOOD) == {}
    refuse_impossible(Partitioning.model_validate(_GOOD))


def _first(d: dict[str, Any]) -> dict[str, Any]:
    return d["disks"][0]["partitions"][0]  # type: ignore[no-any-return]


def _inner(d: dict[str, Any]) -> list[dict[str, Any]]:
    return d["disks"][0]["partitions"][2]["partitions"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        (lambda d: d["disks"][0].update(name="sdb"), "disks.0.name", "'sdb': the first disk is sda"),
        (lambda d: d["disks"][1].update(name="sda"), "disks.1.name", "'sda': is there twice"),
        (lambda d: d["disks"][1].update(name="disk"), "disks.1.name", "they are sda, sdb and so on"),
        (lambda d: d["disks"][0].update(type="mbr"), "disks.0.type", "'mbr': is no type of disk; there are msdos"),
        (lambda d: d["disks"][0].update(size=3000), "disks.0.size", "3000: the partitions of sda take 3756 MB"),
        (lambda d: d["disks"].clear(), "disks", "has no disk: name one, sda, with its size"),
        (
            lambda d: d["disks"][1].update(partitions=[_first(d)]),
            "disks.1.partitions",
            "of type lvm has no partitions",
        ),
        (lambda d: _first(d).update(number=3), "disks.0.partitions.2.number", "3: there are two partitions sda3"),
        (lambda d: _first(d).update(number=7), "disks.0.partitions.0.number", "7: partitions outside an extended one"),
        (lambda d: _first(d).update(fstype="ext5"), "disks.0.partitions.0.fstype", "'ext5': cannot be made; did you"),
        (lambda d: _first(d).update(fstype="ntfs"), "disks.0.partitions.0.fstype", "'ntfs': cannot be made"),
        (lambda d: _first(d).update(fstype="vfat"), "disks.0.partitions.0.mountPoint", "keeps no owners"),
        (lambda d: _first(d).update(fstype="swap"), "disks.0.partitions.0.mountPoint", "linux-swap is not mounted"),
        (lambda d: _first(d).update(label="a" * 17), "disks.0.partitions.0.label", "room for 16 bytes"),
        (lambda d: _first(d).update(mountPoint="boot"), "disks.0.partitions.0.mountPoint", "'boot': is no place"),
        (lambda d: _first(d).update(mountPoint="/srv/"), "disks.0.partitions.0.mountPoint", "without a slash at its"),
        (
            lambda d: _first(d).update(mountPoint="/etc"),
            "disks.0.partitions.0.mountPoint",
            "before it mounts anything",
        ),
        (
            lambda d: _first(d).update(mountPoint="/run/x"),
            "disks.0.partitions.0.mountPoint",
            "made anew at every boot",
        ),
        (
            lambda d: _first(d).update(mountPoint="/boot/grub"),
            "disks.0.partitions.0.mountPoint",
            "mount /boot instead",
        ),
        (lambda d: _first(d).update(mountPoint="/boot/efi"), "disks.0.partitions.0.mountPoint", "firmware reads FAT"),
        (lambda d: _first(d).pop("mountPoint"), "disks.0.partitions.0.mountPoint", "is missing: say where sda1 is"),
        (lambda d: _first(d).update(partitions=_inner(d)), "disks.0.partitions.0.partitions", "only an extended"),
        (lambda d: _first(d).update(fstype="Extended"), "disks.0.partitions.2.fstype", "a second extended partition"),
        (lambda d: _inner(d)[0].update(number=4), "disks.0.partitions.2.partitions.0.number", "count from 5"),
        (lambda d: _inner(d)[1].update(grow=True), "disks.0.partitions.2.partitions.1.grow", "something else grows"),
        (lambda d: _inner(d)[1].update(size=200), "disks.0.partitions.2.partitions.1.size", "takes at least 300 MB"),
        (lambda d: _inner(d)[1].update(mountPoint="/boot"), "disks.0.partitions.2.partitions.1.mountPoint", "sda1 is"),
        (lambda d: d["disks"][0]["partitions"][2].update(size=2000), "disks.0.partitions.2.size", "inside take 2500"),
        (lambda d: d["disks"][0]["partitions"][2].update(label="x"), "disks.0.partitions.2.label", "has none"),
        (lambda d: d["volumeGroups"][0].update(name="-vg"), "volumeGroups.0.name", "no - first"),
        (lambda d: d["volumeGroups"][0].update(physicalVolumes=[]), "volumeGroups.0.physicalVolumes", "vg has none"),
        (
            lambda d: d["volumeGroups"][0]["physicalVolumes"].append("sdb"),
            "volumeGroups.0.physicalVolumes.2",
            "'sdb': belongs to vg already",
        ),
        (
            lambda d: d["volumeGroups"][0]["physicalVolumes"].append("sda"),
            "volumeGroups.0.physicalVolumes.2",
            "'sda': is no disk of type lvm",
        ),
        (
            lambda d: d["volumeGroups"][0]["physicalVolumes"].append("sda55"),
            "volumeGroups.0.physicalVolumes.2",
            "did you mean sda5",
        ),
        (lambda d: d["logicalVolumes"][1].update(vg_name="gv"), "logicalVolumes.1.vg_name", "did you mean vg?"),
        (lambda d: d["logicalVolumes"][1].update(name="root"), "logicalVolumes.1.name", "is there twice in vg"),
        (lambda d: d["logicalVolumes"][1].update(name="snapshot1"), "logicalVolumes.1.name", "neither - nor snapshot"),
        (
            lambda d: d["logicalVolumes"][1].update(grow=True),
            "logicalVolumes.1.grow",
            "volume group vg something else",
        ),
        (lambda d: d["logicalVolumes"][1].update(fstype="lvm2"), "logicalVolumes.1.fstype", "'lvm2': cannot be made"),
        (
            lambda d: d["logicalVolumes"][1].update(size=2100),
            "logicalVolumes.1.size",
            "2100: the volumes of vg take 4100 MB, and it has 4048",
        ),
        (lambda d: d["logicalVolumes"][0].update(mountPoint="/opt"), "disks", "nothing is mounted at /"),
    ],
)
def test_a_mistake_is_named_with_its_value_and_its_remedy(change: _Change, place: str, words: str) -> None:
    document = copy.deepcopy(_GOOD)
    change(document)
    told = _told(document)
    assert place in told, told
    assert words in told[place]


def test_what_comes_from_no_file_is_refused_with_all_that_is_wrong() -> None:
    document = copy.deepcopy(_GOOD)
    _first(document).update(fstype="zfs")
    document["logicalVolumes"][1].update(vg_name="gv")
    with pytest.raises(BuildError) as error:
        refuse_impossible(Partitioning.model_validate(document))
    assert "disks[0].partitions[0].fstype: 'zfs'" in error.value.message
    assert "logicalVolumes[1].vg_name: 'gv'" in error.value.message
