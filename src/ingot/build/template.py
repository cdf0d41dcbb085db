"""The appliance template: the `stack` section of the template files that people keep in Git.

Sizes are MB throughout, as in the files themselves. Field names are the files' own (camelCase aliases);
Passwords may be clear text in a file and are hashed before they enter a manifest.
"""

import contextlib
import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from ingot.build.distributions.architectures import canonical


def _text(value: object) -> object:
    """YAML reads an unquoted version such as 12 or 1.0 as a number; the files mean text."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


#: {how some files call a file system: its name}
_FILE_SYSTEMS = {"swap": "linux-swap", "vfat": "fat32", "fat": "fat32", "unformated": "unformatted", "lvm": "lvm2"}


def file_system_name(value: object) -> object:
    """The one name of a file system that files call this way or that."""
    return _FILE_SYSTEMS.get(value.lower(), value.lower()) if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_text)]
MountPoint = Annotated[Text | None, BeforeValidator(lambda value: None if value in ("", "swap", "none") else value)]
FileSystemName = Annotated[Text, BeforeValidator(file_system_name)]
Megabytes = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    """A part of a template: unknown keys are mistakes, not extensions."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Package(Section):
    """A package asked for by name; `version` (with `release` and `epoch` where it has them) pins it."""

    name: Text = Field(min_length=1)
    version: Text | None = None
    release: Text | None = None
    epoch: int | None = None
    arch: Text | None = None


#: How template files have been seen to write a time, beside ISO 8601.
_TIMES = ("%m-%d-%Y", "%m-%d-%Y %H:%M:%S %Z", "%Y-%m-%d %H:%M %Z", "%Y-%m-%d %H:%M:%S %Z")


def _time(value: object) -> object:
    """A time in UTC; a date alone is its midnight."""
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day)
    for form in _TIMES if isinstance(value, str) else ():
        with contextlib.suppress(ValueError):
            value = dt.datetime.strptime(str(value).strip(), form)
    return value


def _utc(value: dt.datetime) -> dt.datetime:
    return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


Time = Annotated[dt.datetime, BeforeValidator(_time), AfterValidator(_utc)]


class OperatingSystem(Section):
    """Which distribution to build and which of its packages: `profile` names the base selection, which consists of
    `profilePackages` where it is not one of the distribution's own."""

    name: Text
    version: Text
    arch: Annotated[Text, BeforeValidator(canonical)] = "x86_64"
    profile: Text = "Minimal"
    profile_packages: tuple[Text, ...] | None = None
    pkgs: tuple[Package, ...] = ()
    update_to: Time | None = Field(default=None, description="Newest package versions at or before this time.")


class SshKey(Section):
    """A public key that may log in."""

    name: Text
    public_key: Text


class RootUser(Section):
    """How root logs in. Without a password root has none and password login is locked."""

    password: Text | None = Field(default=None, repr=False)
    encrypted: bool = False
    disable_password_login: bool = False
    ssh_keys: tuple[SshKey, ...] = ()
    set_password: bool | None = None


class User(Section):
    """A user account. `sudo`: 0 none, 1 with the user's password, 2 without."""

    name: Text
    full_name: Text = ""
    home_dir: Text | None = None
    shell: Text | None = None
    password: Text | None = Field(default=None, repr=False)
    encrypted: bool = False
    disable_password_login: bool = False
    primary_group: Text | None = None
    secondary_groups: Text | None = Field(default=None, description="Names, separated by commas.")
    system_user: bool = False
    user_id: int | None = Field(default=None, ge=1, le=60000)
    sudo: Literal[0, 1, 2] = 0
    ssh_keys: tuple[SshKey, ...] = ()


class Group(Section):
    """A group. Without an id the distribution's own rule chooses one."""

    name: Text
    system_group: bool = False
    group_id: int | None = Field(default=None, ge=1, le=60000)
    sudo: Literal[0, 1, 2] = 0


class IpAddress(Section):
    """A static address of a network interface."""

    version: Literal[4, 6] = 4
    address: Text
    netmask: Text | None = Field(default=None, description="A mask (255.255.255.0) or a prefix length (24).")
    gateway: Text | None = None


class Nic(Section):
    """A network interface, in the order the machine finds them."""

    name: Text = ""
    type: Annotated[Literal["ETHERNET"], BeforeValidator(_upper)] = "ETHERNET"
    order: int | None = None
    auto_connect: bool = True
    ipv4: Annotated[Literal["dhcp", "static", "disabled"], BeforeValidator(_lower)] = "dhcp"
    ipv6: Annotated[Literal["dhcp", "static", "disabled"], BeforeValidator(_lower)] = "dhcp"
    ip_addresses: tuple[IpAddress, ...] = ()


class Partition(Section):
    """A partition. Without a mount point only for linux-swap, lvm2, Extended and unformatted ones."""

    number: int = Field(ge=1)
    fstype: FileSystemName
    size: Megabytes
    mount_point: MountPoint = None
    grow: bool = False
    label: Text | None = None
    partitions: "tuple[Partition, ...]" = ()


class Disk(Section):
    """A disk: `type` is msdos, gpt, or lvm, which makes the whole disk a physical volume. All tables are made GPT."""

    name: Text
    type: Annotated[Text, BeforeValidator(_lower)] = "msdos"
    size: Megabytes
    partitions: tuple[Partition, ...] = ()


class PhysicalVolume(Section):
    """A partition or disk that belongs to a volume group."""

    name: Text


class VolumeGroup(Section):
    """An LVM volume group over partitions (`sda5`) or whole disks (`sdb`)."""

    name: Text
    physical_volumes: tuple[
        Annotated[PhysicalVolume, BeforeValidator(lambda v: {"name": v} if isinstance(v, str) else v)], ...
    ]


class LogicalVolume(Section):
    """An LVM logical volume."""

    name: Text
    vg_name: Text = Field(alias="vg_name")
    fstype: FileSystemName
    size: Megabytes
    mount_point: MountPoint = None
    grow: bool = False
    label: Text | None = None


class Partitioning(Section):
    """Advanced partitioning: it replaces `diskSize` and `swapSize`."""

    disks: tuple[Disk, ...]
    volume_groups: tuple[VolumeGroup, ...] = ()
    logical_volumes: tuple[LogicalVolume, ...] = ()

    def volumes(self) -> "list[Partition | LogicalVolume]":
        """What a file system may be in: partitions, each before those inside it, and logical volumes."""
        outer = [partition for disk in self.disks for partition in disk.partitions]
        partitions = [inner for partition in outer for inner in (partition, *partition.partitions)]
        return [*partitions, *self.logical_volumes]


class Installation(Section):
    """How the machine is set up. Everything absent has a default that asks nobody anything."""

    hostname: Text | None = None
    disk_size: Megabytes | None = Field(default=None, description="MB; absent: as small as the content allows.")
    swap_size: Megabytes = 0
    display_licenses: bool = True
    internet_settings: Annotated[Literal["basic", "dhcp", "ask", "configure"], BeforeValidator(_lower)] = "basic"
    nics: tuple[Nic, ...] = ()
    kernel_params: tuple[Text, ...] = ()
    keyboard: Text | None = None
    timezone: Text | None = None
    welcome_message: Text | None = None
    firewall: bool | None = Field(default=None, description="On: only SSH and ping come in; off or absent: no rules.")
    se_linux_mode: Annotated[Literal["disabled", "permissive", "enforcing"] | None, BeforeValidator(_lower)] = None
    root_user: RootUser = RootUser()
    users: tuple[User, ...] = ()
    groups: tuple[Group, ...] = ()
    partitioning: Partitioning | None = None


class BootScript(Section):
    """A script that the machine runs as root at its first or at every boot, by order, then name."""

    name: Text
    source: Text = Field(description="File name below the directory given with the build.")
    type: Literal["bootscript"] = "bootscript"
    frequency: Annotated[Literal["firstboot", "everyboot"], BeforeValidator(_lower)]
    order: int = Field(default=0, ge=0)


class License(Section):
    """The licence of a bundle: it is kept in the machine, and shown at its first boot with `displayLicenses`."""

    name: Text
    source: Text


class BundleFile(Section):
    """Something of a bundle. `tag`: a `softwarefile` (a file, a directory, an archive, a package file), a package of
    the distribution (`ospkg`, by its name), or a `bootscript`.

    `source` is a file or directory beside the template, or an http(s) address. `destination` is the directory it gets
    into; `extract` unpacks an archive there; a .deb is installed unless `install` says no. `symlink` is the place of a
    link to it. Of a directory, `files` are what to take with other rights, or from elsewhere; without it, all.
    """

    name: Text = Field(min_length=1)
    source: Text | None = None
    tag: Annotated[Literal["softwarefile", "ospkg", "bootscript"], BeforeValidator(_lower)] = "softwarefile"
    destination: Text | None = None
    rights: Text | None = Field(default=None, pattern=r"[0-7]{3,4}", description="Octal, 755 without it.")
    owner_group: Text = "root:root"
    symlink: Text | None = None
    extract: bool = False
    install: bool = True
    params: Text | None = None
    boot_order: int = Field(default=0, ge=0)
    boot_type: Annotated[Literal["firstboot", "everyboot"], BeforeValidator(_lower)] = "firstboot"
    md5sum: Text | None = None
    sha256sum: Text | None = None
    files: "tuple[BundleFile, ...]" = ()


class Bundle(Section):
    """Software of one's own. `destination` is where files go that name no place of their own; `restrictionRule` says
    for which distributions and formats it is meant (`Distribution#name=Debian && TargetFormat#type=virtual`).
    """

    name: Text = Field(min_length=1)
    version: Text = Field(min_length=1)
    description: Text = ""
    maintainer: Text = ""
    website: Text = ""
    category: Text = ""
    short_tag: Text = ""
    destination: Text | None = None
    restriction_rule: Text = ""
    license: License | None = None
    source_logo: Text | None = Field(default=None, alias="source_logo")
    oses: tuple[dict[str, Text], ...] = ()
    files: tuple[BundleFile, ...]


#: What only people read of a bundle.
_NOT_CANONICAL = {"description", "maintainer", "website", "category", "short_tag", "source_logo"}
_ONLY_FOR_PEOPLE: Any = {"description": True, "source_logo": True, "bundles": {"__all__": _NOT_CANONICAL}}


class Template(Section):
    """An appliance template, complete: what `ingot build` takes and the server hands to its engine."""

    name: Text = Field(min_length=1)
    version: Text = Field(min_length=1)
    description: Text = ""
    source_logo: Text | None = Field(default=None, alias="source_logo", description="A picture, for people.")
    os: OperatingSystem
    installation: Installation = Installation()
    bundles: tuple[Bundle, ...] = ()
    config: tuple[BootScript, ...] = ()

    def canonical(self) -> dict[str, Any]:
        """The template as plain values in a stable form, without what is only meant for people."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=_ONLY_FOR_PEOPLE)
