"""The worker: claims attempts from the database and carries them out, a few at once.

A process of its own (`python -m ingot.jobs.worker`). It holds a lock in the data directory while it lives; a worker
that gets the lock knows that whoever held an attempt on this machine before is dead, and takes it up at once. It
touches the lock file while it is well, so that the server can tell a worker that hangs.
"""

import datetime as dt
import fcntl
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from sqlalchemy.exc import InterfaceError, OperationalError

from ingot.jobs.kinds import JOBS
from ingot.jobs.runner import Runner, remove_scratch
from ingot.logs import Log, set_up_logs
from ingot.process import die_with_parent
from ingot.services import appliance_exports, appliance_imports, artifacts, attempts
from ingot.services.secrets import server_secret
from ingot.settings import Settings
from ingot.store.artifacts import ArtifactError
from ingot.store.base import now
from ingot.store.database import QUEUE_LOCK, Database
from ingot.store.stores import artifacts_of

LOCK_FILE = "worker.lock"
_log = Log()
_POLL_SECONDS = 0.25
_PAUSE_SECONDS = 2.0
#: Where contents lie elsewhere, each directory is looked at once in four hours, and uploads once in an hour.
_REMOTE_SWEEP_SECONDS, _LEFTOVERS_EVERY = 60, 60
_KEEP_LOGS_SECONDS = 30 * 86400


class Worker:
    """Runs up to `settings.parallel_builds` builds at once, and beside them one job of each other kind."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = Database(settings.database)
        self._artifacts = artifacts_of(settings)
        self._secret = server_secret(settings)
        self._host = f"{socket.gethostname()}:{settings.directory}:"
        self._name = f"{self._host}{os.getpid()}"
        self._slots = {kind: job.slots(settings) for kind, job in JOBS.items()}
        self._running: dict[threading.Thread, Runner] = {}
        self._is_stopping = False
        self._lock = settings.directory / LOCK_FILE
        self._sweeps = 0
        self._dropped: set[str] = set()
        self._sweeper: threading.Thread | None = None
        self._swept_artifacts: float | None = None

    def run(self) -> None:
        """Work until asked to stop; what runs then is handed back to the queue."""
        with self._lock.open("a", encoding="ascii") as file:
            if not self._has_lock(file.fileno()):
                return
            swept: float | None = None
            while not self._is_stopping:
                os.utime(file.fileno())
                self._running = {thread: one for thread, one in self._running.items() if thread.is_alive()}
                try:
                    if swept is None:
                        self._take_over()
                    if swept is None or time.monotonic() - swept >= self._settings.lease_seconds / 4:
                        self._sweep()
                        swept = time.monotonic()
                    has_started = self._start_next()
                except (OperationalError, InterfaceError) as error:
                    _log.warning("the database is away", error=str(error.orig))
                    self._pause(_PAUSE_SECONDS)
                    continue
                if not has_started:
                    self._pause(_POLL_SECONDS)
            for runner in self._running.values():
                runner.stopping.set()
            for thread in self._running:
                thread.join()

    def stop(self) -> None:
        """Ask the worker to hand back what it does and end.

        Signal handlers call this, so it takes no lock: they run in the midst of whatever the main thread does, and a
        `threading.Event` that is being waited for would never be set.
        """
        self._is_stopping = True

    def _pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._is_stopping and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def _has_lock(self, descriptor: int) -> bool:
        """Wait until no other worker of this data directory lives; returns whether that came before a stop."""
        is_waiting = False
        while not self._is_stopping:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not is_waiting:
                    _log.warning("another worker of this data directory lives: waiting for its end")
                is_waiting = True
                self._pause(_POLL_SECONDS)
            else:
                return True
        return False

    def _take_over(self) -> None:
        """Requeue what a dead worker of this data directory left, and remove its files."""
        with self._database.transaction() as session:
            lost = attempts.reap(session, worker_prefix=self._host)
        if lost:
            _log.warning("took over attempts of a lost worker", attempts=lost)
        for scratch in sorted((self._settings.directory / "scratch").glob("*")):
            remove_scratch(scratch)
        for log in (self._settings.directory / "logs").glob("attempt-*.log"):
            if time.time() - log.stat().st_mtime > _KEEP_LOGS_SECONDS:
                log.unlink()

    def _sweep(self) -> None:
        with self._database.transaction() as session:
            self._database.exclude_others(session, QUEUE_LOCK)
            lost = attempts.reap(session)
            for job in JOBS.values():
                job.enqueue_due(session, self._settings)
            forgotten = now() - dt.timedelta(seconds=self._settings.transfer_lifetime)
            hashes = appliance_exports.delete_old(session, forgotten)
            hashes |= appliance_imports.delete_old(session, forgotten)
        if lost:
            _log.warning("took attempts from workers that were silent for too long", attempts=lost)
        if self._sweeper is not None and self._sweeper.is_alive():
            self._dropped |= hashes
            return
        hashes, self._dropped = hashes | self._dropped, set()
        if not self._artifacts.is_remote:
            self._sweep_artifacts(hashes)
        else:
            # A bucket may take its time, or not answer at all: nobody waits for that.
            self._sweeper = threading.Thread(target=self._sweep_remote_artifacts, args=(hashes,), name="sweep")
            self._sweeper.start()

    def _sweep_artifacts(self, hashes: set[str]) -> None:
        artifacts.sweep(self._database, self._artifacts, hashes)
        if self._sweeps % _LEFTOVERS_EVERY == 0 or not self._artifacts.is_remote:
            artifacts.sweep_leftovers(self._database, self._artifacts)
        # A little at a time: after 256 sweeps every directory of the store was looked at.
        artifacts.sweep_unreferenced(self._database, self._artifacts, f"{self._sweeps % 256:02x}")
        self._sweeps += 1

    def _sweep_remote_artifacts(self, hashes: set[str]) -> None:
        """Each look is a request that is paid for: they are rarer, unless there is something to remove."""
        due = self._swept_artifacts is None or time.monotonic() - self._swept_artifacts >= _REMOTE_SWEEP_SECONDS
        if not due and not hashes:
            return
        self._swept_artifacts = time.monotonic()
        try:
            self._sweep_artifacts(hashes)
        except ArtifactError as error:
            _log.warning("what is not needed any more could not be looked for", error=str(error))
        except (OperationalError, InterfaceError) as error:
            _log.warning("the database is away", error=str(error.orig))

    def _start_next(self) -> bool:
        busy = Counter(runner.attempt.kind for runner in self._running.values())
        free = [kind for kind, most in self._slots.items() if busy[kind] < most]
        with self._database.transaction(read_only=True) as session:
            if not attempts.is_waiting(session, free):
                return False
        with self._database.transaction() as session:
            attempt = attempts.claim(session, self._name, self._settings.lease_seconds, free)
        if attempt is None:
            return False
        runner = Runner(attempt, self._database, self._artifacts, self._settings, self._secret)
        thread = threading.Thread(target=runner.run, name=f"attempt-{attempt.id}")
        self._running[thread] = runner
        thread.start()
        return True


def lock_file(settings: Settings) -> Path:
    """The file that a worker of this data directory locks, and touches while it is well."""
    return settings.directory / LOCK_FILE


def main() -> int:
    """Run a worker until SIGTERM or SIGINT, or until the server that started it is gone."""
    worker = Worker(Settings())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: worker.stop())
    die_with_parent(signal.SIGTERM)
    set_up_logs()
    worker.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
