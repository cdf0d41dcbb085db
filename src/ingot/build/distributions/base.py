"""What the engine knows about a distribution."""

from dataclasses import dataclass

from ingot.build.errors import BuildError


class UnknownDistributionError(BuildError):
    """The template names a distribution that Ingot cannot build."""


@dataclass(frozen=True)
class Profile:
    """A named selection of packages to start from."""

    name: str
    description: str
    packages: tuple[str, ...]


@dataclass(frozen=True)
class Distribution:
    """A release of a distribution on one architecture.

    `name`, `version` and `arch` are the API's words (Debian, 12, x86_64); `codename` and `native_arch` the
    distribution's own (bookworm, amd64). `boot_packages` are what every bootable machine needs.
    """

    name: str
    version: str
    arch: str
    codename: str
    native_arch: str
    package_type: str
    release_date: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    boot_packages: tuple[str, ...]
    profiles: tuple[Profile, ...]
    description: str = ""

    def profile(self, name: str) -> Profile:
        """The profile of that name; raises UnknownDistributionError, which lists what there is."""
        for profile in self.profiles:
            if profile.name.lower() == name.lower():
                return profile
        known = ", ".join(profile.name for profile in self.profiles)
        raise UnknownDistributionError(f"{self.name} {self.version} has no profile {name}. Known are: {known}.")
