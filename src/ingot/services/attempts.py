"""The queue: attempts are claimed with a lease and a token, and only the token's holder can change them."""

import datetime as dt
import secrets
from collections.abc import Collection
from typing import cast

from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.orm import Session

from ingot.store.base import now
from ingot.store.tables import Attempt

#: A job whose worker is lost is tried again this often before it counts as failed.
MOST_RETRIES = 2
#: A recurring job that failed is tried again after this long.
_RETRY_SECONDS = 600
#: A free worker takes a job much sooner than this.
_PATIENCE_SECONDS = 15


class LostAttemptError(Exception):
    """The attempt belongs to somebody else now, or is over: whatever was done for it is void."""


def enqueue(session: Session, kind: str, subject_id: int) -> Attempt:
    """Put a job into the queue."""
    attempt = Attempt(kind=kind, subject_id=subject_id, message="Waiting for a free worker")
    session.add(attempt)
    session.flush()
    return attempt


def finish_at_once(attempt: Attempt) -> None:
    """End an attempt, just enqueued in this transaction, whose result is there already."""
    attempt.state, attempt.percentage, attempt.message = "done", 100, "Done"
    attempt.started = attempt.finished = now()


def is_waiting(session: Session, kinds: Collection[str]) -> bool:
    """Whether there is something to claim."""
    query = select(Attempt.id).where(Attempt.state == "queued", Attempt.kind.in_(kinds)).limit(1)
    return session.scalar(query) is not None


def claim(session: Session, worker: str, lease_seconds: int, kinds: Collection[str]) -> Attempt | None:
    """Take the oldest waiting job of these kinds: state, token and lease change in this one transaction."""
    query = select(Attempt).where(Attempt.state == "queued", Attempt.kind.in_(kinds)).order_by(Attempt.id).limit(1)
    attempt = session.scalars(query.with_for_update(skip_locked=True)).first()
    if attempt is None:
        return None
    attempt.state, attempt.token, attempt.worker = "running", secrets.token_hex(16), worker
    attempt.lease_until = now() + dt.timedelta(seconds=lease_seconds)
    attempt.started, attempt.stage, attempt.percentage, attempt.message = now(), "", 0, "Starting"
    session.flush()
    return attempt


def report(
    session: Session, attempt_id: int, token: str, lease_seconds: int, progress: dict[str, str | int] | None = None
) -> bool:
    """Extend the lease and note progress; returns whether a cancel is asked for. Raises LostAttemptError."""
    lease_until = now() + dt.timedelta(seconds=lease_seconds)
    _change(session, attempt_id, token, {"lease_until": lease_until, **(progress or {})})
    return is_cancel_requested(session, attempt_id)


def is_cancel_requested(session: Session, attempt_id: int) -> bool:
    """Whether somebody wants this attempt to end."""
    return bool(session.scalar(select(Attempt.cancel_requested).where(Attempt.id == attempt_id)))


def finish(
    session: Session,
    attempt_id: int,
    token: str,
    state: str,
    *,
    message: str,
    error: str | None = None,
    detail: str | None = None,
) -> None:
    """End an attempt as done, failed or cancelled. Raises LostAttemptError."""
    values: dict[str, object] = {
        "state": state,
        "message": message,
        "error": error,
        "detail": detail,
        "finished": now(),
        "token": None,
    }
    if state == "done":
        values["percentage"] = 100
    _change(session, attempt_id, token, values)


def hand_back(session: Session, attempt_id: int, token: str) -> None:
    """Return an attempt to the queue unharmed, as a worker does that is asked to stop."""
    values: dict[str, object] = {"state": "queued", "token": None, "worker": None, "lease_until": None}
    _change(session, attempt_id, token, {**values, "message": "Waiting for a free worker"})


def _change(session: Session, attempt_id: int, token: str, values: dict[str, object]) -> None:
    result = session.execute(
        update(Attempt)
        .where(Attempt.id == attempt_id, Attempt.token == token, Attempt.state == "running")
        .values(**values, last_modified=now())
    )
    if cast("CursorResult[object]", result).rowcount != 1:
        raise LostAttemptError


def request_cancel(session: Session, attempt: Attempt) -> None:
    """Cancel: at once when it still waits, else as soon as its worker notices. What is over stays as it is."""
    if attempt.state == "queued":
        attempt.state, attempt.message, attempt.finished = "cancelled", "Cancelled", now()
    elif attempt.state == "running":
        attempt.cancel_requested = True
    session.flush()


def reap(session: Session, *, worker_prefix: str | None = None) -> int:
    """Put the jobs of lost workers back into the queue, or fail those that were lost too often; returns how many.

    Lost is whose lease has run out, or whose worker's name begins with `worker_prefix` (a machine that knows its
    workers to be dead).
    """
    lost = Attempt.lease_until < now()
    if worker_prefix is not None:
        lost = lost | Attempt.worker.startswith(worker_prefix, autoescape=True)
    query = select(Attempt).where(Attempt.state == "running", lost).with_for_update(skip_locked=True)
    attempts = list(session.scalars(query))
    for attempt in attempts:
        attempt.token = attempt.worker = attempt.lease_until = None
        if attempt.cancel_requested:
            attempt.state, attempt.message, attempt.finished = "cancelled", "Cancelled", now()
        elif attempt.number > MOST_RETRIES:
            attempt.state, attempt.finished = "failed", now()
            attempt.error = (
                f"The worker was lost {attempt.number} times, the last time at {attempt.percentage} % "
                f"(“{attempt.message}”). Look at the machine's memory and at the server's log, then try again."
            )
            attempt.message = "Failed"
        else:
            attempt.state, attempt.number, attempt.percentage = "queued", attempt.number + 1, 0
            attempt.message = f"Waiting: the worker was lost, this is try {attempt.number}"
    session.flush()
    return len(attempts)


def waiting_message(session: Session, attempt: Attempt, parallel: int) -> str:
    """Why a waiting job waits, where a worker does `parallel` of its kind at once."""
    same_kind = Attempt.kind == attempt.kind
    running = session.scalar(select(func.count()).where(Attempt.state == "running", same_kind)) or 0
    query = select(func.count()).where(Attempt.state == "queued", same_kind, Attempt.id < attempt.id)
    before = session.scalar(query) or 0
    waiting = (now() - attempt.last_modified).total_seconds()
    if running < parallel and before == 0 and waiting > _PATIENCE_SECONDS:
        return f"Waiting for {waiting:.0f} seconds: no worker takes it. The server's log says why."
    return f"Waiting: {running} of {parallel} builds are running, {before} before this one"


def may_enqueue(session: Session, kind: str, subject_id: int, *, after: int = 0) -> bool:
    """Whether a recurring job is due: none waits or runs, and the last one did not just fail.

    Attempts up to `after` do not count: they were on another subject that had this id before.
    """
    query = select(Attempt).where(Attempt.kind == kind, Attempt.subject_id == subject_id, Attempt.id > after)
    last = session.scalars(query.order_by(Attempt.id.desc()).limit(1)).first()
    if last is None:
        return True
    return last.is_over and last.last_modified < now() - dt.timedelta(seconds=_RETRY_SECONDS)
