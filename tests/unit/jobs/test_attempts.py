"""The queue."""

import datetime as dt

import pytest
from sqlalchemy import select, update

from ingot.services import attempts
from ingot.store.base import now
from ingot.store.database import Database
from ingot.store.tables import Attempt

KINDS = ("generate", "refresh")


def _enqueue(database: Database, count: int = 1, kind: str = "generate") -> list[int]:
    with database.transaction() as session:
        return [attempts.enqueue(session, kind, number).id for number in range(count)]


def _claim(database: Database, kinds: tuple[str, ...] = KINDS, worker: str = "host:/data:1") -> Attempt | None:
    with database.transaction() as session:
        return attempts.claim(session, worker, 20, kinds)


def _get(database: Database, attempt_id: int) -> Attempt:
    with database.transaction(read_only=True) as session:
        return session.scalars(select(Attempt).where(Attempt.id == attempt_id)).one()


def test_the_oldest_job_of_the_kinds_asked_for_is_claimed_once(database: Database) -> None:
    (refresh,) = _enqueue(database, kind="refresh")
    one, two = _enqueue(database, 2)
    claimed = [_claim(database, ("generate",)) for _ in range(3)]
    assert [attempt and attempt.id for attempt in claimed] == [one, two, None]
    tokens = {attempt.token for attempt in claimed if attempt}
    assert len(tokens) == 2
    assert None not in tokens
    with database.transaction(read_only=True) as session:
        assert not attempts.is_waiting(session, ("generate",))
        assert attempts.is_waiting(session, ("refresh",))
    other = _claim(database)
    assert other is not None
    assert other.id == refresh


def test_only_the_token_counts(database: Database) -> None:
    (number,) = _enqueue(database)
    claimed = _claim(database)
    assert claimed is not None
    for token in ("", "guess", str(claimed.token) + "0"):
        with pytest.raises(attempts.LostAttemptError), database.transaction() as session:
            attempts.report(session, number, token, 20, {"percentage": 99})
        with pytest.raises(attempts.LostAttemptError), database.transaction() as session:
            attempts.finish(session, number, token, "done", message="Done")
        with pytest.raises(attempts.LostAttemptError), database.transaction() as session:
            attempts.hand_back(session, number, token)
    assert (_get(database, number).state, _get(database, number).percentage) == ("running", 0)
    with database.transaction() as session:
        attempts.finish(session, number, str(claimed.token), "done", message="Done")
    # What is over has no token: nobody changes it any more, not even who finished it.
    with pytest.raises(attempts.LostAttemptError), database.transaction() as session:
        attempts.finish(session, number, str(claimed.token), "failed", message="Failed")
    assert _get(database, number).state == "done"


def test_a_report_extends_the_lease_and_hears_of_a_cancel(database: Database) -> None:
    (number,) = _enqueue(database)
    claimed = _claim(database)
    assert claimed is not None
    with database.transaction() as session:
        session.execute(update(Attempt).values(lease_until=now()))
        progress: dict[str, str | int] = {"percentage": 42, "message": "Working"}
        assert attempts.report(session, number, str(claimed.token), 20, progress) is False
        assert attempts.reap(session) == 0
    assert (_get(database, number).percentage, _get(database, number).message) == (42, "Working")
    with database.transaction() as session:
        attempts.request_cancel(session, _get_in(session, number))
        assert attempts.report(session, number, str(claimed.token), 20) is True


def _get_in(session: object, number: int) -> Attempt:
    attempt = session.get(Attempt, number)  # type: ignore[attr-defined]
    assert attempt is not None
    return attempt


def test_a_lost_worker_costs_a_try_and_the_third_loss_is_the_last(database: Database) -> None:
    (number,) = _enqueue(database)
    tokens = []
    for count in (1, 2, 3):
        claimed = _claim(database)
        assert claimed is not None
        assert claimed.number == count
        tokens.append(str(claimed.token))
        with database.transaction() as session:
            session.execute(update(Attempt).values(lease_until=now() - dt.timedelta(seconds=1)))
            assert attempts.reap(session) == 1
            assert attempts.reap(session) == 0
    lost = _get(database, number)
    assert lost.state == "failed"
    assert "lost 3 times" in (lost.error or "")
    for token in tokens:
        with pytest.raises(attempts.LostAttemptError), database.transaction() as session:
            attempts.finish(session, number, token, "done", message="Done")


def test_a_machine_takes_over_from_its_own_dead_workers_alone(database: Database) -> None:
    one, two = _enqueue(database, 2)
    _claim(database, worker="host:/data_1:17")
    _claim(database, worker="host:/datax1:17")
    with database.transaction() as session:
        assert attempts.reap(session, worker_prefix="host:/data_1:") == 1
    assert (_get(database, one).state, _get(database, two).state) == ("queued", "running")


def test_a_cancel_wins_over_a_new_try(database: Database) -> None:
    (number,) = _enqueue(database)
    _claim(database)
    with database.transaction() as session:
        attempts.request_cancel(session, _get_in(session, number))
        session.execute(update(Attempt).values(lease_until=now() - dt.timedelta(seconds=1)))
        assert attempts.reap(session) == 1
    assert _get(database, number).state == "cancelled"


def test_who_waits_is_told_why(database: Database) -> None:
    numbers = _enqueue(database, 3)
    _enqueue(database, 5, kind="refresh")
    _claim(database)
    with database.transaction() as session:
        waiting = _get_in(session, numbers[2])
        assert attempts.waiting_message(session, waiting, 1) == "Waiting: 1 of 1 builds are running, 1 before this one"
        first = _get_in(session, numbers[1])
        first.last_modified = now() - dt.timedelta(minutes=5)
        assert "no worker takes it" in attempts.waiting_message(session, first, 2)
        assert "1 of 1" in attempts.waiting_message(session, first, 1)


def test_a_recurring_job_is_not_queued_twice_nor_right_after_its_failure(database: Database) -> None:
    with database.transaction() as session:
        assert attempts.may_enqueue(session, "refresh", 0)
    (number,) = _enqueue(database, kind="refresh")
    for state in ("queued", "running", "failed"):
        with database.transaction() as session:
            _get_in(session, number).state = state
            assert not attempts.may_enqueue(session, "refresh", 0)
            assert attempts.may_enqueue(session, "refresh", 1)
    with database.transaction() as session:
        _get_in(session, number).last_modified = now() - dt.timedelta(hours=1)
        session.flush()
        assert attempts.may_enqueue(session, "refresh", 0)
