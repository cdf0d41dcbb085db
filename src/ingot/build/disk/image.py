"""Write a tree onto disk images: plain files all the way, no loop device, no device mapper, no mount."""

import os
import struct
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ingot.build.disk import lvm
from ingot.build.disk.btrfs import make_btrfs
from ingot.build.disk.ext import make_ext
from ingot.build.disk.fat import make_fat
from ingot.build.disk.files import FIRST, numbered
from ingot.build.disk.layout import SECTOR, Disk, Layout, Partition, Volume
from ingot.build.disk.xfs import make_xfs
from ingot.build.sandbox import run_unsynced
from ingot.build.sparse import data

_LARGEST_COPY = 1 << 30


def make_disks(
    directory: Path,
    layout: Layout,
    *,
    trees: Mapping[str, Path],
    boot_code: tuple[bytes, bytes] | None,
    epoch: int,
    log: Path,
) -> None:
    """Make the sparse raw images of a machine's disks in a directory.

    `trees` has the content of each file system by its mount point; `boot_code` is GRUB's (boot.img, core.img)
    for a BIOS.
    """
    images = [numbered(directory / FIRST, number) for number in range(1, len(layout.disks) + 1)]
    for image, disk in zip(images, layout.disks, strict=True):
        with image.open("wb") as file:
            file.truncate(disk.size)
        if disk.partitions:
            _partition(image, disk, log)
    for group in layout.groups:
        for name, head in lvm.notes(group, epoch).items():
            extent = next(volume.extent for volume in group.physical_volumes if volume.name == name)
            _write(images[extent.disk], extent.start, head)
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        nothing = Path(scratch) / "nothing"
        nothing.mkdir(mode=0o755)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            filled = [
                pool.submit(
                    _fill,
                    images,
                    volume,
                    trees.get(volume.mount_point or "", nothing),
                    Path(scratch) / f"volume-{number}",
                    epoch,
                    log,
                )
                for number, volume in enumerate(layout.volumes)
            ]
        for one in filled:
            one.result()
    if boot_code is not None:
        _install_boot_code(images[0], layout.disks[0].partition("bios-boot"), boot_code)


def _partition(image: Path, disk: Disk, log: Path) -> None:
    lines = ["label: gpt", f"label-id: {disk.uuid}", "unit: sectors", "first-lba: 2048"]
    for partition in disk.partitions:
        title = partition.title.replace("\\", "").replace('"', "")
        lines.append(
            f"{partition.number}: start={partition.start // SECTOR}, size={partition.size // SECTOR}, "
            f'type={partition.type}, uuid={partition.uuid}, name="{title}"'
        )
    run_unsynced(
        ["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", image],
        stdin="\n".join(lines) + "\n",
        log=log,
    )


def _fill(images: list[Path], volume: Volume, tree: Path, made: Path, epoch: int, log: Path) -> None:
    """Make what a volume holds: in its place where the tool can, or else in the file `made`, to be copied there."""
    if volume.fstype in ("unformatted", "reserved"):
        return
    if volume.fstype.startswith("ext") and len(volume.extents) == 1:
        extent = volume.extents[0]
        make_ext(images[extent.disk], extent.start, volume, tree, epoch, log)
        return
    with made.open("wb") as file:
        file.truncate(volume.size)
    made.chmod(0o600)
    if volume.fstype.startswith("ext"):
        make_ext(made, 0, volume, tree, epoch, log)
    elif volume.fstype.startswith("fat"):
        make_fat(made, volume, tree, epoch, log)
    elif volume.fstype == "linux-swap":
        label = ["--label", volume.label[:15]] if volume.label else []
        run_unsynced(["mkswap", "--uuid", str(volume.uuid), *label, made], log=log)
    elif volume.fstype == "xfs":
        make_xfs(made, volume, tree, epoch, log)
    elif volume.fstype == "btrfs":
        make_btrfs(made, volume, tree, epoch)
    else:
        raise ValueError(f"no maker for {volume.fstype}")
    position = 0
    for extent in volume.extents:
        _copy(made, position, extent.size, images[extent.disk], extent.start)
        position += extent.size
    made.unlink()


def _install_boot_code(image: Path, partition: Partition, boot_code: tuple[bytes, bytes]) -> None:
    """Put GRUB where the BIOS finds it: the first sector, and the partition made for the rest.

    GRUB's own installer wants to see a block device; the few numbers it would patch in are well known: where
    the core image starts (in boot.img at 0x5C), that the BIOS' idea of the boot drive cannot be trusted
    (0x66), and in the core image's first sector where its second one is (0x1F4) and how many follow (0x1FC).
    """
    boot, core = bytearray(boot_code[0]), bytearray(boot_code[1])
    first_sector = partition.start // SECTOR
    struct.pack_into("<Q", boot, 0x5C, first_sector)
    boot[0x66:0x68] = b"\x90\x90"
    struct.pack_into("<QH", core, 0x1F4, first_sector + 1, -(-len(core) // SECTOR) - 1)
    if len(core) > partition.size:
        raise ValueError(f"GRUB's core image of {len(core)} bytes does not fit into {partition.size}")
    with image.open("r+b") as file:
        protective_mbr = file.read(SECTOR)
        # The code area only: behind it lie the disk's signature and the protective partition table.
        file.seek(0)
        file.write(bytes(boot[:440]) + protective_mbr[440:])
        file.seek(partition.start)
        file.write(core)


def _write(image: Path, start: int, content: bytes) -> None:
    with image.open("r+b") as file:
        file.seek(start)
        file.write(content)


def _copy(source: Path, first: int, size: int, image: Path, start: int) -> None:
    """Copy what is not a hole of `size` bytes of `source`, from byte `first`, to byte `start` of an image."""
    with source.open("rb") as reader, image.open("r+b") as writer:
        for begin, end in data(reader.fileno()):
            position, stop = max(begin, first), min(end, first + size)
            while position < stop:
                # In the kernel, and without a copy where the file system can share blocks.
                position += os.copy_file_range(
                    reader.fileno(),
                    writer.fileno(),
                    min(stop - position, _LARGEST_COPY),
                    position,
                    start + position - first,
                )
