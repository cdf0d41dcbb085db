"""The file systems that a volume can hold, and what each asks for: room, and packages on the machine."""

from dataclasses import dataclass

from ingot.build.template import Installation

_MIB = 1024 * 1024


@dataclass
class Content:
    """What a file system has to hold: bytes in whole blocks, and how many files, directories and links."""

    size: int = 0
    count: int = 0


@dataclass(frozen=True)
class FileSystem:
    """`least` is the smallest size, `fixed` and `each` what it needs besides its files, altogether and for each file
    (bytes); `package` brings its tools on the machine. `is_native` means that it keeps owners, rights and links."""

    fixed: int = 0
    each: int = 0
    least: int = 1 * _MIB
    spare: float = 0.1
    package: str | None = None
    is_native: bool = True
    grows: bool = False


_EXT = FileSystem(fixed=48 * _MIB, each=512, least=53 * _MIB, grows=True)
#: By the template's name.
FILE_SYSTEMS = {
    "ext2": _EXT,
    "ext3": _EXT,
    "ext4": _EXT,
    # The smallest that mkfs.xfs makes; its journal alone takes 64 MiB.
    "xfs": FileSystem(fixed=96 * _MIB, each=512, least=300 * _MIB, package="xfsprogs", grows=True),
    "btrfs": FileSystem(fixed=64 * _MIB, each=1024, least=256 * _MIB, spare=0.15, package="btrfs-progs", grows=True),
    "fat": FileSystem(fixed=_MIB, least=8 * _MIB, is_native=False),
    "fat16": FileSystem(fixed=_MIB, least=16 * _MIB, package="dosfstools", is_native=False),
    "fat32": FileSystem(fixed=2 * _MIB, least=34 * _MIB, package="dosfstools", is_native=False),
    "linux-swap": FileSystem(is_native=False),
    "unformatted": FileSystem(is_native=False),
    "reserved": FileSystem(is_native=False),
}
#: Those that follow when their volume becomes larger.
GROWING = frozenset(name for name, system in FILE_SYSTEMS.items() if system.grows)


def size_needed(fstype: str, content: Content) -> int:
    """Bytes that a file system needs for its content, with some to spare."""
    system = FILE_SYSTEMS[fstype]
    total = system.fixed + content.size + system.each * content.count
    return max(system.least, int(total * (1 + system.spare)))


def packages_for(installation: Installation) -> list[str]:
    """The packages that a machine needs for its disks beyond those that every machine has."""
    partitioning = installation.partitioning
    if partitioning is None:
        return []
    kinds = {volume.fstype for volume in partitioning.volumes()}
    packages = {system.package for kind in kinds if (system := FILE_SYSTEMS.get(kind)) and system.package}
    if "lvm2" in kinds or any(disk.type == "lvm" for disk in partitioning.disks):
        packages.add("lvm2")
    return sorted(packages)
