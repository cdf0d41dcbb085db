"""`ingot serve`: the server and its worker."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import structlog
import uvicorn
from alembic.util.exc import CommandError
from rich.table import Table
from sqlalchemy import make_url
from sqlalchemy.exc import DatabaseError

from ingot.api.server import server_config
from ingot.cli.output import console, fail
from ingot.jobs.worker import lock_file
from ingot.logs import set_up_logs
from ingot.process import bound_environment
from ingot.services import first_start
from ingot.settings import Settings
from ingot.store.database import MIGRATION_LOCK, Database

_log = structlog.get_logger()
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_POLL_SECONDS = 0.2
#: The worker hands back what it does in this time, or is killed; downloads under way are cut after it.
_GRACE_SECONDS = 15


def serve(host: str, port: int, data_dir: Path | None) -> None:
    """Run the server until it is asked to stop."""
    if data_dir is not None:
        os.environ["INGOT_DATA_DIR"] = str(data_dir.expanduser().absolute())
    settings = Settings()
    set_up_logs()
    _make_data_dir(settings)
    listener = _listen(host, port)
    database, password = _open_database(settings)
    config = server_config(settings, database, host, port)
    config.timeout_graceful_shutdown = _GRACE_SECONDS
    _introduce(settings, listener, password)
    server = _Server(config)
    with WorkerProcess(settings, server):
        server.run(sockets=[listener])
    _log.info("server ended")


class _Server(uvicorn.Server):
    """Ends by itself at the first SIGINT or SIGTERM, so that the worker is ended too; at once at the second one."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take note of a signal."""
        self.force_exit = self.should_exit
        self.should_exit = True


def _open_database(settings: Settings) -> tuple[Database, str | None]:
    """(The database in its present version, the administrator's password when it was just made up)."""
    try:
        database = Database(settings.database)
        database.migrate()
        with database.transaction() as session:
            database.exclude_others(session, MIGRATION_LOCK)
            return database, first_start.prepare(session, root_password=settings.root_password)
    except CommandError as error:
        fail(
            f"The database {_shown(settings)} was made by another version of Ingot ({error}). Start that version or a "
            "newer one, or choose another directory: --data-dir DIR"
        )
    except DatabaseError as error:
        fail(
            f"The database {_shown(settings)} cannot be used: {str(error.orig).strip()}. "
            "Look at INGOT_DATABASE_URL, or choose another directory: --data-dir DIR"
        )


def _shown(settings: Settings) -> str:
    return make_url(settings.database).render_as_string(hide_password=True)


def _make_data_dir(settings: Settings) -> None:
    try:
        settings.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = settings.directory / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        fail(
            f"The data directory {settings.directory} cannot be written: {error.strerror}. Choose one: --data-dir DIR"
        )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        fail(f"The server cannot listen on {host}:{port}: {error.strerror}. Choose another: --host and --port")
    listener.listen(2048)
    return listener


def _introduce(settings: Settings, listener: socket.socket, password: str | None) -> None:
    host, port = listener.getsockname()[:2]
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("API", f"http://{host}:{port}/api")
    table.add_row("Operations", f"http://{host}:{port}/docs")
    table.add_row("Data", str(settings.directory))
    if password is not None:
        table.add_row("Administrator", "root")
        table.add_row("Password", f"[bold]{password}[/bold] (shown this once: keep it)")
    console.print(table)


class WorkerProcess:
    """The worker beside the server: started again when it dies or hangs, ended with the server."""

    def __init__(self, settings: Settings, server: uvicorn.Server) -> None:
        self._server = server
        self._lock = lock_file(settings)
        self._patience = 3.0 * settings.lease_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="worker-supervisor")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _supervise(self) -> None:
        """Runs in a thread that lives as long as the server: the kernel ends the worker together with it."""
        pause = _FIRST_PAUSE
        while not self._is_stopping():
            started = time.monotonic()
            process = subprocess.Popen(
                [sys.executable, "-m", "ingot.jobs.worker"], env=bound_environment(), stdin=subprocess.DEVNULL
            )
            self._watch(process)
            if self._is_stopping():
                self._end(process)
                return
            pause = _FIRST_PAUSE if time.monotonic() - started > 60 else min(pause * 2, _LONGEST_PAUSE)
            _log.error("the worker ended and is started again", status=process.wait(), seconds=pause)
            self._stopping.wait(pause)

    def _watch(self, process: "subprocess.Popen[bytes]") -> None:
        """Return when the worker ended, was killed because it hung, or has to stop."""
        seen, changed = self._touched(), time.monotonic()
        while process.poll() is None and not self._is_stopping():
            if self._touched() != seen:
                seen, changed = self._touched(), time.monotonic()
            elif time.monotonic() - changed > self._patience:
                _log.error("the worker hangs and is killed", seconds=self._patience)
                process.kill()
                process.wait()
            self._stopping.wait(_POLL_SECONDS)

    def _is_stopping(self) -> bool:
        return self._stopping.is_set() or self._server.should_exit

    def _touched(self) -> int:
        with contextlib.suppress(OSError):
            return self._lock.stat().st_mtime_ns
        return 0

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        process.terminate()
        deadline = time.monotonic() + _GRACE_SECONDS
        while process.poll() is None and time.monotonic() < deadline and not self._server.force_exit:
            time.sleep(0.05)
        process.kill()
        process.wait()
