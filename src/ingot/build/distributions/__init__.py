"""The distributions that Ingot can build: one module per family, one table entry per release."""

from ingot.build.distributions.base import Distribution, Profile, UnknownDistributionError
from ingot.build.distributions.debian import DEBIAN_12, DEBIAN_13

DISTRIBUTIONS: tuple[Distribution, ...] = (DEBIAN_12, DEBIAN_13)

__all__ = ["DISTRIBUTIONS", "Distribution", "Profile", "UnknownDistributionError", "find_distribution"]


def find_distribution(name: str, version: str, arch: str) -> Distribution:
    """The distribution a template names; raises UnknownDistributionError, which lists what there is."""
    for distribution in DISTRIBUTIONS:
        if (distribution.name.lower(), distribution.version, distribution.arch) == (
            name.lower(),
            version,
            arch,
        ):
            return distribution
    known = ", ".join(f"{d.name} {d.version} {d.arch}" for d in DISTRIBUTIONS)
    raise UnknownDistributionError(f"There is no distribution {name} {version} {arch}. Known are: {known}.")
