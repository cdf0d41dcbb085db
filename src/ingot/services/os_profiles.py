"""OS profiles: which packages of its distribution an appliance has."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.services import appliances
from ingot.services.errors import ConflictError, InvalidError, NotFoundError
from ingot.store.tables import Appliance, DistributionProfile, OsProfile, OsProfilePackage, Package


@dataclass(frozen=True)
class WantedPackage:
    """A package to be in an OS profile; with a version it is pinned."""

    name: str
    epoch: int | None = None
    version: str | None = None
    release: str | None = None
    arch: str | None = None

    @property
    def sticky(self) -> bool:
        """Whether the version is pinned."""
        return self.version is not None


def find(appliance: Appliance, profile_id: int) -> OsProfile:
    """The OS profile of an appliance, by the id that its address has."""
    profile = appliance.os_profile
    if profile is None or profile.id != profile_id:
        raise NotFoundError(
            f"Appliance {appliance.name} has no OS profile {profile_id}.", message_id="ERROR.OSPROFILE.NOT_FOUND"
        )
    return profile


def create(session: Session, appliance: Appliance, standard_profile_id: int) -> OsProfile:
    """Give an appliance its OS profile from one of its distribution's profiles; one before is replaced."""
    standard = session.get(DistributionProfile, standard_profile_id)
    if standard is None or standard.distribution_id != appliance.distribution_id:
        names = ", ".join(f"{profile.name} ({profile.id})" for profile in appliance.distribution.profiles)
        raise InvalidError(
            f"{appliance.distribution.name} {appliance.distribution.version} has no profile {standard_profile_id}. "
            f"It has: {names}.",
            message_id="ERROR.OSPROFILE.UNKNOWN",
        )
    if appliance.os_profile is not None:
        appliance.os_profile = None
        session.flush()
    appliance.os_profile = OsProfile(profile=standard, packages=[])
    appliances.touch(appliance)
    session.flush()
    return appliance.os_profile


def remove(session: Session, appliance: Appliance) -> None:
    """Take the OS profile from an appliance."""
    appliance.os_profile = None
    appliances.touch(appliance)
    session.flush()


def set_packages(session: Session, appliance: Appliance, wanted: Sequence[WantedPackage]) -> None:
    """Replace the packages that an appliance asks for; what its standard profile has is in it anyway.

    Raises InvalidError that names all packages that do not exist, with near matches.
    """
    profile = appliance.os_profile
    if profile is None:
        raise ConflictError(f"Appliance {appliance.name} has no OS profile yet: create one first.")
    _refuse_unknown(session, appliance, wanted)
    standard = set(profile.profile.package_names)
    by_name = {package.name: package for package in wanted if package.name not in standard or package.sticky}
    kept = {package.name: package for package in profile.packages if package.name in by_name}
    for name, package in by_name.items():
        row = kept.setdefault(name, OsProfilePackage(name=name))
        row.epoch, row.version, row.release = package.epoch, package.version, package.release
        row.arch, row.sticky = package.arch, package.sticky
    profile.packages = [kept[name] for name in sorted(kept)]
    appliances.touch(appliance)
    session.flush()


def packages_by_id(session: Session, appliance: Appliance, ids: Sequence[int]) -> list[Package]:
    """Packages of the appliance's distribution by their ids; unknown ids are refused together."""
    query = select(Package).where(Package.id.in_(ids), Package.distribution_id == appliance.distribution_id)
    found = {package.id: package for package in session.scalars(query)}
    unknown = [str(package_id) for package_id in ids if package_id not in found]
    if unknown:
        raise InvalidError(f"There are no packages {', '.join(unknown)} in {appliance.distribution.description}.")
    return [found[package_id] for package_id in ids]


def _refuse_unknown(session: Session, appliance: Appliance, wanted: Sequence[WantedPackage]) -> None:
    distribution = appliance.distribution
    if distribution.packages_refreshed is None:
        return  # The index is still being filled; the generation checks again, with the solver.
    names = {package.name for package in wanted}
    query = select(Package.name).where(
        Package.distribution_id == distribution.id, Package.active, Package.name.in_(names)
    )
    missing = sorted(names - set(session.scalars(query)))
    if not missing:
        return
    problems = []
    for name in missing:
        similar = session.scalars(
            select(Package.name)
            .where(Package.distribution_id == distribution.id, Package.active, Package.name.like(f"{name[:2]}%"))
            .distinct()
        )
        near = difflib.get_close_matches(name, list(similar), n=3)
        problems.append(f"{name} (did you mean {', '.join(near)}?)" if near else name)
    raise InvalidError(
        f"{len(missing)} package(s) do not exist in {distribution.description}: {'; '.join(problems)}.",
        *missing,
        message_id="ERROR.PACKAGE.NOT_FOUND",
    )
