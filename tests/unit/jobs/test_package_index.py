"""The index of packages."""

import dataclasses
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from ingot.build.packages.repository import AvailablePackage
from ingot.services import package_index
from ingot.store.database import Database
from ingot.store.tables import Distribution, Package

BASH = AvailablePackage(
    name="bash",
    epoch=None,
    version="5.2",
    release="1",
    arch="amd64",
    size=10,
    installed_size=20,
    sha256="0" * 64,
    section="shells",
    description="GNU Bourne Again SHell",
)


def _version(version: str, name: str = "bash") -> AvailablePackage:
    return dataclasses.replace(BASH, version=version, name=name)


def _shown(database: Database, distribution_id: int = 1) -> list[tuple[str, str]]:
    with database.transaction(read_only=True) as session:
        query = select(Package).where(Package.distribution_id == distribution_id, Package.active)
        return sorted((row.name, row.full_version) for row in session.scalars(query))


def _ids(database: Database) -> dict[str, int]:
    with database.transaction(read_only=True) as session:
        return {row.full_version: row.id for row in session.scalars(select(Package))}


def test_the_index_says_what_there_is_and_remembers_what_there_was(database: Database) -> None:
    assert package_index.refresh(database, 1, [_version("5.1"), _version("5.2"), _version("5.2")]) == 2
    assert package_index.refresh(database, 2, [_version("9.9")]) == 1
    before = _ids(database)
    assert _shown(database) == [("bash", "5.1-1"), ("bash", "5.2-1")]

    assert package_index.refresh(database, 1, [_version("5.2"), _version("5.3")]) == 2
    assert _shown(database) == [("bash", "5.2-1"), ("bash", "5.3-1")]
    assert _shown(database, 2) == [("bash", "9.9-1")]
    after = _ids(database)
    assert {version: after[version] for version in before} == before

    package_index.refresh(database, 1, [_version("5.1")])
    assert _shown(database) == [("bash", "5.1-1")]
    assert _ids(database) == after

    assert package_index.refresh(database, 1, []) == 0
    assert _shown(database) == []
    package_index.refresh(database, 1, [_version("5.3")])
    assert _shown(database) == [("bash", "5.3-1")]


def test_a_refresh_that_breaks_off_changes_nothing_that_is_seen(database: Database) -> None:
    package_index.refresh(database, 1, [_version("5.1")])

    def breaks_off() -> Iterator[AvailablePackage]:
        for number in range(3 * 2000):
            yield _version("1.0", f"package-{number}")
        raise OSError("the mirror is gone")

    with pytest.raises(OSError, match="the mirror is gone"):
        package_index.refresh(database, 1, breaks_off())
    assert _shown(database) == [("bash", "5.1-1")]
    package_index.refresh(database, 1, (_version("1.0", f"package-{number}") for number in range(5000)))
    assert len(_shown(database)) == 5000


def test_a_refresh_leaves_its_time(database: Database) -> None:
    package_index.refresh(database, 1, [BASH])
    with database.transaction(read_only=True) as session:
        rows = {row.id: row.packages_refreshed for row in session.scalars(select(Distribution))}
    assert rows.pop(1) is not None
    assert set(rows.values()) == {None}


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.9-1", "1.10-1"),
        ("1.0~rc1-1", "1.0-1"),
        ("2.0-1", "1:1.0-1"),
        ("1.0-1.fc43", "1.0^20260101git1-1.fc43"),
        ("5_1-1.el9", "5_2-1.el9"),
    ],
)
def test_versions_of_both_families_are_ordered(older: str, newer: str) -> None:
    assert package_index.version_key(older) < package_index.version_key(newer)
