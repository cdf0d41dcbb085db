"""A site for fault tests: a data directory and a database with one appliance per image, and real workers."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select, update

from ingot.process import is_alive
from ingot.services import appliances, first_start, images, os_profiles
from ingot.services.secrets import server_secret
from ingot.settings import Settings
from ingot.store.artifacts import LocalArtifacts
from ingot.store.base import now
from ingot.store.database import Database
from ingot.store.tables import Appliance, Attempt, Distribution, Image, ImagePackage, User

ENGINE = Path(__file__).with_name("engine.py")
PATIENCE_SECONDS = 60


def eventually(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until a condition holds; fails with `what` when it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.02)


def _described(process: int) -> str:
    """What a process is and what each of its threads waits for, for whoever has to find out why it is still there."""
    directory = Path(f"/proc/{process}")
    try:
        threads = [f"{task.name} in {(task / 'wchan').read_text()}" for task in (directory / "task").iterdir()]
        command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return f"{process}: {command}; threads {threads}\n{(directory / 'status').read_text()}"
    except OSError as error:
        return f"{process}: {error}"


class Site:
    """Everything that workers and servers of one test share."""

    def __init__(self, root: Path, database_url: str | None, *, lease_seconds: int = 20, parallel: int = 2) -> None:
        self.root = root
        self.data = root / "data"
        self.control = root / "control"
        self.control.mkdir()
        self.data.mkdir(exist_ok=True)
        self.marker = uuid.uuid4().hex
        self.environment = {
            **os.environ,
            "INGOT_DATA_DIR": str(self.data),
            "INGOT_LEASE_SECONDS": str(lease_seconds),
            "INGOT_PARALLEL_BUILDS": str(parallel),
            "INGOT_BUILD_COMMAND": json.dumps([sys.executable, str(ENGINE)]),
            "INGOT_TEST_CONTROL": str(self.control),
            "INGOT_TEST_MARKER": self.marker,
            "INGOT_ROOT_PASSWORD": "secret",
        }
        database_url = database_url or f"sqlite:///{self.data / 'ingot.db'}"
        self.environment["INGOT_DATABASE_URL"] = database_url
        self.settings = Settings(data_dir=self.data, database_url=database_url)
        self.database = Database(self.settings.database)
        self.database.migrate()
        with self.database.transaction() as session:
            first_start.prepare(session, root_password="secret")
            # No test here wants the package lists.
            session.execute(update(Distribution).values(packages_refreshed=now()))
        server_secret(self.settings)
        self._processes: list[subprocess.Popen[bytes]] = []

    # Processes

    def start(self, *argv: str, **environment: str) -> "subprocess.Popen[bytes]":
        """Start a program of Ingot; what it says goes to log files that pytest shows for a failed test."""
        log = self.root / f"process-{len(self._processes)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *argv],
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def await_words(self, process: "subprocess.Popen[bytes]", words: str) -> str:
        """Wait until a process has said something; returns all that it said."""
        log = self.root / f"process-{self._processes.index(process)}.log"
        eventually(lambda: words in log.read_text(errors="replace"), f"a process says {words!r}")
        return log.read_text(errors="replace")

    def start_server(self, port: int = 0) -> "tuple[subprocess.Popen[bytes], str]":
        """Start a server, on any free port; returns it with where it listens: http://127.0.0.1:PORT."""
        server = self.start("ingot", "serve", "--port", str(port), "--data-dir", str(self.data))
        match = re.search(r"(http://127\.0\.0\.1:\d+)/api", self.await_words(server, "/docs"))
        assert match
        return server, match[1]

    def start_worker(self, data: Path | None = None) -> "subprocess.Popen[bytes]":
        """Start a worker; with another data directory it is as one on another machine."""
        return self.start("ingot.jobs.worker", INGOT_DATA_DIR=str(data or self.data))

    def close(self) -> None:
        """End all that is left, show what it said, and see that nothing survives."""
        for process in self._processes:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
        self.database.close()
        for log in sorted(self.root.glob("process-*.log")):
            print(f"--- {log.name}\n{log.read_text(errors='replace')[-6000:]}")
        try:
            eventually(lambda: not self.survivors(), "no process is left")
        except AssertionError:
            for process in self.survivors():
                print(_described(process))
            raise

    def survivors(self) -> list[int]:
        """The processes that builds of this site started, by what their surroundings say."""
        mark, own = self.marker.encode(), {process.pid for process in self._processes}
        found = []
        for directory in Path("/proc").glob("[0-9]*"):
            process = int(directory.name)
            try:
                is_ours = mark in (directory / "environ").read_bytes()
            except OSError:
                continue
            if is_ours and process not in own and is_alive(process):
                found.append(process)
        return found

    # Builds

    def let_go(self, name: str, stage: str | None = None) -> None:
        """Let a build leave a stage, or all its stages."""
        (self.control / f"go-{name}{f'.{stage}' if stage else ''}").touch()

    def await_stage(self, name: str, stage: str) -> None:
        """Wait until a build has reached a stage; forget that, so that its next try can be waited for."""
        reached = self.control / f"{name}.{stage}"
        eventually(reached.exists, f"{name} reaches {stage}; it is {self.attempt(name).state}")
        reached.unlink()

    def add_appliance(self, name: str, *, login: str = "root", profile: bool = True) -> int:
        """Create an appliance of a user; returns its id."""
        with self.database.transaction() as session:
            owner = session.scalars(select(User).where(User.login == login)).one()
            distribution = session.scalars(select(Distribution).order_by(Distribution.id)).first()
            assert distribution is not None
            appliance = appliances.create(
                session, owner, name=name, version="1", description="", distribution_id=distribution.id
            )
            if profile:
                os_profiles.create(session, appliance, distribution.profiles[0].id)
            return appliance.id

    def generate(self, name: str, format_name: str = "raw") -> int:
        """Ask for an image of a new appliance; returns the image's id."""
        appliance_id = self.add_appliance(name)
        with self.database.transaction() as session:
            appliance = session.get(Appliance, appliance_id)
            assert appliance is not None
            image = images.generate(
                session, appliance, format_name=format_name, compress=True, simulated=False, overrides=None
            )
            return image.id

    def cancel(self, name: str) -> None:
        """Cancel an image's generation."""
        with self.database.transaction() as session:
            images.cancel(session, session.scalars(select(Image).where(Image.name == name)).one())

    def image(self, name: str) -> Image:
        """The image of that name as it is now."""
        with self.database.transaction(read_only=True) as session:
            return session.scalars(select(Image).where(Image.name == name)).one()

    def attempt(self, name: str) -> Attempt:
        """The latest attempt at an image."""
        attempt = self.image(name).attempt
        assert attempt is not None
        return attempt

    def await_end(self, name: str) -> Attempt:
        """Wait until an image's generation is over."""
        eventually(lambda: self.attempt(name).is_over, f"{name} is over")
        return self.attempt(name)

    def package_count(self, name: str) -> int:
        """How many packages the image has."""
        with self.database.transaction(read_only=True) as session:
            query = select(ImagePackage).join(Image, Image.id == ImagePackage.image_id).where(Image.name == name)
            return len(list(session.scalars(query)))

    # Files

    def artifacts(self, data: Path | None = None) -> list[Path]:
        """The files in the artifact store."""
        return [path for path in ((data or self.data) / "artifacts").glob("*/*") if path.is_file()]

    def scratch(self, data: Path | None = None) -> list[Path]:
        """The scratch directories that are there."""
        return list(((data or self.data) / "scratch").glob("*"))

    def require_finished(self, name: str) -> None:
        """The image is complete: its row, its packages, its file, and nothing else."""
        image = self.image(name)
        assert image.attempt is not None
        assert (image.attempt.state, image.attempt.error) == ("done", None)
        assert image.sha256 is not None
        content = LocalArtifacts(self.data / "artifacts").path(image.sha256).read_bytes()
        assert content == (b"disk of " + name.encode()) * 1000
        assert image.size == len(content)
        assert self.package_count(name) == 2
        eventually(lambda: self.scratch() == [], "the scratch directory is gone")

    def require_nothing_kept(self, name: str) -> None:
        """Nothing of the image's generation is to be seen or left."""
        assert self.image(name).sha256 is None
        assert self.package_count(name) == 0
        assert self.artifacts() == []
        assert self.scratch() == []
        assert self.survivors() == []
        assert str(self.data) not in Path("/proc/self/mounts").read_text()


__all__ = ["Site", "eventually"]
