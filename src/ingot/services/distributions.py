"""Distributions as administrators offer them: to all, to single users, with profiles of their own."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ingot.build.distributions import UnknownDistributionError, find_distribution, known_distributions
from ingot.services import appliances
from ingot.services.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from ingot.store.base import now
from ingot.store.tables import Distribution, DistributionProfile, OsProfile, Package

_MOST_PACKAGES = 5000


def find(session: Session, distribution_id: int) -> Distribution:
    """A distribution by its id."""
    row = session.get(Distribution, distribution_id)
    if row is None:
        raise NotFoundError(f"There is no distribution {distribution_id}.", message_id="ERROR.DISTRIBUTION.NOT_FOUND")
    return row


def create(session: Session, name: str, version: str, arch: str, *, active: bool) -> Distribution:
    """Offer a distribution that the engine can build."""
    try:
        known = find_distribution(name, version, arch)
    except UnknownDistributionError as error:
        raise InvalidError(error.message, name, version, arch, message_id="ERROR.DISTRIBUTION.UNKNOWN") from error
    query = select(Distribution.id).where(
        Distribution.name == known.name, Distribution.version == known.version, Distribution.arch == known.arch
    )
    there = session.scalar(query)
    if there is not None:
        raise ConflictError(
            f"{known.name} {known.version} {known.arch} is there already, as distribution {there}: activate that one.",
            str(there),
        )
    row = Distribution(
        name=known.name,
        version=known.version,
        arch=known.arch,
        description=known.description,
        package_type=known.package_type,
        active=active,
        profiles=[
            DistributionProfile(name=one.name, description=one.description, package_names=sorted(one.packages))
            for one in known.profiles
        ],
    )
    session.add(row)
    session.flush()
    return row


def update(session: Session, row: Distribution, *, description: str | None, active: bool | None) -> None:
    """Change what is given."""
    if description is not None:
        row.description = description
    if active is not None:
        row.active = active
    session.flush()


def is_provided(row: DistributionProfile, distribution: Distribution) -> bool:
    """Whether a profile is the engine's own, which nobody changes."""
    for known in known_distributions():
        if (known.name, known.version, known.arch) == (distribution.name, distribution.version, distribution.arch):
            return row.name in {profile.name for profile in known.profiles}
    return False


def create_profile(
    session: Session,
    distribution: Distribution,
    *,
    name: str | None,
    description: str | None,
    based_on: int | None,
    package_ids: Sequence[int] | None,
) -> DistributionProfile:
    """Add a profile: packages of the distribution, or those of the profile that it is based on, or both."""
    checked = _free_name(session, distribution, name, None)
    names = set(_names(session, distribution, package_ids or []))
    if based_on is not None:
        names |= set(find_profile(session, distribution, based_on).package_names)
    if not names:
        raise InvalidError(f"The profile {checked} has no packages: name some, or base it on another (basedOn).")
    row = DistributionProfile(name=checked, description=description or "", package_names=sorted(names))
    distribution.profiles.append(row)
    session.flush()
    return row


def update_profile(
    session: Session,
    distribution: Distribution,
    row: DistributionProfile,
    *,
    name: str | None,
    description: str | None,
    package_ids: Sequence[int] | None,
) -> None:
    """Change what is given; appliances with the profile get its packages when they are generated next."""
    _refuse_provided(row, distribution)
    if name is not None:
        row.name = _free_name(session, distribution, name, row)
    if description is not None:
        row.description = description
    if package_ids:
        row.package_names = sorted(set(_names(session, distribution, package_ids)))
    row.last_modified = now()
    session.flush()


def delete_profile(session: Session, distribution: Distribution, row: DistributionProfile) -> None:
    """Remove a profile that no appliance has."""
    _refuse_provided(row, distribution)
    count = session.scalar(select(func.count()).select_from(OsProfile).where(OsProfile.profile_id == row.id)) or 0
    if count:
        raise ConflictError(f"The profile {row.name} cannot be deleted: {count} appliance(s) have it.", row.name)
    distribution.profiles.remove(row)
    session.delete(row)
    session.flush()


def find_profile(session: Session, distribution: Distribution, profile_id: int) -> DistributionProfile:
    """A profile of a distribution."""
    row = session.get(DistributionProfile, profile_id)
    if row is None or row.distribution_id != distribution.id:
        raise NotFoundError(f"{distribution.description} has no profile {profile_id}.")
    return row


def _refuse_provided(row: DistributionProfile, distribution: Distribution) -> None:
    if is_provided(row, distribution):
        raise ForbiddenError(
            f"The profile {row.name} comes with {distribution.description}: it cannot be changed or deleted. "
            f"Make one of your own that is based on it (basedOn={row.id}).",
            row.name,
        )


def _free_name(session: Session, distribution: Distribution, name: str | None, own: DistributionProfile | None) -> str:
    checked = appliances.checked_text("name of a profile", name)
    for profile in distribution.profiles:
        if profile is not own and profile.name.lower() == checked.lower():
            raise ConflictError(f"{distribution.description} has a profile {profile.name} already.", checked)
    return checked


def _names(session: Session, distribution: Distribution, ids: Sequence[int]) -> list[str]:
    if len(ids) > _MOST_PACKAGES:
        raise InvalidError(f"{len(ids)} packages are too many for a profile: at most {_MOST_PACKAGES} are possible.")
    query = select(Package.id, Package.name).where(Package.distribution_id == distribution.id, Package.id.in_(ids))
    found = {row.id: row.name for row in session.execute(query)}
    unknown = [str(package_id) for package_id in ids if package_id not in found]
    if unknown:
        raise InvalidError(
            f"There are no packages {', '.join(unknown[:20])} in {distribution.description}.",
            message_id="ERROR.PACKAGE.NOT_FOUND",
        )
    return list(found.values())
