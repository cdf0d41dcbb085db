"""Quotas, on both databases: nobody gets more, whatever happens at once; what is over is counted once."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.build.request import BuildResult
from ingot.messages.access import Quota as QuotaMessage
from ingot.services import api_keys, appliances, first_start, images, os_profiles, quotas
from ingot.services.errors import InvalidError
from ingot.services.quotas import ExceededError
from ingot.services.secrets import Vault
from ingot.store.database import Database
from ingot.store.tables import Appliance, Distribution, Image, Quota, User


def _limit(session: Session, owner: User, kind: str, limit: int, frequency: str | None = None) -> None:
    message = QuotaMessage.model_validate({"type": kind, "limit": limit, "frequency": frequency})
    quotas.change(session, owner, [message])


def _used(session: Session, owner: User) -> dict[str, int]:
    return {usage.kind: usage.used for usage in quotas.of(session, owner)}


def _generate(session: Session, appliance: Appliance, *, simulated: bool = False) -> Image:
    return images.generate(session, appliance, format_name="QCOW2", compress=True, simulated=simulated, overrides=None)


def _complete(session: Session, image: Image, size: int = 1000) -> None:
    assert image.attempt is not None
    image.attempt.state = "done"
    result = BuildResult(
        output=None, sha256="0" * 64, size=size, installed_size=1, disk_size=1, packages=[], timings={}
    )
    images.complete(session, image, result, b"secret", 3600)


def test_nothing_is_limited_at_first(session: Session, owner: User) -> None:
    shown = [(usage.kind, usage.limit, usage.frequency, usage.renews) for usage in quotas.of(session, owner)]
    assert shown == [(kind, -1, "none", None) for kind in ("appliance", "generation", "scan", "diskusage")]


def test_appliances_are_limited_by_how_many_there_are(session: Session, owner: User, appliance: Appliance) -> None:
    _limit(session, owner, "appliance", 2)
    copy = appliances.clone(session, appliance, name="b", version=None)
    with pytest.raises(ExceededError, match="2 of 2 appliances"):
        appliances.clone(session, appliance, name="c", version=None)
    session.delete(copy)
    session.flush()
    appliances.clone(session, appliance, name="c", version=None)


def test_generations_are_counted_when_they_end_well(session: Session, owner: User, appliance: Appliance) -> None:
    _limit(session, owner, "generation", 2)
    first = _generate(session, appliance)
    _complete(session, first)
    images.delete(session, [first])
    assert _used(session, owner)["generation"] == 1
    failed = _generate(session, appliance)
    with pytest.raises(ExceededError, match="2 of 2 generations"):
        _generate(session, appliance)
    _generate(session, appliance, simulated=True)
    assert failed.attempt is not None
    failed.attempt.state = "failed"
    _complete(session, _generate(session, appliance))
    with pytest.raises(ExceededError):
        images.regenerate(session, failed, force=True)


def test_generating_again_needs_no_second_place(session: Session, owner: User, appliance: Appliance) -> None:
    _limit(session, owner, "generation", 1)
    image = _generate(session, appliance)
    images.regenerate(session, image, force=True)
    assert image.attempt is not None
    image.attempt.state = "running"
    images.regenerate(session, image, force=True)


def test_a_monthly_count_begins_anew(session: Session, owner: User, appliance: Appliance) -> None:
    _limit(session, owner, "generation", 1, "monthly")
    _complete(session, _generate(session, appliance))
    usage = {entry.kind: entry for entry in quotas.of(session, owner)}["generation"]
    assert usage.renews is not None
    assert usage.renews.day == owner.created.day or usage.renews.day >= 28
    with pytest.raises(ExceededError, match=f"{usage.renews:%d %b %Y}"):
        _generate(session, appliance)
    row = session.scalars(select(Quota).where(Quota.kind == "generation")).one()
    assert row.period_began is not None
    row.period_began -= dt.timedelta(days=40)
    assert _used(session, owner)["generation"] == 0
    _complete(session, _generate(session, appliance))
    assert _used(session, owner)["generation"] == 1


@pytest.mark.parametrize(
    ("created", "time", "later", "expected"),
    [
        ("2026-01-31", "2026-02-10", 0, "2026-01-31"),
        ("2026-01-31", "2026-02-10", 1, "2026-02-28"),
        ("2026-01-31", "2026-02-28", 0, "2026-02-28"),
        ("2026-05-15", "2026-01-03", 0, "2025-12-15"),
        ("2026-05-15", "2026-12-20", 1, "2027-01-15"),
    ],
)
def test_periods_begin_at_the_day_of_the_users_creation(created: str, time: str, later: int, expected: str) -> None:
    owner = User(created=_day(created))
    assert quotas._period(owner, _day(time), later) == _day(expected)


def _day(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def test_disk_space_is_limited_before_more_is_asked_for(session: Session, owner: User, appliance: Appliance) -> None:
    _limit(session, owner, "diskusage", 1500)
    _complete(session, _generate(session, appliance), size=1500)
    assert _used(session, owner)["diskusage"] == 1500
    with pytest.raises(ExceededError, match="1500 of 1500 bytes"):
        _generate(session, appliance)


def test_bad_limits_are_refused_and_absent_ones_stay(session: Session, owner: User) -> None:
    _limit(session, owner, "appliance", 5)
    quotas.change(session, owner, [QuotaMessage(type="appliance", frequency="monthly")])
    usage = next(quotas.of(session, owner))
    assert (usage.limit, usage.frequency) == (5, "monthly")
    with pytest.raises(InvalidError, match="-2"):
        _limit(session, owner, "appliance", -2)
    with pytest.raises(InvalidError, match="no type"):
        quotas.change(session, owner, [QuotaMessage(limit=1)])


def test_api_keys_are_limited(session: Session, owner: User) -> None:
    owner.api_key_limit = 2
    vault = Vault(b"k" * 32)
    keys = [api_keys.create(session, vault, owner, name="", description="") for _ in range(2)]
    assert len({key.public_key for key, _ in keys}) == 2
    assert all(api_keys.secret_key(vault, key) == secret.encode() for key, secret in keys)
    with pytest.raises(ExceededError, match="2 API keys"):
        api_keys.create(session, vault, owner, name="", description="")


def test_of_many_at_once_no_more_get_past_than_may(database: Database) -> None:
    with database.transaction() as session:
        first_start.prepare(session, root_password="secret")
        owner = session.scalars(select(User)).one()
        _limit(session, owner, "appliance", 3)
        distribution = session.scalars(select(Distribution).order_by(Distribution.id)).first()
        assert distribution is not None
        owner_id, distribution_id = owner.id, distribution.id

    def create(number: int) -> bool:
        try:
            with database.transaction() as session:
                owner = session.get_one(User, owner_id)
                appliances.create(
                    session, owner, name=f"a{number}", version="1", description="", distribution_id=distribution_id
                )
        except ExceededError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(create, range(16)))
    assert created.count(True) == 3
    with database.transaction(read_only=True) as session:
        assert _used(session, session.get_one(User, owner_id))["appliance"] == 3


def test_of_many_generations_at_once_no_more_begin_than_may(database: Database) -> None:
    with database.transaction() as session:
        first_start.prepare(session, root_password="secret")
        owner = session.scalars(select(User)).one()
        _limit(session, owner, "generation", 3)
        distribution = session.scalars(select(Distribution).order_by(Distribution.id)).first()
        assert distribution is not None
        ids = []
        for number in range(4):
            row = appliances.create(
                session, owner, name=f"a{number}", version="1", description="", distribution_id=distribution.id
            )
            os_profiles.create(session, row, distribution.profiles[0].id)
            ids.append(row.id)

    def generate(number: int) -> bool:
        try:
            with database.transaction() as session:
                owner = session.scalars(select(User)).one()
                _generate(session, appliances.find(session, owner, ids[number % 4], to_change=True))
        except ExceededError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        begun = list(pool.map(generate, range(16)))
    assert begun.count(True) == 3
