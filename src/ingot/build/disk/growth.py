"""What grows when a machine has a larger disk than its image: the guest's own unit does it at boot."""

from pathlib import Path

from ingot.build.disk import lvm
from ingot.build.disk.layout import Disk, Layout
from ingot.build.tree import files

#: Read by `grow-disks.sh` in the guest.
_DIRECTORY = "/usr/lib/ingot/grow"


def write_growth(tree: Path, layout: Layout) -> None:
    """Tell the machine what grows: partitions, then physical volumes, then logical volumes.

    File systems follow when they are mounted (`x-systemd.growfs`).
    """
    for disk in layout.disks:
        if disk.growing is not None:
            for number, definition in enumerate(_definitions(disk)):
                files.write(tree, f"{_DIRECTORY}/partitions/{disk.growing.uuid}/{number:03}.conf", definition)
    physical = [
        f"{lvm.identifier(volume.uuid)}\n"
        for group in layout.groups
        for volume in group.physical_volumes
        if volume.grows
    ]
    logical = [
        f"{group.name}/{volume.name}\n" for group in layout.groups for volume in group.logical_volumes if volume.grows
    ]
    for name, lines in (("physical-volumes", physical), ("logical-volumes", logical)):
        if lines:
            files.write(tree, f"{_DIRECTORY}/{name}", "".join(lines))


def _definitions(disk: Disk) -> list[str]:
    """systemd-repart's definitions for a disk, which it matches by type, in the order of the partition table."""
    assert disk.growing is not None  # noqa: S101 - the caller's condition
    definitions = []
    for partition in disk.partitions:
        if partition.type == disk.growing.type:
            fixed = f"SizeMinBytes={partition.size}\nSizeMaxBytes={partition.size}\n"
            definitions.append(
                f"[Partition]\nType={partition.type.lower()}\n{'' if partition is disk.growing else fixed}"
            )
    return definitions
