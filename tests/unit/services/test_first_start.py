"""The first start, and every later one."""

import subprocess
import sys

from sqlalchemy import delete, func, select

from ingot.build.distributions import DISTRIBUTIONS
from ingot.services import first_start, formats, passwords
from ingot.store.base import Base
from ingot.store.database import Database
from ingot.store.tables import Distribution, DistributionProfile, Role, RoleEntitlement, TargetFormat, User

#: Of the distributions only Debian's have a mirror wherever the tests run.
_OFFERED = sum(distribution.name == "Debian" for distribution in DISTRIBUTIONS)
_START = """
import sys
from ingot.services import first_start
from ingot.store.database import MIGRATION_LOCK, Database
database = Database(sys.argv[1])
database.migrate()
with database.transaction() as session:
    database.exclude_others(session, MIGRATION_LOCK)
    print(first_start.prepare(session, root_password=None))
"""


def _counts(database: Database) -> dict[str, int]:
    with database.transaction(read_only=True) as session:
        tables = Base.metadata.tables.values()
        return {table.name: session.scalar(select(func.count()).select_from(table)) or 0 for table in tables}


def test_a_given_password_is_taken_and_not_returned(database: Database) -> None:
    with database.transaction() as session:
        assert first_start.prepare(session, root_password="chosen one") is None
    with database.transaction(read_only=True) as session:
        root = session.scalars(select(User)).one()
        assert passwords.is_login("chosen one", root.password_hash)
        assert {"appliance_create", "image_generate", "user_administrate"} <= root.entitlements


def test_a_made_up_password_is_returned_once(database: Database) -> None:
    with database.transaction() as session:
        password = first_start.prepare(session, root_password=None)
        assert password
        assert len(password) >= 16
        assert passwords.is_login(password, session.scalars(select(User)).one().password_hash)
        assert first_start.prepare(session, root_password=None) is None


def test_starting_again_adds_nothing(database: Database) -> None:
    with database.transaction() as session:
        first_start.prepare(session, root_password="x")
    before = _counts(database)
    with database.transaction() as session:
        first_start.prepare(session, root_password="y")
    assert _counts(database) == before
    with database.transaction(read_only=True) as session:
        assert passwords.is_login("x", session.scalars(select(User)).one().password_hash)


def test_two_servers_may_start_at_once(database_url: str) -> None:
    argv = [sys.executable, "-c", _START, database_url]
    processes = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    printed = sorted(process.communicate(timeout=120)[0].strip() for process in processes)
    assert [process.returncode for process in processes] == [0] * 3
    assert printed.count("None") == 2
    database = Database(database_url)
    counts = _counts(database)
    assert (counts["user_account"], counts["distribution"]) == (1, _OFFERED)
    database.close()


def test_what_a_later_version_brings_is_added_and_what_is_there_is_kept(database: Database) -> None:
    with database.transaction() as session:
        first_start.prepare(session, root_password="x")
    with database.transaction() as session:
        raw = session.scalars(select(TargetFormat).where(TargetFormat.format == "raw")).one()
        raw.name = "Our raw disks"
        session.execute(delete(TargetFormat).where(TargetFormat.format == "qcow2"))
        newest = session.scalars(select(Distribution).order_by(Distribution.id.desc())).first()
        assert newest is not None
        session.execute(delete(DistributionProfile).where(DistributionProfile.distribution_id == newest.id))
        session.execute(delete(Distribution).where(Distribution.id == newest.id))
        first = session.scalars(select(DistributionProfile).order_by(DistributionProfile.id)).first()
        assert first is not None
        wanted, first.package_names = first.package_names, ["outdated"]
        first_id = first.id
        designer = session.scalars(select(Role).where(Role.name == "designer")).one()
        session.execute(delete(RoleEntitlement).where(RoleEntitlement.role_id == designer.id))
        root = session.scalars(select(Role).where(Role.name == "root")).one()
        session.execute(delete(RoleEntitlement).where(RoleEntitlement.role_id == root.id))
    with database.transaction() as session:
        first_start.prepare(session, root_password="x")
    with database.transaction(read_only=True) as session:
        names = list(session.scalars(select(TargetFormat.name)))
        assert {"Our raw disks", "QCOW2", "OVF or OVA"} <= set(names)
        assert len(names) == len(formats.DEFAULTS)
        assert "Raw Virtual Disk" not in names
        openstack = session.scalars(select(TargetFormat).where(TargetFormat.format == "openstackqcow2")).one()
        assert [platform.type for platform in openstack.platforms] == ["openstack"]
        assert session.scalar(select(func.count()).select_from(Distribution)) == _OFFERED
        profile = session.get(DistributionProfile, first_id)
        assert profile is not None
        assert profile.package_names == wanted
        root = session.scalars(select(Role).where(Role.name == "root")).one()
        assert len(root.entitlements) == len(set(first_start.ROLES["root"][1]))
        designer = session.scalars(select(Role).where(Role.name == "designer")).one()
        assert designer.entitlements == []
