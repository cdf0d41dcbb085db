"""Transactions and migrations, on SQLite and on PostgreSQL."""

import datetime as dt
import subprocess
import sys
import threading
import uuid

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, func, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from ingot.store import database as database_module
from ingot.store.base import Base, now
from ingot.store.database import ARTIFACT_LOCK, Database
from ingot.store.tables import Appliance, BootScript, Organisation, Role, RoleEntitlement, User
from tests.faults.postgres import Postgres

_MIGRATE = "import sys; from ingot.store.database import Database; Database(sys.argv[1]).migrate()"


def _names(database: Database) -> list[str]:
    with database.transaction(read_only=True) as session:
        return list(session.scalars(select(Organisation.name).order_by(Organisation.name)))


def test_the_migrations_make_what_the_tables_say(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    with database.transaction() as session:
        session.add(Organisation(name="kept"))
    database.migrate()
    assert _names(database) == ["kept"]


def test_what_an_older_version_wrote_is_kept(database_url: str) -> None:
    database = Database(database_url)
    database.migrate("0001")
    old = MetaData()
    old.reflect(database.engine)
    rows: dict[str, dict[str, object]] = {
        "organisation": {"name": "one", "is_default": True},
        "user_account": {"login": "u", "password_hash": "", "active": True, "organisation_id": 1}
        | dict.fromkeys(("email", "first_name", "surname"), ""),
        "distribution": {"name": "Debian", "version": "12", "arch": "x86_64", "active": True}
        | dict.fromkeys(("description", "package_type"), ""),
        "appliance": {"owner_id": 1, "distribution_id": 1, "name": "a", "version": "1", "uuid": "u", "revision": 1}
        | {"description": "", "imported": False, "last_package_update": now()},
        "boot_script": {"appliance_id": 1, "name": "s", "boot_type": "firstboot", "boot_order": 0},
    }
    with database.transaction() as session:
        for table, values in rows.items():
            times = {"created": now(), "last_modified": now()}
            session.execute(insert(old.tables[table]).values(id=1, **values, **times))
    database.migrate()
    with database.transaction(read_only=True) as session:
        assert session.scalars(select(Appliance.name)).all() == ["a"]
        assert session.scalars(select(BootScript.name)).all() == ["s"]
    database.close()


def test_two_processes_may_migrate_at_once(database_url: str) -> None:
    argv = [sys.executable, "-c", _MIGRATE, database_url]
    processes = [subprocess.Popen(argv, stderr=subprocess.PIPE) for _ in range(3)]
    results = [(process.communicate(timeout=120)[1], process.returncode) for process in processes]
    assert results == [(b"", 0)] * 3
    database = Database(database_url)
    assert _names(database) == []
    database.close()


def _add_and_fail(session: Session) -> None:
    session.add(Organisation(name="never"))
    session.flush()
    raise ValueError("enough")


def test_an_exception_undoes_everything(database: Database) -> None:
    with pytest.raises(ValueError, match="enough"), database.transaction() as session:
        _add_and_fail(session)
    assert _names(database) == []


def test_what_is_referred_to_stays_and_what_belongs_goes(database: Database) -> None:
    with database.transaction() as session:
        organisation = Organisation(name="one")
        role = Role(name="r", entitlements=[RoleEntitlement(entitlement="e")])
        session.add(User(login="u", password_hash="x", organisation=organisation, roles=[role]))
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.execute(text("DELETE FROM organisation"))
    with database.transaction() as session:
        session.execute(text("DELETE FROM role"))
        assert session.scalar(select(func.count()).select_from(RoleEntitlement)) == 0


def test_foreign_keys_are_checked_again_after_a_migration(database: Database) -> None:
    database.migrate()
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.add(User(login="u", password_hash="x", organisation_id=12345))


def test_times_come_back_in_utc(database: Database) -> None:
    here = dt.datetime(2026, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=5)))
    with database.transaction() as session:
        session.add(Organisation(name="one", created=here))
    with database.transaction(read_only=True) as session:
        created = session.scalars(select(Organisation.created)).one()
    assert created == here
    assert created.utcoffset() == dt.timedelta(0)


def test_writers_wait_for_each_other_and_lose_nothing(database: Database) -> None:
    """Read, then write: without a lock from the start one of the two would be lost or fail."""
    with database.transaction() as session:
        session.add(Organisation(name=""))

    def append() -> None:
        for _ in range(10):
            with database.transaction() as session:
                database.exclude_others(session, ARTIFACT_LOCK)
                row = session.scalars(select(Organisation)).one()
                row.name += "x"

    threads = [threading.Thread(target=append) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _names(database) == ["x" * 40]


def test_readers_do_not_wait_for_a_writer(database: Database) -> None:
    with database.transaction() as session:
        session.add(Organisation(name="one"))
    with database.transaction() as session:
        session.add(Organisation(name="two"))
        session.flush()
        assert _names(database) == ["one"]
    assert _names(database) == ["one", "two"]


def test_a_process_that_hangs_in_a_transaction_locks_nothing_for_long(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_IDLE_SECONDS", 1)
    url = postgres.new_database(f"idle_{uuid.uuid4().hex}")
    hanging, others = Database(url), Database(url)
    hanging.migrate()
    with others.transaction() as session:
        session.add(Organisation(name="locked"))
    locked = select(Organisation).where(Organisation.name == "locked").with_for_update()

    def hang() -> None:
        with hanging.transaction() as session:
            session.execute(locked)
            with others.transaction() as other:  # waits for the lock, and gets it
                other.scalars(locked).one().name = "free"
            session.execute(text("SELECT 1"))

    with pytest.raises(OperationalError):
        hang()
    assert _names(others) == ["free"]
    with hanging.transaction() as session:  # good again
        session.execute(text("SELECT 1"))
    hanging.close()
    others.close()
