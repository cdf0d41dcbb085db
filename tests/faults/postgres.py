"""A PostgreSQL server for tests, on loopback and in a temporary directory."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

#: Debian keeps the server's programs off the path.
_PROGRAMS = ":".join([*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"))), os.environ["PATH"]])

_ENVIRONMENT = {**os.environ, "PATH": _PROGRAMS}


class Postgres:
    """A cluster of its own; it can be stopped and started."""

    def __init__(self) -> None:
        if shutil.which("initdb", path=_PROGRAMS) is None:
            pytest.skip("PostgreSQL's initdb is not installed: apt-get install postgresql")
        # PostgreSQL refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        self.root = Path(tempfile.mkdtemp(prefix="ingot-pg-"))
        if self._user:
            shutil.chown(self.root, self._user)
        self._cluster = self.root / "cluster"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._run("initdb", "-D", str(self._cluster), "-A", "trust", "-U", "ingot", "--no-sync")
        self.start()

    def start(self) -> None:
        """Start the server and wait for it; it ends with the tests, also when they are killed."""
        options = [f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]
        argv = ["setpriv", "--pdeathsig", "QUIT", "postgres", "-D", str(self._cluster)]
        with (self.root / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [*argv, *(word for option in options for word in ("-c", option))],
                cwd="/",
                user=self._user,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_ENVIRONMENT,
            )
        ready = ["pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(ready, check=False, env=_ENVIRONMENT).returncode != 0:
            if self._server.poll() is not None:
                pytest.fail((self.root / "log").read_text(encoding="utf-8", errors="replace"))
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the server as a crash would: connections break."""
        self._server.send_signal(signal.SIGQUIT)
        self._server.wait()

    def close(self) -> None:
        """Stop the server and remove its files."""
        self.stop()
        shutil.rmtree(self.root)

    def new_database(self, name: str) -> str:
        """Create a database; returns its URL."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "ingot", name)
        return f"postgresql+psycopg://ingot@127.0.0.1:{self.port}/{name}"

    def _run(self, *argv: str) -> None:
        subprocess.run(
            argv,
            check=True,
            capture_output=True,
            cwd="/",
            user=self._user,
            stdin=subprocess.DEVNULL,
            env=_ENVIRONMENT,
        )
