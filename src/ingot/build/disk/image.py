"""Write a tree onto a disk image: plain files all the way, no loop device, no mount."""

import os
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ingot.build.disk.ext4 import make_ext4
from ingot.build.disk.layout import SECTOR, DiskPartition, Identities, Layout
from ingot.build.run import run
from ingot.build.sparse import data

_CHUNK = 1 << 20


def make_disk(
    image: Path,
    layout: Layout,
    *,
    tree: Path,
    esp_files: Mapping[str, bytes],
    boot_code: tuple[bytes, bytes] | None,
    identities: Identities,
    epoch: int,
    log: Path,
) -> None:
    """Make the sparse raw image of a disk.

    `esp_files` are the EFI system partition's files by path; `boot_code` is GRUB's (boot.img, core.img) for
    a BIOS.
    """
    with image.open("wb") as file:
        file.truncate(layout.size)
    _partition(image, layout, log)
    _make_esp(image, layout.partition("esp"), esp_files, identities, epoch, log)
    if layout.has("swap"):
        _make_swap(image, layout.partition("swap"), log)
    root = layout.partition("root")
    make_ext4(
        image,
        root.start,
        root.size,
        tree=tree,
        uuid=root.filesystem_uuid,
        label="root",
        epoch=epoch,
        log=log,
    )
    if boot_code is not None:
        _install_boot_code(image, layout.partition("bios-boot"), boot_code)


def _partition(image: Path, layout: Layout, log: Path) -> None:
    lines = ["label: gpt", f"label-id: {layout.uuid}", "unit: sectors", "first-lba: 2048"]
    for partition in layout.partitions:
        lines.append(
            f"start={partition.start // SECTOR}, size={partition.size // SECTOR}, type={partition.type}, "
            f"uuid={partition.uuid}, name={partition.role}"
        )
    run(
        ["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", image],
        stdin="\n".join(lines) + "\n",
        log=log,
    )


def _make_esp(
    image: Path,
    partition: DiskPartition,
    contents: Mapping[str, bytes],
    identities: Identities,
    epoch: int,
    log: Path,
) -> None:
    env = {"SOURCE_DATE_EPOCH": str(epoch), "MTOOLS_SKIP_CHECK": "1"}
    with tempfile.TemporaryDirectory(dir=image.parent) as directory:
        esp = Path(directory) / "esp.img"
        with esp.open("wb") as file:
            file.truncate(partition.size)
        serial = f"{identities.serial('file system:esp'):08x}"
        run(["mkfs.vfat", "--invariant", "-i", serial, "-n", "ESP", esp], env=env, log=log)
        made: set[str] = set()
        for path, content in sorted(contents.items()):
            parts = Path(path).parts
            for depth in range(1, len(parts)):
                parent = "/".join(parts[:depth])
                if parent not in made:
                    run(["mmd", "-i", esp, f"::/{parent}"], env=env, log=log)
                    made.add(parent)
            source = Path(directory) / "content"
            source.write_bytes(content)
            os.utime(source, (epoch, epoch))
            run(["mcopy", "-m", "-i", esp, source, f"::/{path}"], env=env, log=log)
        _copy_sparse(esp, image, partition.start)


def _make_swap(image: Path, partition: DiskPartition, log: Path) -> None:
    with tempfile.TemporaryDirectory(dir=image.parent) as directory:
        swap = Path(directory) / "swap.img"
        with swap.open("wb") as file:
            file.truncate(partition.size)
        swap.chmod(0o600)
        run(["mkswap", "--uuid", str(partition.filesystem_uuid), swap], log=log)
        _copy_sparse(swap, image, partition.start)


def _install_boot_code(image: Path, partition: DiskPartition, boot_code: tuple[bytes, bytes]) -> None:
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


def _copy_sparse(source: Path, image: Path, offset: int) -> None:
    """Copy what is not a hole in `source` to its place in the image."""
    with source.open("rb") as reader, image.open("r+b") as writer:
        for start, end in data(reader.fileno()):
            reader.seek(start)
            writer.seek(offset + start)
            while start < end:
                start += writer.write(reader.read(min(end - start, _CHUNK)))  # noqa: PLW2901 - what is written is done
