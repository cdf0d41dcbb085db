"""A database with what a first start makes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingot.services import first_start
from ingot.store.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'ingot.db'}")
    database.migrate()
    with database.transaction() as session:
        first_start.prepare(session, root_password="secret")
    yield database
    database.close()
