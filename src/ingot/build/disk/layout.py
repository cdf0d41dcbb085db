"""What lies where on a disk: a GPT that boots with UEFI and, where the architecture has one, with a BIOS."""

import uuid as uuids
from dataclasses import dataclass, field

from ingot.build.distributions.architectures import Architecture
from ingot.build.errors import BuildError
from ingot.build.template import Installation

MIB = 1024 * 1024
SECTOR = 512
_BIOS_BOOT_SIZE = 1 * MIB
_ESP_SIZE = 64 * MIB
#: Head and tail of the disk: alignment, and the two copies of the partition table.
_EDGES = 2 * MIB

BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"
ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
SWAP = "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"


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
        """A 32-bit number, for file systems that have no UUID."""
        return self.uuid(what).int & 0xFFFFFFFF


@dataclass(frozen=True)
class DiskPartition:
    """A partition: `start` and `size` are bytes."""

    number: int
    role: str
    type: str
    start: int
    size: int
    uuid: uuids.UUID
    filesystem_uuid: uuids.UUID
    mount_point: str | None = None
    attributes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Layout:
    """A disk of `size` bytes with its partitions in order."""

    size: int
    uuid: uuids.UUID
    partitions: tuple[DiskPartition, ...]

    def partition(self, role: str) -> DiskPartition:
        """The partition with that role; raises KeyError."""
        for partition in self.partitions:
            if partition.role == role:
                return partition
        raise KeyError(role)

    def has(self, role: str) -> bool:
        """Whether there is a partition with that role."""
        return any(partition.role == role for partition in self.partitions)


def plan(installation: Installation, root_needs: int, identities: Identities, architecture: Architecture) -> Layout:
    """Lay a disk out; `root_needs` is how many bytes the root file system needs at least.

    Raises BuildError, with the sizes, when the template's disk is too small for its content.
    """
    parts: list[tuple[str, str, int]] = [("esp", ESP, _ESP_SIZE)]
    if architecture.grub_bios:
        parts.insert(0, ("bios-boot", BIOS_BOOT, _BIOS_BOOT_SIZE))
    if installation.swap_size:
        parts.append(("swap", SWAP, installation.swap_size * MIB))
    fixed = _EDGES + sum(size for _, _, size in parts)
    if installation.disk_size is None:
        root_size = -(-root_needs // MIB) * MIB
    else:
        root_size = installation.disk_size * MIB - fixed
        if root_size < root_needs:
            needed = -(-(fixed + root_needs) // MIB)
            raise BuildError(
                f"The disk of {installation.disk_size} MB is too small for its content: it needs at least "
                f"{needed} MB ({installation.swap_size} MB of that is swap). Set diskSize to {needed} or more."
            )
    parts.append(("root", architecture.root_partition, root_size))
    partitions = []
    start = MIB
    for number, (role, kind, size) in enumerate(parts, 1):
        partitions.append(
            DiskPartition(
                number=number,
                role=role,
                type=kind,
                start=start,
                size=size,
                uuid=identities.uuid(f"partition:{role}"),
                filesystem_uuid=identities.uuid(f"file system:{role}"),
                mount_point={"root": "/", "esp": "/boot/efi"}.get(role),
            )
        )
        start += size
    return Layout(size=start + MIB, uuid=identities.uuid("disk"), partitions=tuple(partitions))


def fstab(layout: Layout, identities: Identities) -> str:
    """The machine's file system table. The root file system grows with its partition at boot."""
    lines = []
    for partition in layout.partitions:
        source = f"UUID={partition.filesystem_uuid}"
        if partition.role == "root":
            lines.append(f"{source} / ext4 errors=remount-ro,x-systemd.growfs 0 1")
        elif partition.role == "esp":
            serial = identities.serial("file system:esp")
            lines.append(f"UUID={serial >> 16:04X}-{serial & 0xFFFF:04X} /boot/efi vfat umask=0077 0 1")
        elif partition.role == "swap":
            lines.append(f"{source} none swap sw 0 0")
    return "".join(f"{line}\n" for line in lines)
