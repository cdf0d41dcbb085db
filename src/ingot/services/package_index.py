"""The index of a distribution's packages, for search."""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from debian.debian_support import Version
from sqlalchemy import and_, bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from ingot.build.packages.repository import AvailablePackage, join_version
from ingot.store.base import now
from ingot.store.database import Database
from ingot.store.tables import Distribution, Package

JOB = "refresh"
_BATCH = 2000
_T = TypeVar("_T")


def refresh(database: Database, distribution_id: int, packages: Iterable[AvailablePackage]) -> int:
    """Make the index say what `packages` says; returns how many there are.

    New packages are written in short transactions, not active yet; the last transaction shows them and hides those
    that are gone, all at once: who searches meanwhile sees the index before, and who writes never waits long. A
    package that is gone stays known and is no longer active.
    """
    of_distribution = Package.distribution_id == distribution_id
    active: set[tuple[str, str, str]] = set()
    known: set[tuple[str, str, str]] = set()
    with database.transaction(read_only=True) as session:
        query = select(Package.name, Package.arch, Package.full_version, Package.active).where(of_distribution)
        for name, arch, full_version, is_active in session.execute(query.execution_options(yield_per=_BATCH)):
            known.add((name, arch, full_version))
            if is_active:
                active.add((name, arch, full_version))
    seen: set[tuple[str, str, str]] = set()
    for batch in _batches(_rows(packages, seen)):
        new = [row for row in batch if (row["name"], row["arch"], row["full_version"]) not in known]
        if new:
            with database.transaction() as session:
                session.execute(insert(Package), [{**row, "distribution_id": distribution_id} for row in new])
    with database.transaction() as session:
        _set_active(session, distribution_id, active - seen, active=False)
        if active:
            _set_active(session, distribution_id, seen - active, active=True)
        else:
            # All that is there was written just now, or is seen again after everything was hidden.
            session.execute(update(Package).where(of_distribution).values(active=True))
            _set_active(session, distribution_id, known - seen, active=False)
        _mark_latest(session, distribution_id)
        session.execute(
            update(Distribution).where(Distribution.id == distribution_id).values(packages_refreshed=now())
        )
    return len(seen)


def version_key(full_version: str) -> Version:
    """What versions are compared by. Debian's rule also orders RPM's, once it can read their two signs of its own."""
    return Version(full_version.replace("_", ".").replace("^", "+"))


def note_history(session: Session, distribution_id: int, since: dt.datetime | None) -> None:
    """Note from when on the packages of a distribution are known; what was known before stays known."""
    row = session.get(Distribution, distribution_id)
    if row is not None and since is not None:
        row.packages_since = min(since, row.packages_since or since)


def _mark_latest(session: Session, distribution_id: int) -> None:
    """Note which of the versions offered now are the newest of their name and architecture."""
    of_distribution = Package.distribution_id == distribution_id
    offered = and_(of_distribution, Package.active)
    several = (
        select(Package.name, Package.arch).where(offered).group_by(Package.name, Package.arch).having(func.count() > 1)
    ).subquery()
    query = select(Package.name, Package.arch, Package.full_version, Package.id).where(offered)
    query = query.join(several, and_(Package.name == several.c.name, Package.arch == several.c.arch))
    newest: dict[tuple[str, str], tuple[Version, int]] = {}
    older: list[int] = []
    for name, arch, full_version, package_id in session.execute(query):
        version, best = version_key(full_version), newest.get((name, arch))
        if best is None or version > best[0]:
            newest[name, arch] = version, package_id
            older += [best[1]] if best else []
        else:
            older.append(package_id)
    changed = and_(of_distribution, Package.latest != Package.active)
    session.execute(update(Package).where(changed).values(latest=Package.active))
    for batch in _batches(older):
        session.execute(update(Package).where(Package.id.in_(batch)).values(latest=False))


def _set_active(
    session: Session, distribution_id: int, keys: Collection[tuple[str, str, str]], *, active: bool
) -> None:
    statement = (
        update(Package)
        .where(
            Package.distribution_id == distribution_id,
            Package.name == bindparam("key_name"),
            Package.arch == bindparam("key_arch"),
            Package.full_version == bindparam("key_version"),
        )
        .values(active=active)
    )
    for batch in _batches(keys):
        rows = [{"key_name": name, "key_arch": arch, "key_version": version} for name, arch, version in batch]
        session.connection().execute(statement, rows)


def _rows(packages: Iterable[AvailablePackage], seen: set[tuple[str, str, str]]) -> Iterator[dict[str, object]]:
    for package in packages:
        full_version = join_version(package.epoch, package.version, package.release)
        key = (package.name, package.arch, full_version)
        if key in seen:
            continue
        seen.add(key)
        yield {
            "name": package.name,
            "epoch": package.epoch,
            "version": package.version,
            "release": package.release,
            "full_version": full_version,
            "arch": package.arch,
            "size": package.size,
            "installed_size": package.installed_size,
            "sha256": package.sha256,
            "section": package.section,
            "description": package.description,
            "suite": package.suite,
            "created": package.published or now(),
            "active": False,
            "latest": False,
        }


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
