"""Imports and exports that nobody deletes."""

import datetime as dt

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.services import appliance_exports, appliance_imports, appliances, first_start, os_profiles
from ingot.store.artifacts import StoredArtifact
from ingot.store.base import now
from ingot.store.database import Database
from ingot.store.tables import ApplianceExport, ApplianceImport, Attempt, Distribution, User


def _make(session: Session) -> tuple[ApplianceImport, ApplianceExport]:
    owner = session.scalars(select(User)).one()
    distribution = session.scalars(select(Distribution)).first()
    assert distribution is not None
    appliance = appliances.create(
        session, owner, name="a", version="1", description="", distribution_id=distribution.id
    )
    os_profiles.create(session, appliance, distribution.profiles[0].id)
    row = appliance_imports.create(session, owner, appliance_imports.Flags())
    appliance_imports.set_archive(session, row, StoredArtifact("a" * 64, "", 1))
    export = appliance_exports.create(session, appliance, "yaml")
    appliance_exports.complete(session, export, StoredArtifact("b" * 64, "", 1))
    return row, export


def test_old_ones_are_deleted_and_cancelled(database: Database) -> None:
    with database.transaction() as session:
        first_start.prepare(session, root_password="secret")
        session.flush()
        for row in _make(session):
            row.created = now() - dt.timedelta(days=2)
        session.flush()
        long_ago = now() - dt.timedelta(days=3)
        assert (
            appliance_exports.delete_old(session, long_ago) | appliance_imports.delete_old(session, long_ago) == set()
        )
        yesterday = now() - dt.timedelta(days=1)
        assert appliance_exports.delete_old(session, yesterday) == {"b" * 64}
        assert appliance_imports.delete_old(session, yesterday) == {"a" * 64}
        assert {attempt.state for attempt in session.scalars(select(Attempt))} == {"cancelled"}
