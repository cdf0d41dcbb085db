"""The distributions that Ingot can build: one module per vendor, one table entry per release and architecture."""

from ingot.build.distributions import debian
from ingot.build.distributions.architectures import canonical
from ingot.build.distributions.base import Distribution, Profile, Suite, UnknownDistributionError

DISTRIBUTIONS: tuple[Distribution, ...] = debian.RELEASES

__all__ = [
    "DISTRIBUTIONS",
    "Distribution",
    "Profile",
    "Suite",
    "UnknownDistributionError",
    "canonical",
    "find_distribution",
]


def find_distribution(name: str, version: str, arch: str) -> Distribution:
    """The distribution a template names; raises UnknownDistributionError, which lists what there is."""
    for distribution in DISTRIBUTIONS:
        if (distribution.name.lower(), distribution.version, distribution.arch) == (
            name.lower(),
            version,
            canonical(arch),
        ):
            return distribution
    known = ", ".join(f"{d.name} {d.version} {d.arch}" for d in DISTRIBUTIONS)
    raise UnknownDistributionError(f"There is no distribution {name} {version} {arch}. Known are: {known}.")
