"""How the engine works with a family of distributions: one class for each kind of packages."""

from pathlib import Path

from ingot.build.distributions import Distribution
from ingot.build.distributions.base import FamilyName
from ingot.build.families.base import BootLoader, Family, Kernel
from ingot.build.families.debian import DebianFamily
from ingot.build.families.rpm import RpmFamily
from ingot.build.packages.repository import Repository

__all__ = ["FAMILIES", "BootLoader", "Family", "Kernel", "family_of", "repository_of"]

FAMILIES: dict[FamilyName, Family] = {"debian": DebianFamily(), "rpm": RpmFamily()}


def family_of(distribution: Distribution) -> Family:
    """How this distribution's packages are installed and its machines are set up."""
    return FAMILIES[distribution.family]


def repository_of(distribution: Distribution, cache: Path) -> Repository:
    """The packages of a distribution, as its own tools see them; raises BuildError where no mirror is known."""
    return family_of(distribution).repository(distribution, cache)
