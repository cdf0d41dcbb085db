"""Time builds against other builders on the same packages, in turns, and print medians and ratios.

usage: python benchmarks/build.py [--only cold,more,format,again,pair] [--rounds N] [--results FILE] [--chart FILE.svg]

`cold`: from package files (the peers fetch theirs from the mirror) to the peers' tree or disk and Ingot's qcow2.
`more`: one package more, each from its own cached tree. `format`: a cached disk as qcow2, against qemu-img, both
synced. `again`: the same image asked for again at the server's services. `pair`: two builds at once from package
files, of two appliances with one cache, and of one with two caches.
`--results` keeps the figures of several runs together (JSON). Needs root for the peers, and the mirrors.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from chart import bars
from peers import DISK_GB, MORE, PEERS, Peer
from rich.console import Console
from rich.table import Table

from ingot.build.request import BuildRequest
from ingot.build.template import Template
from ingot.services import appliances, first_start, images, os_profiles
from ingot.services.reuse import Shelf
from ingot.services.secrets import server_secret
from ingot.settings import Settings
from ingot.store.artifacts import LocalArtifacts
from ingot.store.database import Database
from ingot.store.tables import Appliance, Distribution, Image, User

TASKS = ("cold", "more", "format", "again", "pair")


@dataclass(frozen=True)
class Run:
    """One run: wall and CPU seconds, MB of the largest process, MB that the disk was fuller at the most."""

    wall: float
    cpu: float
    memory: float
    disk: float


Figures = dict[str, dict[str, list[Run]]]


class Bench:
    """The tasks, below one directory; `cache` is the engine's."""

    def __init__(self, work: Path, rounds: int, figures: Figures) -> None:
        self.work, self.rounds, self.figures = work, rounds, figures
        self.cache = work / "cache"
        self.peers: list[Peer] = []
        for kind in PEERS:
            peer = kind(work / kind.name)
            problem = peer.problem()
            if problem is None:
                self.peers.append(peer)
            else:
                print(f"without {peer.name}: {problem}")

    def cold(self) -> None:
        """Everything from packages."""
        self.build()  # fetches the package files
        for _ in range(self.rounds):
            for peer in list(self.peers):
                self._try(peer, "cold", peer.cold())
            self._forget("trees", "disks", "clusters")
            self._note("cold", "ingot", self.build())

    def more(self) -> None:
        """One package more on the cached tree."""
        self.build()
        self.build([MORE])  # fetches its package files
        peers = [peer for peer in self.peers if peer.more() is not None]
        for peer in peers:
            if not (peer.directory / "tree.tar").exists():
                timed(peer.cold(), peer.directory)
        for _ in range(self.rounds):
            for peer in peers:
                self._try(peer, "more", peer.more() or ())
            self._forget("disks")
            self._forget_layers()
            self._note("more", "ingot", self.build([MORE]))

    def format(self) -> None:
        """A cached disk in another format."""
        self.build(format_="raw")
        raw = next((self.cache / "disks").glob("*/tree/disk.raw"))
        output = self.work / "other.qcow2"
        options = ["-c", "-W", "-m", "8", "-o", "compression_type=zstd"]
        convert = ["qemu-img", "convert", "-O", "qcow2", *options, os.fspath(raw), os.fspath(output)]
        # Ingot's image is safely on the disk when it says so; so is qemu-img's here.
        synced = ["sh", "-c", '"$@" && sync "$0"', os.fspath(output), *convert]
        for _ in range(self.rounds):
            self._note("format", "qemu-img", timed(synced, self.work))
            output.unlink()
            self._forget("clusters")
            self._note("format", "ingot", self.build())

    def again(self) -> None:
        """The same image at the server."""
        settings = Settings(data_dir=self.work / "data", cache_dir=self.cache)
        settings.directory.mkdir(parents=True)
        database = Database(settings.database)
        database.migrate()
        artifacts = LocalArtifacts(settings.directory / "artifacts")
        shelf = Shelf(database, artifacts, settings, server_secret(settings))
        with database.transaction() as session:
            first_start.prepare(session, root_password="benchmark")  # noqa: S106 - of a server that nobody reaches
            owner, distribution = session.query(User).first(), session.query(Distribution).first()
            assert owner is not None
            assert distribution is not None
            appliance = appliances.create(
                session, owner, name="benchmark", version="1", description="", distribution_id=distribution.id
            )
            os_profiles.create(session, appliance, distribution.profiles[0].id)
            appliance_id = appliance.id

        def ask() -> Image:
            with database.transaction() as session:
                found = session.get_one(Appliance, appliance_id)
                return images.generate(
                    session, found, format_name="qcow2", compress=True, simulated=False, overrides=None, shelf=shelf
                )

        first = ask()
        environment = {**os.environ, "INGOT_DATA_DIR": str(settings.directory), "INGOT_CACHE_DIR": str(self.cache)}
        worker = subprocess.Popen(
            [sys.executable, "-m", "ingot.jobs.worker"], env=environment, stderr=subprocess.DEVNULL
        )
        state = "queued"
        while state in ("queued", "running"):
            time.sleep(0.2)
            with database.transaction(read_only=True) as session:
                attempt = session.get_one(Image, first.id).attempt
                state = attempt.state if attempt else "gone"
        worker.terminate()
        worker.wait()
        for _ in range(self.rounds):
            started, cpu = time.monotonic(), time.process_time()
            image = ask()
            wall = time.monotonic() - started
            assert image.attempt is not None
            assert image.attempt.state == "done", f"it was not answered at once; the first generation ended {state}"
            self._note("again", "ingot", Run(wall, time.process_time() - cpu, 0, 0))

    def pair(self) -> None:
        """Two builds at once against one."""
        self.build()
        self.build([MORE])
        others = [self.work / "first", self.work / "second"]
        for _ in range(self.rounds):
            self._forget("trees", "disks", "clusters")
            self._note("pair", "one build", self.build())
            self._forget("trees", "disks", "clusters")
            self._note("pair", "two at once", self._at_once(self.build, lambda: self.build([MORE])))
            for other in others:
                shutil.rmtree(other, ignore_errors=True)
                shutil.copytree(self.cache / "packages", other / "packages", copy_function=os.link)
                shutil.copytree(self.cache / "lists", other / "lists")
            for other in others:
                self.build(cache=other, simulate=True)  # the lists are at home in their new place
            apart = self._at_once(*(partial(self.build, cache=other) for other in others))
            self._note("pair", "two with a cache each", apart)

    def _at_once(self, *builds: Callable[[], Run]) -> Run:
        started = time.monotonic()
        with ThreadPoolExecutor() as pool:
            runs = list(pool.map(lambda build: build(), builds))
        wall = time.monotonic() - started
        return Run(wall, sum(run.cpu for run in runs), max(run.memory for run in runs), max(run.disk for run in runs))

    def build(
        self, more: Sequence[str] = (), *, format_: str = "qcow2", cache: Path | None = None, simulate: bool = False
    ) -> Run:
        """One build of Ingot, as its command does it."""
        scratch = Path(tempfile.mkdtemp(dir=self.work, prefix="scratch-"))
        template = Template.model_validate(
            {
                "name": "benchmark",
                "version": "1",
                "os": {"name": "Debian", "version": "12", "pkgs": [{"name": name} for name in more]},
                "installation": {"diskSize": DISK_GB * 1024},
            }
        )
        request = BuildRequest(
            template=template,
            output=scratch / "image",
            scratch=scratch,
            cache=cache or self.cache,
            format=format_,
            simulate=simulate,
        )
        file = scratch / "request.json"
        file.write_text(request.model_dump_json(), encoding="utf-8")
        try:
            return timed([sys.executable, "-m", "ingot.build", "run", file], self.work)
        finally:
            shutil.rmtree(scratch)

    def _try(self, peer: Peer, task: str, argv: Sequence[str]) -> None:
        try:
            self._note(task, peer.name, timed(argv, peer.directory))
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip().splitlines()
            print(f"without {peer.name}: it failed with status {error.returncode}: {said[-1] if said else ''}")
            self.peers = [other for other in self.peers if other is not peer]

    def _forget(self, *kinds: str) -> None:
        for kind in kinds:
            shutil.rmtree(self.cache / kind, ignore_errors=True)

    def _forget_layers(self) -> None:
        """Forget the trees that are more than the base."""
        for file in (self.cache / "trees").glob("*/description.json"):
            if json.loads(file.read_bytes())["description"]["parent"]:
                shutil.rmtree(file.parent)

    def _note(self, task: str, who: str, run: Run) -> None:
        print(f"{task}: {who} {run.wall:.2f} s", flush=True)
        self.figures.setdefault(task, {}).setdefault(who, []).append(run)


def timed(argv: Sequence[str | Path], place: Path) -> Run:
    """Run a program that must succeed, in a directory whose file system it fills."""
    before = shutil.disk_usage(place).used
    most, ended = before, threading.Event()

    def look() -> None:
        nonlocal most
        while not ended.wait(0.1):
            most = max(most, shutil.disk_usage(place).used)

    looking = threading.Thread(target=look)
    looking.start()
    started = time.monotonic()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(argv, cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        ended.set()
        looking.join()
        if process.returncode != 0:
            errors.seek(0)
            raise subprocess.CalledProcessError(process.returncode, [str(word) for word in argv], None, errors.read())
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, (most - before) / (1 << 20))


def report(figures: Figures) -> None:
    """Print medians, and each one's ratio to the first of its task."""
    table = Table(box=None, pad_edge=False)
    for title in ("Task", "Who", "Runs", "Wall s", "CPU s", "Memory MB", "Disk MB", "Ratio"):
        table.add_column(title, justify="left" if title in ("Task", "Who") else "right")
    for task, runs in figures.items():
        first = None
        for who, ones in runs.items():
            wall, cpu, memory, disk = (statistics.median(getattr(one, field) for one in ones) for field in _FIELDS)
            first = first or wall
            row = [f"{wall:.2f}", f"{cpu:.1f}", f"{memory:.0f}", f"{disk:.0f}", f"{wall / first:.2f}"]
            table.add_row(task, who, str(len(ones)), *row)
    Console().print(table)


_FIELDS = ("wall", "cpu", "memory", "disk")


def main() -> int:
    """Run the tasks asked for, and print what is known of all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default=",".join(TASKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--chart", type=Path)
    parser.add_argument("--work", type=Path, help="a directory that stays, with package files and trees")
    options = parser.parse_args()
    figures: Figures = {}
    if options.results and options.results.exists():
        document = json.loads(options.results.read_bytes())
        figures = {
            task: {who: [Run(**run) for run in runs] for who, runs in of.items()} for task, of in document.items()
        }
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        bench = Bench(work, options.rounds, figures)
        tasks: dict[str, Callable[[], None]] = {task: getattr(bench, task) for task in TASKS}
        for task in filter(None, options.only.split(",")):
            figures.pop(task, None)
            tasks[task]()
            shutil.rmtree(work / "data", ignore_errors=True)
    report(figures)
    if options.results:
        document = {
            task: {who: [asdict(run) for run in runs] for who, runs in of.items()} for task, of in figures.items()
        }
        options.results.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if options.chart:
        medians = {
            task: {who: statistics.median(run.wall for run in runs) for who, runs in of.items()}
            for task, of in figures.items()
        }
        options.chart.write_text(bars(medians), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
