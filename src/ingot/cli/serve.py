"""`ingot serve`: the server and its worker."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import structlog
import uvicorn
from rich.table import Table

from ingot.api.server import server_config
from ingot.cli.output import console, fail
from ingot.logs import set_up_logs
from ingot.services import first_start
from ingot.settings import Settings
from ingot.store.database import Database

_log = structlog.get_logger()
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0


def serve(host: str, port: int, data_dir: Path | None) -> None:
    """Run the server until it is asked to stop."""
    if data_dir is not None:
        os.environ["INGOT_DATA_DIR"] = str(data_dir.expanduser().absolute())
    settings = Settings()
    set_up_logs()
    _make_data_dir(settings)
    listener = _listen(host, port)
    database = Database(settings.database)
    database.migrate()
    with database.transaction() as session:
        password = first_start.prepare(session, root_password=settings.root_password)
    _introduce(settings, listener, password)
    config = server_config(settings, database, host, port)
    with WorkerProcess():
        asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


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
    """The worker beside the server: started again when it dies, ended with the server."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._supervise, name="worker-supervisor", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._stopping.set()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
        self._thread.join(timeout=15)
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _supervise(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            started = time.monotonic()
            environment = {**os.environ, "INGOT_DIE_WITH_PARENT": "1"}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ingot.jobs.worker"], env=environment, stdin=subprocess.DEVNULL
            )
            status = self._process.wait()
            if self._stopping.is_set():
                return
            pause = _FIRST_PAUSE if time.monotonic() - started > 60 else min(pause * 2, _LONGEST_PAUSE)
            _log.error("the worker ended and is started again", status=status, seconds=pause)
            self._stopping.wait(pause)
