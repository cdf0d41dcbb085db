"""The index of a distribution's packages, for search."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from sqlalchemy import func, insert, select, update

from ingot.build.packages.repository import AvailablePackage, join_version
from ingot.store.base import now
from ingot.store.database import Database
from ingot.store.tables import Distribution, Package

JOB = "refresh"
_BATCH = 2000
_T = TypeVar("_T")


def refresh(database: Database, distribution_id: int, packages: Iterable[AvailablePackage]) -> int:
    """Make the index say what `packages` says, in one transaction; returns how many there are.

    A package that is gone stays known and is no longer active. Who searches meanwhile sees the index before.
    """
    with database.transaction() as session:
        of_distribution = Package.distribution_id == distribution_id
        known: dict[tuple[str, str, str], int] = {
            (name, arch, version): package_id
            for package_id, name, arch, version in session.execute(
                select(Package.id, Package.name, Package.arch, Package.full_version).where(of_distribution)
            )
        }
        session.execute(update(Package).where(of_distribution).values(active=False))
        seen: set[tuple[str, str, str]] = set()
        for batch in _batches(_rows(packages, seen)):
            new = [row for row in batch if (row["name"], row["arch"], row["full_version"]) not in known]
            if new:
                session.execute(insert(Package), [{**row, "distribution_id": distribution_id} for row in new])
        again = [known[key] for key in seen if key in known]
        for ids in _batches(again):
            session.execute(update(Package).where(Package.id.in_(ids)).values(active=True))
        session.execute(
            update(Distribution).where(Distribution.id == distribution_id).values(packages_refreshed=now())
        )
        return session.scalar(select(func.count()).where(of_distribution, Package.active)) or 0


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
            "active": True,
        }


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
