"""A database with what a first start makes, and what tests begin with."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.build.packages.repository import AvailablePackage
from ingot.services import appliances, first_start, os_profiles, package_index
from ingot.store.database import Database
from ingot.store.tables import Appliance, Distribution, User
from tests.s3 import bucket
from tests.unit.databases import database, database_url, postgres

__all__ = ["bucket", "database", "database_url", "postgres"]
_PACKAGES = ("nginx", "nginx-doc", "openssh-server", "postgresql-15", "100%_pure")


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.transaction() as session:
        first_start.prepare(session, root_password="secret")
        distribution_id = _distribution(session).id
    packages = [AvailablePackage(name, None, "1.0", "1", "amd64", 1, 1, "0" * 64, "web", "") for name in _PACKAGES]
    package_index.refresh(database, distribution_id, packages)
    with database.transaction() as session:
        yield session


@pytest.fixture
def owner(session: Session) -> User:
    return session.scalars(select(User)).one()


@pytest.fixture
def appliance(session: Session, owner: User) -> Appliance:
    distribution = _distribution(session)
    row = appliances.create(
        session, owner, name="web", version="1", description="a server", distribution_id=distribution.id
    )
    os_profiles.create(session, row, distribution.profiles[0].id)
    return row


def _distribution(session: Session) -> Distribution:
    return session.scalars(select(Distribution).order_by(Distribution.id)).first()  # type: ignore[return-value]
