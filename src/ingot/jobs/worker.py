"""The worker: claims attempts from the database and carries them out, a few at once.

A process of its own (`python -m ingot.jobs.worker`). It holds a lock in the data directory while it lives; a worker
that gets the lock knows that whoever held an attempt on this machine before is dead, and takes it up at once.
"""

import ctypes
import datetime as dt
import fcntl
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from sqlalchemy import or_, select

from ingot.jobs.runner import Runner, remove_scratch
from ingot.logs import set_up_logs
from ingot.services import attempts, package_index
from ingot.services.secrets import server_secret
from ingot.settings import Settings
from ingot.store.artifacts import LocalArtifacts
from ingot.store.base import now
from ingot.store.database import QUEUE_LOCK, Database
from ingot.store.tables import Distribution

_log = structlog.get_logger()
_POLL_SECONDS = 0.25
_SWEEP_SECONDS = 5.0
_PR_SET_PDEATHSIG = 1


class Worker:
    """Runs up to `settings.parallel_builds` attempts at once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = Database(settings.database)
        self._artifacts = LocalArtifacts(settings.directory / "artifacts")
        self._secret = server_secret(settings)
        self._host = f"{socket.gethostname()}:{settings.directory}:"
        self._name = f"{self._host}{os.getpid()}"
        self._running: dict[threading.Thread, Runner] = {}
        self._stopping = threading.Event()

    def run(self) -> None:
        """Work until asked to stop; what runs then is handed back to the queue."""
        with _exclusive(self._settings.directory / "worker.lock"):
            self._take_over()
            swept = 0.0
            while not self._stopping.is_set():
                self._running = {thread: one for thread, one in self._running.items() if thread.is_alive()}
                if time.monotonic() - swept >= _SWEEP_SECONDS:
                    self._sweep()
                    swept = time.monotonic()
                if not self._start_next():
                    self._stopping.wait(_POLL_SECONDS)
            for runner in self._running.values():
                runner.stopping.set()
            for thread in self._running:
                thread.join()

    def stop(self) -> None:
        """Ask the worker to hand back what it does and end."""
        self._stopping.set()

    def _take_over(self) -> None:
        """Requeue what a dead worker of this data directory left, and remove its files."""
        with self._database.transaction() as session:
            lost = attempts.reap(session, worker_prefix=self._host)
        if lost:
            _log.warning("took over attempts of a lost worker", attempts=lost)
        for scratch in sorted((self._settings.directory / "scratch").glob("*")):
            remove_scratch(scratch)

    def _sweep(self) -> None:
        with self._database.transaction() as session:
            self._database.exclude_others(session, QUEUE_LOCK)
            attempts.reap(session)
            old = now() - dt.timedelta(seconds=self._settings.packages_max_age)
            query = select(Distribution).where(
                Distribution.active,
                or_(Distribution.packages_refreshed.is_(None), Distribution.packages_refreshed < old),
            )
            for distribution in session.scalars(query):
                if attempts.may_enqueue(session, package_index.JOB, distribution.id):
                    attempts.enqueue(session, package_index.JOB, distribution.id)

    def _start_next(self) -> bool:
        if len(self._running) >= self._settings.parallel_builds:
            return False
        with self._database.transaction() as session:
            attempt = attempts.claim(session, self._name, self._settings.lease_seconds)
        if attempt is None:
            return False
        runner = Runner(attempt, self._database, self._artifacts, self._settings, self._secret)
        thread = threading.Thread(target=runner.run, name=f"attempt-{attempt.id}")
        self._running[thread] = runner
        thread.start()
        return True


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file for as long as the process lives; waits for a worker that is just ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Run a worker until SIGTERM or SIGINT, or until the server that started it is gone."""
    if os.environ.get("INGOT_DIE_WITH_PARENT"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    set_up_logs()
    worker = Worker(Settings())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: worker.stop())
    worker.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
