"""What moving an appliance's packages to another time would change."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.services import appliances
from ingot.services.errors import ConflictError, InvalidError
from ingot.services.package_index import version_key
from ingot.settings import Settings
from ingot.store.base import now
from ingot.store.tables import Appliance, OsProfile, Package

_BATCH = 500


@dataclass(frozen=True)
class Change:
    """A package that gets another version."""

    before: Package
    after: Package


def available(session: Session, appliance: Appliance, start: dt.datetime, end: dt.datetime) -> list[Package]:
    """The newer versions of an appliance's packages that became known after `start` and until `end`, by time; of those
    that were not known at `start` at all, none."""
    found = []
    for versions in _histories(session, appliance, end):
        newest = _newest(versions, start)
        if newest is not None:
            newer = (one for one in versions if version_key(one.full_version) > version_key(newest.full_version))
            found += [one for one in newer if one.created > start]
    return sorted(found, key=lambda one: (one.created, one.name, one.arch))


def simulate(session: Session, appliance: Appliance, start: dt.datetime, end: dt.datetime) -> list[Change]:
    """What is another version at `end` than at `start`, by name: forward or back, with nothing in between."""
    changes = []
    for versions in _histories(session, appliance, max(start, end)):
        before, after = _newest(versions, start), _newest(versions, end)
        if before is not None and after is not None and before.id != after.id:
            changes.append(Change(before, after))
    return sorted(changes, key=lambda change: (change.after.name, change.after.arch))


def move(session: Session, appliance: Appliance, moment: dt.datetime, settings: Settings) -> None:
    """Choose an appliance's packages as they were at a moment from now on."""
    if appliance.os_profile is None:
        raise ConflictError(f"Appliance {appliance.name} has no OS profile yet: create one first.")
    if moment > now() + dt.timedelta(minutes=5):  # clocks differ
        raise InvalidError(f"The time {moment:%Y-%m-%d %H:%M} UTC lies in the future. Choose one until now.", "at")
    since = appliance.distribution.packages_since
    if since is not None and moment < since and not settings.archives:
        raise InvalidError(
            f"The time {moment:%Y-%m-%d %H:%M} UTC lies before the first snapshot: the packages of "
            f"{appliance.distribution.description} are known here since {since:%Y-%m-%d %H:%M} UTC.",
            "at",
            message_id="ERROR.TIME.UNKNOWN",
        )
    appliance.last_package_update = moment
    appliances.touch(appliance)
    session.flush()


def names_of(profile: OsProfile) -> list[str]:
    """The packages of an OS profile that follow the time: all but the pinned ones."""
    pinned = {package.name for package in profile.packages if package.sticky}
    names = {*profile.profile.package_names, *(package.name for package in profile.packages)}
    return sorted(names - pinned)


def _histories(session: Session, appliance: Appliance, end: dt.datetime) -> Iterator[list[Package]]:
    """All versions known until `end` of each package of an appliance that follows the time."""
    names = names_of(appliance.os_profile) if appliance.os_profile is not None else []
    for start in range(0, len(names), _BATCH):
        query = select(Package).where(
            Package.distribution_id == appliance.distribution_id,
            Package.name.in_(names[start : start + _BATCH]),
            Package.created <= end,
        )
        versions: dict[tuple[str, str], list[Package]] = {}
        for row in session.scalars(query.order_by(Package.created, Package.id)):
            versions.setdefault((row.name, row.arch), []).append(row)
        yield from versions.values()


def _newest(versions: Sequence[Package], moment: dt.datetime) -> Package | None:
    known = [one for one in versions if one.created <= moment]
    return max(known, key=lambda one: version_key(one.full_version), default=None)
