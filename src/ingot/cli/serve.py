"""`ingot serve`: the server and its worker."""

import os
import signal
import socket
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from alembic.util.exc import CommandError
from pydantic import ValidationError
from rich.table import Table
from sqlalchemy import make_url
from sqlalchemy.exc import DatabaseError

from ingot.api.server import GRACE_SECONDS, WebServer, server_config
from ingot.cli.output import console, fail
from ingot.cli.supervise import Hang, Stop, Supervised
from ingot.jobs.worker import lock_file
from ingot.logs import Log, set_up_logs
from ingot.process import raise_file_limit
from ingot.services import first_start
from ingot.settings import Settings
from ingot.store.artifacts import ArtifactError
from ingot.store.database import MIGRATION_LOCK, Database
from ingot.store.stores import require_usable

_log = Log()
_POLL_SECONDS = 0.2


def serve(host: str, port: int, data_dir: Path | None, processes: int | None) -> None:
    """Run the server until it is asked to stop."""
    if data_dir is not None:
        os.environ["INGOT_DATA_DIR"] = str(data_dir.expanduser().absolute())
    if processes is not None:
        os.environ["INGOT_PROCESSES"] = str(processes)
    settings = _settings()
    set_up_logs()
    raise_file_limit()
    _make_data_dir(settings)
    _try_artifacts(settings)
    listener = _listen(host, port)
    database, password = _open_database(settings)
    _introduce(settings, listener, password)
    if settings.processes == 1:
        server = WebServer(server_config(settings, database, host, port))
        with _worker(settings, server):
            server.run(sockets=[listener])
    else:
        database.close()
        _run_processes(settings, listener)
    _log.info("server ended")


class _Signals:
    """What signals ask of a server that is several processes."""

    def __init__(self) -> None:
        self.should_exit = self.force_exit = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, _number: int, _frame: object) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def _run_processes(settings: Settings, listener: socket.socket) -> None:
    """Run the server as several processes that share the socket and the database; one that dies is started again."""
    stop = _Signals()
    # Where in a line an error happened takes 0.7 MB for all that is imported; the line is enough.
    argv = [sys.executable, "-X", "no_debug_ranges", "-m", "ingot.api.process", str(listener.fileno())]
    with tempfile.TemporaryDirectory(prefix="ingot-metrics-") as metrics, ExitStack() as stack:
        environment = {"PROMETHEUS_MULTIPROC_DIR": metrics}
        for _ in range(settings.processes):
            process = Supervised(
                "server process", argv, stop, GRACE_SECONDS + 5, environment=environment, file=listener.fileno()
            )
            stack.enter_context(process)
        stack.enter_context(_worker(settings, stop))
        while not stop.should_exit:
            time.sleep(_POLL_SECONDS)


def _worker(settings: Settings, stop: Stop) -> Supervised:
    """The worker beside the server; what it does then is handed back to the queue."""
    hang = Hang(lock_file(settings), 3.0 * settings.lease_seconds)
    return Supervised("worker", [sys.executable, "-m", "ingot.jobs.worker"], stop, GRACE_SECONDS, hang=hang)


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        reasons = [
            f"{'.'.join(f'INGOT_{part}'.upper() for part in reason['loc'])} {reason['msg']}".strip()
            for reason in error.errors(include_url=False, include_input=False)
        ]
        fail(f"The settings are wrong: {'; '.join(reasons)}.")


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


def _try_artifacts(settings: Settings) -> None:
    try:
        require_usable(settings)
    except ArtifactError as error:
        fail(str(error))


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
