"""What the engine knows about a distribution."""

from dataclasses import dataclass
from typing import Literal

from ingot.build.distributions import architectures
from ingot.build.distributions.architectures import Architecture
from ingot.build.errors import BuildError

#: How a distribution's packages are kept, solved and installed: `ingot.build.families` has one class for each.
FamilyName = Literal["debian", "rpm"]
_PACKAGE_TYPES: dict[FamilyName, str] = {"debian": "application/x-debian-package", "rpm": "application/x-rpm"}


class UnknownDistributionError(BuildError):
    """The template names a distribution that Ingot cannot build."""


@dataclass(frozen=True)
class Profile:
    """A named selection of packages to start from."""

    name: str
    description: str
    packages: tuple[str, ...]


@dataclass(frozen=True)
class Suite:
    """A part of a distribution that is published by itself.

    `archive` is what a mirror is configured for (`debian`, `debian-security`). `name` is Debian's suite or the id
    of an RPM repository, which lies at `path` of the mirror.
    """

    archive: str
    name: str
    path: str = ""


@dataclass(frozen=True)
class Distribution:
    """A release of a distribution on one architecture.

    `name`, `version` and `arch` are the API's words (Debian, 12, x86_64). `boot_packages` are what every bootable
    machine needs, `container_packages` what a container with an init does, `application_packages` one without, which
    leaves `service_packages` out. `keyring` is the file of the keys that its packages or package lists are signed
    with, and `keyring_package` the package that brings it. `efi_directory` is where the distribution's signed boot
    loader looks for its configuration.
    """

    family: FamilyName
    name: str
    version: str
    arch: str
    codename: str
    release_date: str
    suites: tuple[Suite, ...]
    components: tuple[str, ...]
    keyring: str
    keyring_package: str
    boot_packages: tuple[str, ...]
    container_packages: tuple[str, ...]
    application_packages: tuple[str, ...]
    service_packages: tuple[str, ...]
    profiles: tuple[Profile, ...]
    efi_directory: str
    description: str = ""

    @property
    def architecture(self) -> Architecture:
        """The kind of processor that it is for."""
        return architectures.find(self.arch)

    @property
    def native_arch(self) -> str:
        """The distribution's own word for its architecture."""
        return self.architecture.debian if self.family == "debian" else self.architecture.rpm

    @property
    def package_type(self) -> str:
        """The media type of its packages."""
        return _PACKAGE_TYPES[self.family]

    def profile(self, name: str) -> Profile:
        """The profile of that name; raises UnknownDistributionError, which lists what there is."""
        for profile in self.profiles:
            if profile.name.lower() == name.lower():
                return profile
        known = ", ".join(profile.name for profile in self.profiles)
        raise UnknownDistributionError(f"{self.name} {self.version} has no profile {name}. Known are: {known}.")
