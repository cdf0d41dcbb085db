"""What lies where on the disks of a machine: partitions, volume groups, and the volumes that hold file systems."""

import uuid as uuids
from collections.abc import Iterator
from dataclasses import dataclass

MIB = 1024 * 1024
SECTOR = 512

BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"
ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
SWAP = "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"
LVM = "E6D6D379-F507-44C2-A23C-238F2A3DF928"
DATA = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
WINDOWS_DATA = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"


@dataclass(frozen=True)
class Identities:
    """Every UUID that a disk needs, derived from the build's identity: the same build has the same ones."""

    namespace: uuids.UUID

    @classmethod
    def of_build(cls, identity: str) -> "Identities":
        """The identities of a build, from its hash."""
        return cls(uuids.uuid5(uuids.NAMESPACE_OID, identity))

    def uuid(self, what: str) -> uuids.UUID:
        """The UUID of a part of the disk, such as `root` or `disk`."""
        return uuids.uuid5(self.namespace, what)

    def serial(self, what: str) -> int:
        """A 32-bit number, for what has no UUID."""
        return self.uuid(what).int & 0xFFFFFFFF


@dataclass(frozen=True)
class Extent:
    """`size` bytes from byte `start` of a disk; `disk` counts from 0."""

    disk: int
    start: int
    size: int


@dataclass(frozen=True)
class Partition:
    """An entry of a partition table: `start` and `size` are bytes. `name` is the template's (`sda1`), `title` what
    the table calls it."""

    number: int
    name: str
    title: str
    type: str
    start: int
    size: int
    uuid: uuids.UUID


@dataclass(frozen=True)
class Disk:
    """A disk of `size` bytes. `growing` is the partition that fills the disk when the machine has a larger one.

    Without partitions, the disk as a whole is a physical volume.
    """

    name: str
    size: int
    uuid: uuids.UUID
    partitions: tuple[Partition, ...]
    growing: Partition | None = None

    def partition(self, name: str) -> Partition:
        """The partition of that name; raises KeyError."""
        for partition in self.partitions:
            if partition.name == name:
                return partition
        raise KeyError(name)


@dataclass(frozen=True)
class Volume:
    """A partition or a logical volume with what it holds. Its `extents` in order are its bytes.

    `name` is the template's (`sda1`, `group/volume`); `uuid` the file system's; `grows` whether the file system
    follows its volume.
    """

    name: str
    fstype: str
    uuid: uuids.UUID
    label: str
    mount_point: str | None
    extents: tuple[Extent, ...]
    grows: bool

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(extent.size for extent in self.extents)

    @property
    def serial(self) -> int:
        """The 32-bit number that stands for the UUID in file systems that have none."""
        return self.uuid.int & 0xFFFFFFFF

    @property
    def source(self) -> str:
        """How the machine finds the volume, in its file system table."""
        if self.fstype.startswith("fat"):
            return f"UUID={self.serial >> 16:04X}-{self.serial & 0xFFFF:04X}"
        return f"UUID={self.uuid}"


@dataclass(frozen=True)
class PhysicalVolume:
    """A partition or disk that a volume group is made of; `count` is how many physical extents it has."""

    name: str
    uuid: uuids.UUID
    extent: Extent
    count: int
    grows: bool


@dataclass(frozen=True)
class LogicalVolume:
    """A logical volume; `segments` are (index of the physical volume, its first extent, number of extents)."""

    name: str
    uuid: uuids.UUID
    segments: tuple[tuple[int, int, int], ...]
    grows: bool


@dataclass(frozen=True)
class VolumeGroup:
    """An LVM volume group. Nameless: a physical volume that belongs to none yet."""

    name: str
    uuid: uuids.UUID
    physical_volumes: tuple[PhysicalVolume, ...]
    logical_volumes: tuple[LogicalVolume, ...]


@dataclass(frozen=True)
class Layout:
    """The disks of a machine. The first one boots, by UEFI and, where the architecture has one, by BIOS."""

    disks: tuple[Disk, ...]
    groups: tuple[VolumeGroup, ...]
    volumes: tuple[Volume, ...]

    @property
    def root(self) -> Volume:
        """The volume that holds the root file system."""
        return self.at("/")

    @property
    def boot(self) -> Volume:
        """The volume that holds the kernels: that of /boot, or of the root directory."""
        return next((volume for volume in self.volumes if volume.mount_point == "/boot"), self.root)

    def at(self, mount_point: str) -> Volume:
        """The volume that is mounted there; raises KeyError."""
        for volume in self.volumes:
            if volume.mount_point == mount_point:
                return volume
        raise KeyError(mount_point)

    def mounted(self) -> list[Volume]:
        """The volumes with a mount point, outer ones before those inside them."""
        found = [volume for volume in self.volumes if volume.mount_point]
        return sorted(found, key=lambda volume: str(volume.mount_point).rstrip("/").split("/"))

    def is_logical(self, volume: Volume) -> bool:
        """Whether it is a logical volume."""
        return any(volume.name == f"{group.name}/{logical.name}" for group, logical in self._logical())

    def _logical(self) -> Iterator[tuple[VolumeGroup, LogicalVolume]]:
        for group in self.groups:
            for logical in group.logical_volumes:
                yield group, logical


def fstab(layout: Layout) -> str:
    """The machine's file system table. File systems on what grows follow when they are mounted."""
    lines = []
    for volume in layout.mounted():
        options = []
        if volume.mount_point == "/" and volume.fstype.startswith("ext"):
            options.append("errors=remount-ro")
        if volume.fstype.startswith("fat"):
            options.append("umask=0077" if volume.mount_point == "/boot/efi" else "umask=0022")
        if volume.grows:
            options.append("x-systemd.growfs")
        kind = "vfat" if volume.fstype.startswith("fat") else volume.fstype
        order = 0 if kind in ("xfs", "btrfs") else 1 if volume.mount_point in ("/", "/boot/efi") else 2
        mount_point = str(volume.mount_point).replace(" ", "\\040")
        lines.append(f"{volume.source} {mount_point} {kind} {','.join(options) or 'defaults'} 0 {order}")
    lines += [f"{volume.source} none swap sw 0 0" for volume in layout.volumes if volume.fstype == "linux-swap"]
    return "".join(f"{line}\n" for line in lines)
