"""Databases of both kinds, for tests of what depends on the kind."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingot.store.database import Database
from tests.faults.postgres import Postgres

__all__ = ["database", "database_url", "postgres"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, for the whole run."""
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ingot.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database(f"test_{uuid.uuid4().hex}")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database of each kind with its tables."""
    database = Database(database_url)
    database.migrate()
    yield database
    database.close()
