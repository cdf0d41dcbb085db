"""What the partitioning of a template says that cannot be built, beyond its form; see `template_rules`.

What only the content tells, whether it fits, is told by the build.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from ingot.build.disk.filesystems import FILE_SYSTEMS
from ingot.build.errors import BuildError
from ingot.build.template import Partitioning, file_system_name
from ingot.build.template_rules import Finding, near

_Place = tuple[str | int, ...]
_Listed = list[tuple[int, Mapping[str, Any]]]
_STACK: _Place = ("stack", "installation", "partitioning")
_DISK_NAME = re.compile(r"sd[a-z]")
_LVM_NAME = re.compile(r"[A-Za-z0-9+_][A-Za-z0-9+_.-]{0,126}")
_DISK_TYPES = ("msdos", "gpt", "lvm")
_MOST_PARTITIONS = 120
_FIRST_LOGICAL = 5
#: What holds no file system, and so is mounted nowhere.
_UNMOUNTED = ("linux-swap", "lvm2", "extended", "unformatted", "reserved")
_LABELS = {"ext2": 16, "ext3": 16, "ext4": 16, "xfs": 12, "btrfs": 255, "fat16": 11, "fat32": 11, "linux-swap": 15}
#: Needed before anything is mounted, or made anew at every boot.
_PART_OF_ROOT = ("/bin", "/etc", "/lib", "/lib64", "/sbin")
_VOLATILE = ("/dev", "/proc", "/run", "/sys")
#: Where the packages' own files lie, with owners, rights and links.
_OF_PACKAGES = ("/", "/boot", "/home", "/opt", "/root", "/srv", "/tmp", "/usr", "/var")  # noqa: S108 - of the image
_EFI = "/boot/efi"


def findings(stack: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything that is wrong with the partitioning of a `stack`."""
    installation = stack.get("installation")
    partitioning = installation.get("partitioning") if isinstance(installation, dict) else None
    if isinstance(partitioning, dict):
        yield from _Rules(partitioning).findings()


def refuse_impossible(partitioning: Partitioning) -> None:
    """Raise BuildError with everything that is wrong, for what comes from no file."""
    document = partitioning.model_dump(by_alias=True, exclude_none=True, mode="json")
    problems = [f"{_spell(place[2:])}: {words}" for place, words in _Rules(document).findings()]
    if problems:
        raise BuildError("The partitioning cannot be built:\n" + "\n".join(f"  {problem}" for problem in problems))


class _Rules:
    def __init__(self, partitioning: Mapping[str, Any]) -> None:
        self._partitioning = partitioning
        self._mounted: dict[str, str] = {}
        #: MB of everything that may be a physical volume, by its name, and those that belong to a group.
        self._physical: dict[str, int] = {}
        self._taken: dict[str, str] = {}
        self._names: set[str] = set()

    def findings(self) -> Iterator[Finding]:
        for index, disk in _listed(self._partitioning, "disks"):
            yield from self._disk((*_STACK, "disks", index), disk, index)
        if not _listed(self._partitioning, "disks"):
            yield (*_STACK, "disks"), "has no disk: name one, sda, with its size"
        groups: dict[str, int] = {}
        for index, group in _listed(self._partitioning, "volumeGroups"):
            yield from self._group((*_STACK, "volumeGroups", index), group, groups)
        yield from self._volumes(groups)
        if "/" not in self._mounted:
            words = "nothing is mounted at /: give the partition or volume of the system `mountPoint: /`"
            yield (*_STACK, "disks"), words

    def _disk(self, place: _Place, disk: Mapping[str, Any], index: int) -> Iterator[Finding]:
        name, kind, size = disk.get("name"), str(disk.get("type", "msdos")).lower(), _size(disk)
        if isinstance(name, str):
            if index == 0 and name != "sda":
                yield (*place, "name"), f"{name!r}: the first disk is sda"
            elif not _DISK_NAME.fullmatch(name):
                yield (*place, "name"), f"{name!r}: is no name of a disk; they are sda, sdb and so on"
            if name in self._names:
                yield (*place, "name"), f"{name!r}: is there twice"
            self._names.add(name)
        if kind not in _DISK_TYPES:
            yield (*place, "type"), f"{disk.get('type')!r}: is no type of disk; {near(kind, _DISK_TYPES)}"
        partitions = _listed(disk, "partitions")
        if kind == "lvm":
            self._physical[str(name)] = size
            if partitions:
                words = "a disk of type lvm has no partitions: leave them out, or make the type msdos"
                yield (*place, "partitions"), words
            return
        total = sum(_size(partition) for _, partition in partitions)
        if total > size:
            yield (
                (*place, "size"),
                f"{size}: the partitions of {name} take {total} MB; make it that or more, or them smaller",
            )
        yield from self._partitions((*place, "partitions"), partitions, str(name), kind, logical=False)
        numbers: dict[Any, int] = {}
        for inner_place, partition in _all(place, partitions):
            number = _number(partition.get("number"))
            if number in numbers:
                yield (*inner_place, "number"), f"{number}: there are two partitions {name}{number}"
            numbers[number] = 1
        if len(numbers) > _MOST_PARTITIONS:
            yield (*place, "partitions"), f"{len(numbers)} are too many: at most {_MOST_PARTITIONS} are possible"

    def _partitions(
        self, place: _Place, partitions: _Listed, disk: str, kind: str, *, logical: bool
    ) -> Iterator[Finding]:
        whose = f"the extended partition of {disk}" if logical else disk
        yield from _one_grows(place, partitions, whose)
        extended = 0
        for index, partition in partitions:
            here = (*place, index)
            fstype = file_system_name(partition.get("fstype"))
            number = _number(partition.get("number"))
            name = f"{disk}{number}"
            if isinstance(number, int):
                if logical and number < _FIRST_LOGICAL:
                    yield (*here, "number"), f"{number}: logical partitions count from {_FIRST_LOGICAL}"
                elif not logical and kind == "msdos" and number >= _FIRST_LOGICAL:
                    words = f"{number}: partitions outside an extended one are 1 to 4; make the type gpt for more"
                    yield (*here, "number"), words
                elif not 0 < number <= _MOST_PARTITIONS:
                    yield (*here, "number"), f"{number}: numbers are 1 to {_MOST_PARTITIONS}"
            inner = _listed(partition, "partitions")
            if fstype == "extended" and not logical:
                extended += 1
                if extended > 1:
                    yield (*here, "fstype"), f"{disk} has a second extended partition: one is possible"
                yield from self._extended(here, partition, inner, disk, kind)
                continue
            if inner:
                words = "only an extended partition has partitions inside: make its fstype Extended"
                yield (*here, "partitions"), words
            if fstype == "lvm2":
                self._physical[name] = _size(partition)
            yield from self._volume(here, partition, name, may_be_physical=True)
            if partition.get("mountPoint") == _EFI and disk != "sda":
                yield (*here, "mountPoint"), f"{_EFI!r}: the firmware boots from the first disk; put it on sda"

    def _extended(
        self,
        place: _Place,
        partition: Mapping[str, Any],
        inner: _Listed,
        disk: str,
        kind: str,
    ) -> Iterator[Finding]:
        for key in ("mountPoint", "label"):
            if partition.get(key):
                yield (*place, key), f"{partition[key]!r}: an extended partition has none; give it to one inside"
        total, size = sum(_size(entry) for _, entry in inner), _size(partition)
        if total > size:
            words = f"{size}: the partitions inside take {total} MB; make it that or more, or them smaller"
            yield (*place, "size"), words
        yield from self._partitions((*place, "partitions"), inner, disk, kind, logical=True)

    def _volume(
        self, place: _Place, volume: Mapping[str, Any], name: str, *, may_be_physical: bool = False
    ) -> Iterator[Finding]:
        """What partitions and logical volumes have in common."""
        fstype, size = file_system_name(volume.get("fstype")), _size(volume)
        system = FILE_SYSTEMS.get(str(fstype))
        known = [*(entry for entry in FILE_SYSTEMS if entry != "fat"), *(["lvm2"] if may_be_physical else [])]
        if isinstance(fstype, str) and fstype not in known:
            yield (*place, "fstype"), f"{volume.get('fstype')!r}: cannot be made; {near(fstype, known)}"
        if system is not None and size < system.least >> 20 and not volume.get("grow"):
            yield (*place, "size"), f"{size}: {fstype} takes at least {system.least >> 20} MB"
        label = volume.get("label")
        longest = _LABELS.get(str(fstype))
        if isinstance(label, str) and longest is not None and len(label.encode()) > longest:
            yield (*place, "label"), f"{label!r}: {fstype} has room for {longest} bytes"
        yield from self._mount(place, volume, name, str(fstype))

    def _mount(self, place: _Place, volume: Mapping[str, Any], name: str, fstype: str) -> Iterator[Finding]:
        point = volume.get("mountPoint")
        if point in (None, "", "swap", "none"):
            if fstype not in _UNMOUNTED and fstype in FILE_SYSTEMS:
                words = f"is missing: say where {name} is mounted, or make its fstype unformatted"
                yield (*place, "mountPoint"), words
            return
        if not isinstance(point, str):
            return
        here = (*place, "mountPoint")
        if fstype in _UNMOUNTED:
            yield here, f"{point!r}: {fstype} is not mounted; leave it out"
            return
        if not point.startswith("/") or str(PurePosixPath(point)) != point or ".." in point.split("/"):
            yield here, f"{point!r}: is no place; write it like /var/lib, from the root and without a slash at its end"
            return
        if any(ord(letter) < ord(" ") for letter in point):
            yield here, f"{point!r}: has control characters"
        if point in _PART_OF_ROOT or point.startswith(tuple(f"{entry}/" for entry in ("/bin", "/lib", "/sbin"))):
            yield here, f"{point!r}: the machine needs it before it mounts anything; leave it to /"
        elif point in _VOLATILE or point.startswith(tuple(f"{entry}/" for entry in _VOLATILE)):
            yield here, f"{point!r}: is made anew at every boot; choose another place, such as /srv"
        elif point.startswith("/boot/") and point != _EFI:
            yield here, f"{point!r}: GRUB expects all of /boot together; mount /boot instead"
        elif point == _EFI and not fstype.startswith("fat"):
            yield here, f"{point!r}: firmware reads FAT alone; make its fstype fat32"
        elif fstype.startswith("fat") and (point in _OF_PACKAGES or point.startswith(("/usr/", "/var/"))):
            yield here, f"{point!r}: {fstype} keeps no owners, rights and links; make its fstype ext4"
        if point in self._mounted:
            yield here, f"{point!r}: {self._mounted[point]} is mounted there already; choose another place"
        self._mounted[point] = name

    def _group(self, place: _Place, group: Mapping[str, Any], groups: dict[str, int]) -> Iterator[Finding]:
        name = group.get("name")
        if isinstance(name, str):
            if not _LVM_NAME.fullmatch(name):
                yield (*place, "name"), f"{name!r}: use up to 127 of letters, digits and + _ . -, and no - first"
            if name in groups:
                yield (*place, "name"), f"{name!r}: is there twice"
        volumes = group.get("physicalVolumes")
        total = 0
        if not volumes:
            yield (*place, "physicalVolumes"), f"{name} has none: name partitions of fstype lvm2 or disks of type lvm"
        for index, volume in enumerate(volumes if isinstance(volumes, list) else []):
            physical = volume.get("name") if isinstance(volume, dict) else volume
            here = (*place, "physicalVolumes", index)
            if not isinstance(physical, str):
                continue
            if physical not in self._physical:
                if physical in self._names:
                    words = "is no disk of type lvm; make it one, or name a partition of it with fstype lvm2"
                elif self._physical:
                    words = f"is no partition of fstype lvm2 and no disk of type lvm; {near(physical, self._physical)}"
                else:
                    words = "there are no partitions of fstype lvm2 and no disks of type lvm; make it one"
                yield here, f"{physical!r}: {words}"
            elif physical in self._taken:
                yield here, f"{physical!r}: belongs to {self._taken[physical]} already; name it once"
            else:
                self._taken[physical] = str(name)
                total += self._physical[physical]
        groups.setdefault(str(name), total)

    def _volumes(self, groups: Mapping[str, int]) -> Iterator[Finding]:
        place = (*_STACK, "logicalVolumes")
        by_group: dict[str, _Listed] = {}
        for index, volume in _listed(self._partitioning, "logicalVolumes"):
            group, name = volume.get("vg_name"), volume.get("name")
            if isinstance(group, str) and group not in groups:
                hint = near(group, groups) if groups else "add it to volumeGroups"
                yield (*place, index, "vg_name"), f"{group!r}: is no volume group; {hint}"
            if isinstance(name, str):
                if not _LVM_NAME.fullmatch(name) or name.startswith(("snapshot", "pvmove")):
                    words = "use up to 127 of letters, digits and + _ . -, and neither - nor snapshot nor pvmove first"
                    yield (*place, index, "name"), f"{name!r}: {words}"
                if any(other.get("name") == name for _, other in by_group.get(str(group), [])):
                    yield (*place, index, "name"), f"{name!r}: is there twice in {group}"
            by_group.setdefault(str(group), []).append((index, volume))
            yield from self._volume((*place, index), volume, f"{group}/{name}")
        for group, volumes in by_group.items():
            yield from _one_grows(place, volumes, f"volume group {group}")
            total = sum(_size(volume) for _, volume in volumes)
            if total > groups.get(group, total):
                words = f"the volumes of {group} take {total} MB, and it has {groups[group]}; make them smaller, or"
                yield (*place, volumes[-1][0], "size"), f"{_size(volumes[-1][1])}: {words} add to it"


def _spell(place: _Place) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).lstrip(".")


def _one_grows(place: _Place, volumes: _Listed, whose: str) -> Iterator[Finding]:
    growing = [index for index, volume in volumes if volume.get("grow") in (True, "true")]
    for index in growing[1:]:
        yield (*place, index, "grow"), f"in {whose} something else grows already: one can"


def _all(place: _Place, partitions: _Listed) -> Iterator[tuple[_Place, Mapping[str, Any]]]:
    for index, partition in partitions:
        here = (*place, "partitions", index)
        yield here, partition
        yield from _all(here, _listed(partition, "partitions"))


def _listed(parent: Mapping[str, Any], key: str) -> _Listed:
    value = parent.get(key)
    return [(i, entry) for i, entry in enumerate(value) if isinstance(entry, dict)] if isinstance(value, list) else []


def _number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _size(entry: Mapping[str, Any]) -> int:
    size = _number(entry.get("size"))
    return size if isinstance(size, int) else 0
