"""From a template's partitioning to a layout: who gets how much of which disk.

Sizes in a template are MB. The disks have exactly the sizes that it says; what booting needs of the first one, and LVM
of every physical volume, comes off the partition or volume that grows, or else off the largest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingot.build.disk import lvm
from ingot.build.disk.filesystems import GROWING, Content, size_needed
from ingot.build.disk.layout import (
    BIOS_BOOT,
    DATA,
    ESP,
    LVM,
    MIB,
    SWAP,
    WINDOWS_DATA,
    Disk,
    Extent,
    Identities,
    Layout,
    LogicalVolume,
    Partition,
    PhysicalVolume,
    Volume,
    VolumeGroup,
)
from ingot.build.distributions.architectures import Architecture
from ingot.build.errors import BuildError
from ingot.build.template import Disk as WantedDisk
from ingot.build.template import Installation, Partitioning
from ingot.build.template import LogicalVolume as WantedVolume
from ingot.build.template import Partition as WantedPartition

#: MB at each end of a disk, for alignment and the two copies of the partition table.
EDGE = 1
BIOS_BOOT_SIZE = 1
ESP_SIZE = 64
_EFI = "/boot/efi"
_Sized = WantedPartition | WantedVolume


@dataclass
class _Share:
    """A partition or volume and the MB it gets."""

    wanted: _Sized
    size: int
    grows: bool = False


def mount_points(installation: Installation) -> list[str]:
    """Where the machine's file systems are mounted."""
    partitioning = installation.partitioning
    if partitioning is None:
        return ["/", _EFI]
    return sorted({_EFI, "/", *(volume.mount_point for volume in partitioning.volumes() if volume.mount_point)})


def plan(
    installation: Installation, contents: Mapping[str, Content], identities: Identities, architecture: Architecture
) -> Layout:
    """Lay the disks out for what each mount point has to hold.

    Raises BuildError, with every size that is too small and what it would have to be.
    """
    partitioning = installation.partitioning or _automatic(installation, contents, architecture)
    planner = _Planner(partitioning, identities, architecture)
    layout = planner.layout()
    if problems := [
        problem for volume in layout.volumes if (problem := _too_small(volume, contents, installation, layout))
    ]:
        raise BuildError("\n".join(problems))
    return layout


def _automatic(
    installation: Installation, contents: Mapping[str, Content], architecture: Architecture
) -> Partitioning:
    """The one disk of a template without partitioning: swap where it asks for it, and the root file system."""
    parts = []
    boots = 2 if architecture.grub_bios else 1
    if installation.swap_size:
        parts.append(WantedPartition(number=boots + 1, fstype="linux-swap", size=installation.swap_size, label="swap"))
    needed = _megabytes(size_needed("ext4", contents["/"]))
    root = WantedPartition(
        number=boots + len(parts) + 1, fstype="ext4", size=needed, mount_point="/", label="root", grow=True
    )
    size = installation.disk_size
    if size is None:
        size = 2 * EDGE + _boot_size(architecture) + installation.swap_size + needed
    return Partitioning(disks=(WantedDisk(name="sda", size=size, partitions=(*parts, root)),))


def _boot_size(architecture: Architecture, *, has_esp: bool = False) -> int:
    """MB that booting takes of the first disk, which may have an EFI system partition of its own."""
    return (BIOS_BOOT_SIZE if architecture.grub_bios else 0) + (0 if has_esp else ESP_SIZE)


def _too_small(
    volume: Volume, contents: Mapping[str, Content], installation: Installation, layout: Layout
) -> str | None:
    """What to say of a volume that its content does not fit into."""
    content = contents.get(volume.mount_point or "", Content())
    needed = _megabytes(size_needed(volume.fstype, content))
    size = volume.size // MIB
    if size >= needed:
        return None
    if installation.partitioning is None:
        least = layout.disks[0].size // MIB + needed - size
        return (
            f"The disk of {installation.disk_size} MB is too small for its content: it needs at least "
            f"{least} MB ({installation.swap_size} MB of that is swap). Set diskSize to {least} or more."
        )
    place = f" ({volume.mount_point})" if volume.mount_point else ""
    return (
        f"{volume.name}{place} comes out at {size} MB, and needs at least {needed} MB as {volume.fstype} for its "
        f"content. Raise its size, or, if it grows, that of its disk, by {needed - size} MB or more."
    )


class _Planner:
    def __init__(self, partitioning: Partitioning, identities: Identities, architecture: Architecture) -> None:
        self._wanted, self._ids, self._architecture = partitioning, identities, architecture
        self._volumes: list[Volume] = []
        #: Of every partition and disk that is a physical volume: where it lies, and whether it grows.
        self._physical: dict[str, tuple[Extent, bool]] = {}

    def layout(self) -> Layout:
        disks = tuple(self._disk(index, disk) for index, disk in enumerate(self._wanted.disks))
        groups = [
            self._group(group.name, [volume.name for volume in group.physical_volumes])
            for group in self._wanted.volume_groups
        ]
        # Physical volumes of no group are made all the same.
        groups += [self._group("", [name]) for name in list(self._physical)]
        return Layout(disks=disks, groups=tuple(groups), volumes=tuple(self._volumes))

    def _disk(self, index: int, disk: WantedDisk) -> Disk:
        size = disk.size * MIB
        uuid = self._ids.uuid("disk" if index == 0 else f"disk:{index + 1}")
        if disk.type == "lvm" and index > 0:
            self._physical[disk.name] = (Extent(index, 0, size), True)
            return Disk(disk.name, size, uuid, ())
        has_esp = any(partition.mount_point == _EFI for partition in disk.partitions)
        boot = _boot_size(self._architecture, has_esp=has_esp) if index == 0 else 0
        shares = _divide(disk, disk.size - 2 * EDGE - boot)
        numbers = {share.wanted.number for share in shares if isinstance(share.wanted, WantedPartition)}
        free = (number for number in range(1, 129) if number not in numbers)
        parts: list[Partition] = []
        start = EDGE * MIB
        if index == 0 and self._architecture.grub_bios:
            parts.append(self._partition(next(free), "bios-boot", "bios-boot", BIOS_BOOT, start, BIOS_BOOT_SIZE))
            start += BIOS_BOOT_SIZE * MIB
        if index == 0 and not has_esp:
            parts.append(self._partition(next(free), "esp", "esp", ESP, start, ESP_SIZE))
            extents = (Extent(0, start, ESP_SIZE * MIB),)
            uuid_of_esp = self._ids.uuid("file system:esp")
            self._volumes.append(Volume("esp", "fat", uuid_of_esp, "ESP", _EFI, extents, grows=False))
            start += ESP_SIZE * MIB
        growing = None
        for share in shares:
            wanted = share.wanted
            assert isinstance(wanted, WantedPartition)  # noqa: S101 - `_divide` of a disk has nothing else
            is_whole = disk.type == "lvm"
            name = disk.name if is_whole else f"{disk.name}{wanted.number}"
            partition = self._partition(
                wanted.number, name, _title(wanted), self._type(wanted, index), start, share.size
            )
            parts.append(partition)
            if share.grows:
                growing = partition
            extent = Extent(index, start, partition.size)
            if wanted.fstype == "lvm2":
                self._physical[name] = (extent, share.grows)
            else:
                self._volumes.append(self._volume(name, wanted, (extent,), share.grows))
            start += partition.size
        return Disk(disk.name, size, uuid, tuple(sorted(parts, key=lambda part: part.number)), growing)

    def _partition(self, number: int, name: str, title: str, kind: str, start: int, size: int) -> Partition:
        return Partition(
            number=number,
            name=name,
            title=title,
            type=kind,
            start=start,
            size=size * MIB,
            uuid=self._ids.uuid(f"partition:{name}"),
        )

    def _type(self, wanted: WantedPartition, disk: int) -> str:
        if wanted.mount_point == "/":
            return self._architecture.root_partition
        if wanted.mount_point == _EFI and disk == 0:
            return ESP
        if wanted.fstype.startswith("fat"):
            return WINDOWS_DATA
        return {"linux-swap": SWAP, "lvm2": LVM}.get(wanted.fstype, DATA)

    def _volume(self, name: str, wanted: _Sized, extents: Sequence[Extent], grows: bool) -> Volume:
        return Volume(
            name=name,
            fstype=wanted.fstype,
            uuid=self._ids.uuid(f"file system:{name}"),
            label=wanted.label or "",
            mount_point=wanted.mount_point,
            extents=tuple(extents),
            grows=grows and wanted.fstype in GROWING,
        )

    def _group(self, name: str, physical_names: Sequence[str]) -> VolumeGroup:
        physical = []
        for physical_name in physical_names:
            extent, grows = self._physical.pop(physical_name)
            physical.append(
                PhysicalVolume(
                    name=physical_name,
                    uuid=self._ids.uuid(f"physical volume:{physical_name}"),
                    extent=extent,
                    count=lvm.extents_in(extent.size),
                    grows=grows,
                )
            )
        wanted = [volume for volume in self._wanted.logical_volumes if name and volume.vg_name == name]
        shares = [_Share(volume, -(-volume.size * MIB // lvm.EXTENT), volume.grow) for volume in wanted]
        _settle(shares, sum(volume.count for volume in physical), f"Volume group {name}", lvm.EXTENT // MIB)
        free = [[index, 0, volume.count] for index, volume in enumerate(physical)]
        logical = []
        for share in shares:
            segments = _take(free, share.size)
            full_name = f"{name}/{share.wanted.name}" if isinstance(share.wanted, WantedVolume) else name
            logical.append(
                LogicalVolume(
                    name=full_name.partition("/")[2],
                    uuid=self._ids.uuid(f"logical volume:{full_name}"),
                    segments=tuple(segments),
                    grows=share.grows,
                )
            )
            extents = [
                Extent(
                    physical[index].extent.disk,
                    physical[index].extent.start + lvm.FIRST_EXTENT + first * lvm.EXTENT,
                    count * lvm.EXTENT,
                )
                for index, first, count in segments
            ]
            self._volumes.append(self._volume(full_name, share.wanted, extents, share.grows))
        return VolumeGroup(name, self._ids.uuid(f"volume group:{name}"), tuple(physical), tuple(logical))


def _divide(disk: WantedDisk, available: int) -> list[_Share]:
    """The partitions of a disk in `available` MB, in the disk's order: what grows comes last."""
    shares: list[_Share] = []
    if disk.type == "lvm":
        whole = WantedPartition(number=1, fstype="lvm2", size=available, grow=True)
        return [_Share(whole, available, grows=True)]
    primary = any(partition.grow and partition.fstype != "extended" for partition in disk.partitions)
    for partition in disk.partitions:
        if partition.fstype != "extended":
            shares.append(_Share(partition, partition.size, partition.grow))
            continue
        inner = [_Share(logical, logical.size, logical.grow) for logical in partition.partitions]
        growing = [share for share in inner if share.grows]
        if partition.grow and inner and not growing:
            growing = inner[-1:]
        for share in growing:
            share.size += max(0, partition.size - sum(other.size for other in inner))
            share.grows = not primary
        shares += inner
    _settle(shares, available, f"Disk {disk.name}", 1)
    return shares


def _settle(shares: list[_Share], available: int, whose: str, unit: int) -> None:
    """Give what is left, or take what is missing, where something grows, or else from the largest."""
    spare = available - sum(share.size for share in shares)
    growing = next((share for share in shares if share.grows), None)
    if growing is None and spare < 0:
        growing = max(shares, key=lambda share: share.size)
    if growing is not None:
        growing.size += spare
        if growing.size <= 0:
            missing = (1 - growing.size) * unit
            raise BuildError(f"{whose} is too small for what is to lie on it: {missing} MB are missing.")
    shares.sort(key=lambda share: share.grows)


def _take(free: list[list[int]], count: int) -> list[tuple[int, int, int]]:
    """Take extents from the front of what is free: (physical volume, first, number) each."""
    taken = []
    for piece in free:
        index, first, left = piece
        size = min(left, count)
        if size:
            taken.append((index, first, size))
            piece[1:] = [first + size, left - size]
            count -= size
    return taken


def _title(wanted: WantedPartition) -> str:
    """The name that the partition table has for a partition."""
    if wanted.label:
        return wanted.label
    if wanted.mount_point:
        return wanted.mount_point.strip("/").replace("/", "-") or "root"
    return wanted.fstype


def _megabytes(size: int) -> int:
    return -(-size // MIB)
