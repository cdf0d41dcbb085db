"""OS profiles: which packages of its distribution an appliance has."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ingot.build.packages.repository import join_version
from ingot.services import appliances
from ingot.services.errors import ConflictError, InvalidError, NotFoundError
from ingot.store.tables import Appliance, Distribution, DistributionProfile, OsProfile, OsProfilePackage, Package

#: Packages of one appliance; how many unknown ones are looked up for near matches; among how many names; up to
#: which length.
_MOST = 5000
_NAMED = 20
_LOOKED_AT = 3000
_LONGEST_NAME = 100


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

    Raises InvalidError that names all packages and pinned versions that do not exist, with what comes near.
    """
    profile = appliance.os_profile
    if profile is None:
        raise ConflictError(f"Appliance {appliance.name} has no OS profile yet: create one first.")
    if len(wanted) > _MOST:
        raise InvalidError(f"{len(wanted)} packages are too many: at most {_MOST} are possible.")
    _refuse_unknown(session, appliance.distribution, wanted)
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
        raise InvalidError(
            f"There are no packages {', '.join(unknown[:_NAMED])} in {appliance.distribution.description}.",
            message_id="ERROR.PACKAGE.NOT_FOUND",
        )
    return [found[package_id] for package_id in ids]


def refuse_standard(profile: OsProfile, names: Sequence[str]) -> None:
    """Refuse to take packages away that belong to the standard profile underneath."""
    standard = sorted(set(names).intersection(profile.profile.package_names))
    if standard:
        raise InvalidError(
            f"{', '.join(standard)} cannot be removed: the profile {profile.profile.name} consists of it. Only "
            "packages that were added can be removed.",
            *standard,
        )


def _refuse_unknown(session: Session, distribution: Distribution, wanted: Sequence[WantedPackage]) -> None:
    if distribution.packages_refreshed is None:
        return  # The index is still being filled; the generation checks again, with the solver.
    query = select(Package.name, Package.full_version, Package.arch).where(
        Package.distribution_id == distribution.id, Package.active, Package.name.in_({one.name for one in wanted})
    )
    versions: dict[str, list[str]] = {}
    for name, full_version, _arch in session.execute(query):
        versions.setdefault(name, []).append(full_version)
    missing = sorted({one.name for one in wanted if one.name not in versions})
    problems = [*_missing(session, distribution, missing), *_pinned_in_vain(wanted, versions)]
    if problems:
        raise InvalidError(
            f"{len(problems)} package(s) do not exist in {distribution.description}: {'; '.join(problems)}.",
            *missing[:_NAMED],
            message_id="ERROR.PACKAGE.NOT_FOUND",
        )


def _missing(session: Session, distribution: Distribution, names: Sequence[str]) -> Iterator[str]:
    """The names that do not exist, the first ones with near matches: to look for those of all would take long."""
    for position, name in enumerate(names):
        near = _near(session, distribution, name) if position < _NAMED else []
        yield f"{name[:80]} (did you mean {', '.join(near)}?)" if near else name[:80]


def _near(session: Session, distribution: Distribution, name: str) -> list[str]:
    """Names that are like this one: of the same beginning, or with it inside."""
    if len(name) > _LONGEST_NAME:
        return []
    of_distribution = (Package.distribution_id == distribution.id, Package.active)
    for beginning in (name[:4], name[:2]):
        alike = Package.name.startswith(beginning, autoescape=True)
        similar = session.scalars(select(Package.name).where(*of_distribution, alike).distinct().limit(_LOOKED_AT))
        if near := difflib.get_close_matches(name, list(similar), n=3, cutoff=0.7):
            return near
    inside = select(Package.name).where(*of_distribution, Package.name.contains(name, autoescape=True))
    return list(
        session.scalars(inside.group_by(Package.name).order_by(func.length(Package.name), Package.name).limit(3))
    )


def _pinned_in_vain(wanted: Sequence[WantedPackage], versions: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for one in wanted:
        known = versions.get(one.name)
        if known is None or one.version is None:
            continue
        exact = join_version(one.epoch, one.version, one.release or "")
        if exact not in known:
            yield f"{one.name} {exact[:80]} (there is {', '.join(sorted(set(known))[-3:])})"
