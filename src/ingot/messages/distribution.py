"""Distributions and their profiles."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ingot.messages.base import DateTime, Items, Long, UForgeObject, UForgeObjects, UriList
from ingot.messages.common import Company, License
from ingot.messages.partition_table import PartitionTable
from ingot.messages.target import ImageFormat, TargetFormat

WindowsProfileEdition = Literal["DATACENTER", "STANDARD", "ENTERPRISE", "WEBSERVER", "UNKNOWN"]
WindowsProfileType = Literal["FULL", "CORE", "UNKNOWN"]
#: The last one is no word of the original's: its clients refuse documents that have it.
DistributionArch = Literal["i386", "i586", "i686", "noarch", "x86_64", "aarch64"]
DistributionFamily = Literal["linux", "unix", "windows"]
DistributionName = Literal[
    "CentOS",
    "Debian",
    "Fedora Core",
    "OpenSUSE",
    "Oracle Linux",
    "RedHat Enterprise Linux",
    "Scientific Linux",
    "SUSE Linux Enterprise Server",
    "Ubuntu",
    "Windows",
    "Fedora",  # no word of the original's either
]
#: What the original's clients do not know.
LATER_WORDS = frozenset({"aarch64", "Fedora"})


class DistribProfile(UForgeObject):
    """A named selection of a distribution's packages."""

    ELEMENT: ClassVar[str | None] = "distribProfile"
    ABSTRACT: ClassVar[bool] = True

    abbreviation: str | None = None
    active: bool | None = None
    appliance_uri: str | None = None
    arch: str | None = None
    description: str | None = None
    distribution_uri: str | None = None
    installed_size: Long | None = None
    name: str | None = None
    standard_profile_uri: str | None = None
    uri: str | None = None
    size: Long | None = None
    version: str | None = None


class DistribProfiles(UForgeObjects):
    """The profiles of a distribution."""

    ELEMENT: ClassVar[str | None] = "distribProfiles"

    distrib_profiles: Annotated[list[DistribProfile], Items("distribProfile")] = Field(default_factory=list)


class LinuxProfile(DistribProfile):
    """A profile of a Linux distribution."""

    ELEMENT: ClassVar[str | None] = "linuxProfile"

    distribution_packages_uri: str | None = None
    distribution_services_uri: str | None = None
    exclude_docs: bool | None = None
    packages_uri: str | None = None
    package_uris: UriList | None = None
    services_uri: str | None = None
    service_uris: UriList | None = None
    updates_uri: str | None = None


class WindowsProfile(DistribProfile):
    """A profile of a Windows distribution."""

    ELEMENT: ClassVar[str | None] = "windowsProfile"

    edition: WindowsProfileEdition | None = None
    imported_golden: bool | None = None
    partition_table: PartitionTable | None = None
    type: WindowsProfileType | None = None
    language: str | None = None
    services_uri: str | None = None
    applications_uri: str | None = None


class Distribution(UForgeObject):
    """An operating system release on one architecture."""

    ELEMENT: ClassVar[str | None] = "distribution"

    active: bool | None = None
    arch: DistributionArch | None = None
    base_milestones_uri: str | None = None
    base_pkgs_uri: str | None = None
    base_profiles_uri: str | None = None
    base_repositories_uri: str | None = None
    base_prohibited_formats_uri: str | None = None
    base_prohibited_target_formats_uri: str | None = None
    base_services_uri: str | None = None
    base_goldens_uri: str | None = None
    company: Company | None = None
    complete_profile_uri: str | None = None
    description: str | None = None
    family: DistributionFamily | None = None
    last_pkg_build_date: DateTime | None = None
    license: License | None = None
    milestone_uris: UriList | None = None
    name: DistributionName | None = None
    parent_uri: str | None = None
    pkg_type: str | None = None
    preselected: bool | None = None
    profiles: Annotated[list[DistribProfile] | None, Items("profile")] = None
    profile_uris: UriList | None = None
    prohibited_formats: Annotated[list[ImageFormat] | None, Items("prohibitedFormat")] = None
    prohibited_target_formats: Annotated[list[TargetFormat] | None, Items("prohibitedTargetFormat")] = None
    release_date: DateTime | None = None
    service_uris: UriList | None = None
    size: Long | None = None
    skeleton_size: Long | None = None
    uri: str | None = None
    version: str | None = None
    version_id: Long | None = None
    visible: bool | None = None
    welcome_msg: str | None = None


class Distributions(UForgeObjects):
    """Distributions."""

    ELEMENT: ClassVar[str | None] = "distributions"

    distributions: Annotated[list[Distribution], Items("distribution")] = Field(default_factory=list)


class LinuxProfiles(UForgeObjects):
    """Profiles of Linux distributions."""

    ELEMENT: ClassVar[str | None] = "linuxProfiles"

    linux_profiles: Annotated[list[LinuxProfile], Items("linuxProfile")] = Field(default_factory=list)


class WindowsProfiles(UForgeObjects):
    """Profiles of Windows."""

    ELEMENT: ClassVar[str | None] = "windowsProfiles"

    windows_profiles: Annotated[list[WindowsProfile], Items("windowsProfile")] = Field(default_factory=list)


class Milestone(UForgeObject):
    """A date in the life of a distribution, such as a minor release."""

    ELEMENT: ClassVar[str | None] = "milestone"

    date: DateTime | None = None
    description: str | None = None
    name: str | None = None
    source: str | None = None
    uri: str | None = None


class Milestones(UForgeObjects):
    """The dates in the life of a distribution."""

    ELEMENT: ClassVar[str | None] = "milestones"

    milestones: Annotated[list[Milestone], Items("milestone")] = Field(default_factory=list)


class Catalog(UForgeObject):
    """Distributions and formats that somebody can choose from."""

    ELEMENT: ClassVar[str | None] = "catalog"

    distributions: Annotated[list[Distribution] | None, Items("distribution")] = None
    formats: Annotated[list[ImageFormat] | None, Items("format")] = None
    uri: str | None = None
