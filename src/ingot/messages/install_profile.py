"""How a machine is set up: users, network, disks."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ingot.messages.access import SSHKey
from ingot.messages.base import Int, Items, Long, Nillable, UForgeObject, UForgeObjects
from ingot.messages.partition_table import PartitionTable

NicIpv4Method = Literal["AUTOMATIC", "MANUAL", "DISABLED"]
NicIpv6Method = Literal["AUTOMATIC", "MANUAL", "IGNORE"]
NicType = Literal["ETHERNET"]
InstallProfileKeyboard = Literal[
    "ar-azerty",
    "ar-azerty-digits",
    "ar-digits",
    "ar-qwerty",
    "ar-qwerty-digits",
    "be-latin1",
    "ben",
    "ben-probhat",
    "bg-bds-utf8",
    "bg-pho-utf8",
    "br-abnt2",
    "cf",
    "croat",
    "cz-lat2",
    "cz-us-qwertz",
    "de",
    "de-latin1",
    "de-latin1-nodeadkeys",
    "dev",
    "dk",
    "dk-latin1",
    "dvorak",
    "es",
    "et",
    "fi",
    "fi-latin1",
    "fr",
    "fr-ch",
    "fr-ch-latin1",
    "fr-latin1",
    "fr-latin9",
    "fr-pc",
    "gr",
    "guj",
    "gur",
    "hu",
    "hu101",
    "ie",
    "is-latin1",
    "it",
    "it-ibm",
    "it2",
    "jp106",
    "ko",
    "la-latin1",
    "mk-utf",
    "nl",
    "no",
    "pl2",
    "pt-latin1",
    "ro",
    "ro-cedilla",
    "ro-std",
    "ro-std-cedilla",
    "ru",
    "sg",
    "sg-latin1",
    "sk-qwerty",
    "sloven",
    "sr-cy",
    "sr-latin1",
    "sv-latin1",
    "tj",
    "tml-inscript",
    "tml-uni",
    "trq",
    "ua-utf",
    "uk",
    "us",
    "us-acentos",
]
SeLinuxMode = Literal["disabled", "permissive", "enforcing"]


class OSUser(UForgeObject):
    """A user of the machine; `sudo` is 0 none, 1 with password, 2 without."""

    ELEMENT: ClassVar[str | None] = "osUser"

    disable_password_login: bool | None = None
    encrypted: bool | None = None
    full_name: str | None = None
    home_dir: str | None = None
    name: str | None = None
    password: str | None = None
    password_auto: bool | None = None
    primary_group: str | None = None
    primary_group_auto: bool | None = None
    secondary_groups: str | None = None
    shell: str | None = None
    ssh_keys: Annotated[list[SSHKey] | None, Items("sshKey")] = None
    sudo: Int | None = None
    system_user: bool | None = None
    uri: str | None = None
    user_id: str | None = None
    user_id_auto: bool | None = None


class OSUsers(UForgeObjects):
    """The users of a machine."""

    ELEMENT: ClassVar[str | None] = "osUsers"

    os_users: Annotated[list[OSUser], Items("osUser")] = Field(default_factory=list)


class OSGroup(UForgeObject):
    """A group of the machine."""

    ELEMENT: ClassVar[str | None] = "osGroup"

    group_id: str | None = None
    group_id_auto: bool | None = None
    name: str | None = None
    sudo: Int | None = None
    system_group: bool | None = None
    uri: str | None = None
    password: str | None = None
    encrypted: bool | None = None


class OSGroups(UForgeObjects):
    """The groups of a machine."""

    ELEMENT: ClassVar[str | None] = "osGroups"

    os_groups: Annotated[list[OSGroup], Items("osGroup")] = Field(default_factory=list)


class IPAddress(UForgeObject):
    """An address of a network interface; `type` is 4 or 6."""

    ELEMENT: ClassVar[str | None] = "ipAddress"

    address: str | None = None
    gateway: str | None = None
    netmask: str | None = None
    parent_uri: str | None = None
    type: Int
    uri: str | None = None


class Nic(UForgeObject):
    """A network interface."""

    ELEMENT: ClassVar[str | None] = "nic"

    auto_connect: bool | None = None
    ip_addresses: Annotated[list[IPAddress] | None, Items("ipAddress")] = None
    ipv4_method: NicIpv4Method | None = None
    ipv6_method: NicIpv6Method | None = None
    name: str | None = None
    parent_uri: str | None = None
    type: NicType | None = None
    order: Annotated[Int | None, Nillable()] = None
    uri: str | None = None


class Nics(UForgeObjects):
    """The network interfaces of a machine."""

    ELEMENT: ClassVar[str | None] = "nics"

    nics: Annotated[list[Nic], Items("nic")] = Field(default_factory=list)


class InstallProfile(UForgeObject):
    """How a machine is set up. Disk, swap and memory sizes are MB."""

    ELEMENT: ClassVar[str | None] = "installProfile"

    activation_key: str | None = None
    appliance_uri: str | None = None
    disk_size: Long | None = None
    firewall_auto: bool | None = None
    firewall_enabled: bool | None = None
    groups: Annotated[list[OSGroup] | None, Items("group")] = None
    groups_uri: str | None = None
    hw_type: str | None = None
    internet_settings_auto: bool | None = None
    kernel_parameters: str | None = None
    keyboard: InstallProfileKeyboard | None = None
    keyboard_auto: bool | None = None
    memory_size: Long | None = None
    nics: Annotated[list[Nic] | None, Items("nic")] = None
    nics_uri: str | None = None
    partition_auto: bool | None = None
    partition_table: PartitionTable | None = None
    root_user: OSUser | None = None
    run_sysprep: bool | None = None
    skip_licenses: bool | None = None
    swap_size: Long | None = None
    timezone: str | None = None
    timezone_auto: bool | None = None
    timezone_city: str | None = None
    update_tools: bool | None = None
    uri: str | None = None
    users: Annotated[list[OSUser] | None, Items("user")] = None
    users_uri: str | None = None
    vagrant_user: str | None = None
    welcome_msg: str | None = None
    se_linux_mode: SeLinuxMode | None = None


class Route(UForgeObject):
    """A route of a machine."""

    ELEMENT: ClassVar[str | None] = "route"

    address: str | None = None
    gateway: str | None = None
    metric: Int
    netmask: str | None = None
    parent_uri: str | None = None
    type: Int
    uri: str | None = None
