"""Whole disks on plain files: each thing in its place, and the same bytes in another directory."""

import filecmp
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ingot.build import namespace
from ingot.build.disk.content import divided, make_mount_point, measure
from ingot.build.disk.growth import write_growth
from ingot.build.disk.image import make_disks
from ingot.build.disk.layout import Layout
from ingot.build.errors import BuildError
from tests.unit.build.disk.layouts import EPOCH, laid_out

_PARTITIONING: dict[str, Any] = {
    "disks": [
        {
            "name": "sda",
            "size": 1400,
            "partitions": [
                {"number": 1, "fstype": "ext2", "size": 100, "mountPoint": "/boot"},
                {"number": 2, "fstype": "lvm2", "size": 400},
                {"number": 3, "fstype": "linux-swap", "size": 64, "label": "swap"},
                {
                    "number": 4,
                    "fstype": "Extended",
                    "size": 700,
                    "partitions": [
                        {"number": 5, "fstype": "btrfs", "size": 256, "mountPoint": "/home"},
                        {"number": 6, "fstype": "xfs", "size": 300, "mountPoint": "/var/lib", "grow": True},
                        {"number": 7, "fstype": "unformatted", "size": 100},
                    ],
                },
            ],
        },
        {"name": "sdb", "type": "lvm", "size": 300},
        {
            "name": "sdc",
            "size": 200,
            "type": "gpt",
            "partitions": [{"number": 9, "fstype": "fat32", "size": 100, "mountPoint": "/media"}],
        },
    ],
    "volumeGroups": [{"name": "vg", "physicalVolumes": ["sda2", "sdb"]}],
    "logicalVolumes": [
        {"name": "root", "vg_name": "vg", "fstype": "ext4", "size": 128, "mountPoint": "/", "grow": True},
        {"name": "var", "vg_name": "vg", "fstype": "ext4", "size": 120, "mountPoint": "/var"},
    ],
}
_BOOT_CODE = (bytes(range(256)) * 2, b"core" * 1000)


@pytest.fixture(scope="module")
def layout() -> Layout:
    return laid_out(_PARTITIONING)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    for name in ("boot/vmlinuz", "home/user/notes", "var/lib/db/data", "var/log/messages", "etc/passwd"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(f"{name}\n", encoding="ascii")
    (tree / "media").mkdir()
    (tree / "var/lib").chmod(0o750)
    return tree


def test_the_same_layout_gives_the_same_disks_in_another_directory(layout: Layout, tree: Path, tmp_path: Path) -> None:
    made = []
    for name in ("one", "another-directory"):
        directory = tmp_path / name
        directory.mkdir()
        copy = shutil.copytree(tree, directory / "tree")
        trees = {
            "/": copy / "etc",
            "/boot": copy / "boot",
            "/home": copy / "home",
            "/var": copy / "var",
            "/var/lib": copy / "var/lib",
            "/media": copy / "media",
        }
        disks = directory / "disks"
        disks.mkdir()
        log = directory / "log"
        make_disks(disks, layout, trees=trees, boot_code=_BOOT_CODE, epoch=EPOCH, log=log)
        made.append(disks)
    names = ["disk-2.raw", "disk-3.raw", "disk.raw"]
    assert sorted(file.name for file in made[0].iterdir()) == names
    assert filecmp.cmpfiles(*made, names, shallow=False) == (names, [], [])
    first = made[0] / "disk.raw"
    assert first.stat().st_blocks * 512 < first.stat().st_size // 2
    content = first.read_bytes()
    assert content[:92] == _BOOT_CODE[0][:92]
    assert content[1 << 20 :].startswith(b"corecore")
    for name in ("disk.raw", "disk-3.raw"):
        verify = ["sfdisk", "--verify", made[0] / name]
        told = subprocess.run(verify, capture_output=True, text=True, check=False, env={"PATH": "/usr/sbin:/sbin"})
        assert "No errors detected" in told.stdout
    assert (made[0] / "disk-2.raw").read_bytes()[512:520] == b"LABELONE"


def test_grub_reads_a_volume_that_spans_two_disks(layout: Layout, tree: Path, tmp_path: Path) -> None:
    """GRUB finds the group by the same notes as LVM."""
    program = shutil.which("grub-fstest")
    if program is None:
        pytest.skip("grub-fstest (grub-common) is not installed")
    make_disks(tmp_path, layout, trees={"/": tree}, boot_code=None, epoch=EPOCH, log=tmp_path / "log")
    assert {extent.disk for extent in layout.root.extents} == {0, 1}
    disks = [tmp_path / name for name in ("disk.raw", "disk-2.raw")]
    command = [program, "-c", "2", *disks, "cat", "(lvm/vg-root)/etc/passwd"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.stdout == "etc/passwd\n", told.stderr


def test_a_tree_is_divided_by_mount_points_and_stays_as_it_is(tree: Path, tmp_path: Path) -> None:
    points = ["/", "/var", "/var/lib", "/boot", "/srv/new"]
    (tmp_path / "scratch").mkdir()

    def look() -> int:
        with divided(tree, points, tmp_path / "scratch") as views:
            found = {point: sorted(str(f.relative_to(view)) for f in view.rglob("*")) for point, view in views.items()}
            wanted = {
                "/": [
                    "boot",
                    "etc",
                    "etc/passwd",
                    "home",
                    "home/user",
                    "home/user/notes",
                    "media",
                    "srv",
                    "srv/new",
                    "var",
                ],
                "/var": ["lib", "log", "log/messages"],
                "/var/lib": ["db", "db/data"],
                "/boot": ["vmlinuz"],
                "/srv/new": [],
            }
            rights = (views["/var"] / "lib").stat().st_mode & 0o777
            intact = (tree / "var/lib/db/data").exists()
        print(found, oct(rights), intact)
        return 0 if (found, rights, intact) == (wanted, 0o750, True) else 3

    assert namespace.call(look) == 0
    contents = measure(tree, points)
    assert {point: content.count for point, content in contents.items()} == {
        "/": 10, "/boot": 1, "/var": 3, "/var/lib": 2, "/srv/new": 0,
    }  # fmt: skip
    assert contents["/var/lib"].size == 2 * 4096


@pytest.mark.parametrize(
    ("point", "words"),
    [
        ("/var/run/lock", "leads through a link to /run/lock. Mount /run/lock itself"),
        ("/var/run", "leads through a link to /run."),
        ("/home/user/notes", "is a file of the image"),
    ],
)
def test_a_mount_point_is_a_directory_of_the_image(tree: Path, point: str, words: str) -> None:
    (tree / "var/run").symlink_to("/run")
    with pytest.raises(BuildError, match=words):
        make_mount_point(tree, point)
    assert make_mount_point(tree, "/srv/a/b").is_dir()


def test_the_machine_is_told_what_grows(layout: Layout, tmp_path: Path) -> None:
    write_growth(tmp_path, layout)
    grow = tmp_path / "usr/lib/ingot/grow"
    assert (grow / "logical-volumes").read_text(encoding="ascii") == "vg/root\n"
    assert len((grow / "physical-volumes").read_text(encoding="ascii").split()) == 1
    growing = layout.disks[0].growing
    assert growing is not None
    definitions = sorted((grow / f"partitions/{growing.uuid}").iterdir())
    # Three partitions of one type: the two before the last are held to their sizes.
    held = ["SizeMaxBytes" in definition.read_text(encoding="ascii") for definition in definitions]
    order = [part.name for part in layout.disks[0].partitions if part.type == growing.type]
    assert (order, held) == (["sda1", "sda5", "sda6", "sda7"], [True, True, False, True])
