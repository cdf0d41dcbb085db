"""The distributions that Ingot can build: one module per vendor, one table entry per release and architecture."""

import difflib

from ingot.build.distributions import debian, fedora, ubuntu
from ingot.build.distributions.architectures import canonical
from ingot.build.distributions.base import Distribution, Profile, Suite, UnknownDistributionError
from ingot.build.distributions.own import own_distributions

DISTRIBUTIONS: tuple[Distribution, ...] = (*debian.RELEASES, *ubuntu.RELEASES, *fedora.RELEASES)

__all__ = [
    "DISTRIBUTIONS",
    "Distribution",
    "Profile",
    "Suite",
    "UnknownDistributionError",
    "canonical",
    "find_distribution",
    "known_distributions",
]


def known_distributions() -> tuple[Distribution, ...]:
    """Ingot's own distributions, then those that the operator defines."""
    return (*DISTRIBUTIONS, *own_distributions())


def find_distribution(name: str, version: str, arch: str) -> Distribution:
    """The distribution a template names; raises UnknownDistributionError, which names what is near."""
    wanted = (name.lower(), version.lower(), canonical(arch))
    for distribution in known_distributions():
        if (distribution.name.lower(), distribution.version.lower(), distribution.arch) == wanted:
            return distribution
    names = {one.name.lower(): one.name for one in known_distributions()}
    near = difflib.get_close_matches(name.lower(), names, n=1)
    offered = [one for one in known_distributions() if not near or one.name == names[near[0]]]
    known = ", ".join(f"{one.name} {one.version} {one.arch}" for one in offered)
    raise UnknownDistributionError(f"There is no distribution {name} {version} {arch}. There are {known}.")
