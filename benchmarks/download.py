"""Compare downloads from Ingot and from nginx (sendfile): the same files, the same client, in turns, without TLS.

usage: python benchmarks/download.py [MEGABYTES]

Prints throughput, CPU seconds per gigabyte and peak memory of both, and their ratios. Ingot is asked with a login,
so that each request is authenticated and allowed; both log every request. Needs nginx, and wrk for the small files.
"""

import base64
import os
import random
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import update

from ingot.build.request import BuildResult
from ingot.process import raise_file_limit
from ingot.services import appliances, attempts, first_start, images, os_profiles
from ingot.services.secrets import server_secret
from ingot.settings import Settings
from ingot.store.artifacts import LocalArtifacts
from ingot.store.base import now
from ingot.store.database import Database
from ingot.store.tables import Distribution, Image, User

_PROCESSES = 2
_TICKS = os.sysconf("SC_CLK_TCK")
_LOGIN = "Basic " + base64.b64encode(b"root:benchmark").decode()
_SLOW, _SLOW_PIECE = 1000, 64 << 10
_RANGES, _RANGE = 2000, 64 << 10


@dataclass(frozen=True)
class Server:
    """A running server: its processes that serve, and the paths of the large and the small file."""

    name: str
    port: int
    processes: tuple[int, ...]
    large: str
    small: str

    def cpu(self) -> float:
        """Seconds of CPU that its processes have used."""
        fields = [Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split() for process in self.processes]
        return sum(int(field[11]) + int(field[12]) for field in fields) / _TICKS

    def resident(self) -> float:
        """MB of memory of its largest process."""
        texts = [Path(f"/proc/{process}/status").read_text() for process in self.processes]
        return max(int(re.search(r"VmRSS:\s+(\d+)", text)[1]) for text in texts) / 1024  # type: ignore[index]


def main(size: int) -> int:
    """Run everything in turns and print the table."""
    missing = [program for program in ("nginx", "wrk") if shutil.which(program) is None]
    if missing:
        print(f"Missing: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 1
    raise_file_limit()
    rows: dict[str, list[tuple[float, float, float]]] = {}
    with tempfile.TemporaryDirectory() as name, servers(Path(name), size) as (nginx, ingot):
        for title, measure in _MEASUREMENTS.items():
            for server in (nginx, ingot):
                measure(server, size)  # warm
            rows[title] = [observed(server, measure, size) for server in (nginx, ingot)]
    table = Table(box=None, pad_edge=False)
    for title in ("What", "nginx", "Ingot", "ratio", "CPU s/GB", "", "ratio", "MB", ""):
        table.add_column(title, justify="left" if title == "What" else "right")
    for title, ((speed, cpu, memory), (our_speed, our_cpu, our_memory)) in rows.items():
        table.add_row(
            title,
            *(f"{speed:,.0f}", f"{our_speed:,.0f}", f"{our_speed / speed:.2f}"),
            *(f"{cpu:.3f}", f"{our_cpu:.3f}", f"{our_cpu / cpu:.2f}" if cpu else ""),
            *(f"{memory:.0f}", f"{our_memory:.0f}"),
        )
    Console(width=140).print(table)
    return 0


def observed(
    server: Server, measure: Callable[[Server, int], tuple[float, int]], size: int
) -> tuple[float, float, float]:
    """(Speed, CPU seconds per GB, MB of memory) of one measurement."""
    before = server.cpu()
    speed, sent = measure(server, size)
    return speed, (server.cpu() - before) / (sent / 1e9), max(server.resident(), _memory.pop(server.name, 0.0))


# What is measured: each returns (MB or requests per second, bytes sent)


def single(server: Server, size: int) -> tuple[float, int]:
    """One stream after the other."""
    return streams(server, 1, 3 * size)


def many(server: Server, size: int) -> tuple[float, int]:
    """64 streams at once."""
    return streams(server, 64, 6 * size)


def streams(server: Server, number: int, wanted: int) -> tuple[float, int]:
    """Take so many bytes over so many connections; a whole file is asked for again and again."""
    selector = selectors.DefaultSelector()
    buffer = bytearray(1 << 20)
    for _ in range(number):
        selector.register(ask(server, server.large), selectors.EVENT_READ)
    got, started = 0, time.monotonic()
    while got < wanted:
        for key, _ in selector.select():
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            count = connection.recv_into(buffer)
            got += count
            if count == 0:
                selector.unregister(connection)
                connection.close()
                selector.register(ask(server, server.large), selectors.EVENT_READ)
    seconds = time.monotonic() - started
    for key in list(selector.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    return got / seconds / 1e6, got


def slow(server: Server, size: int) -> tuple[float, int]:
    """A thousand streams that take a little at a time, and some MB each: images are large."""
    connections = [ask(server, server.large) for _ in range(_SLOW)]
    got, started = 0, time.monotonic()
    while got < 8 * size:
        for connection in connections:
            got += len(connection.recv(_SLOW_PIECE))
    seconds = time.monotonic() - started
    _memory[server.name] = server.resident()
    for connection in connections:
        connection.close()
    time.sleep(0.5)
    return got / seconds / 1e6, got


def ranges(server: Server, size: int) -> tuple[float, int]:
    """64 KiB at random places, one after the other over one connection."""
    chance = random.Random(1)  # noqa: S311 - nothing secret
    connection = socket.create_connection(("127.0.0.1", server.port))
    buffer = bytearray(1 << 20)
    started = time.monotonic()
    for _ in range(_RANGES):
        start = chance.randrange(size - _RANGE)
        connection.sendall(request(server.large, f"Range: bytes={start}-{start + _RANGE - 1}"))
        got = connection.recv_into(buffer)
        head = buffer.find(b"\r\n\r\n", 0, got) + 4
        assert buffer.startswith(b"HTTP/1.1 206")
        while got < head + _RANGE:
            got += connection.recv_into(buffer)
    seconds = time.monotonic() - started
    connection.close()
    return _RANGES / seconds, _RANGES * _RANGE


def small(server: Server, _size: int) -> tuple[float, int]:
    """4 KiB files over 32 connections that are kept."""
    url = f"http://127.0.0.1:{server.port}{server.small}"
    argv = ["wrk", "-t1", "-c32", "-d5", "-H", f"Authorization: {_LOGIN}", url]
    text = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in text, text
    speed, total = re.search(r"Requests/sec:\s+([\d.]+)", text), re.search(r"(\d+) requests in", text)
    assert speed
    assert total
    return float(speed[1]), int(total[1]) * 4096


#: MB that a server took while a measurement was at its height.
_memory: dict[str, float] = {}
_MEASUREMENTS = {
    "1 stream, MB/s": single,
    "64 streams, MB/s": many,
    "1,000 slow streams, MB/s": slow,
    "64 KiB ranges, requests/s": ranges,
    "4 KiB files, requests/s": small,
}


def request(path: str, *headers: str) -> bytes:
    """A request's bytes."""
    lines = [f"GET {path} HTTP/1.1", "Host: x", f"Authorization: {_LOGIN}", *headers]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"


def ask(server: Server, path: str) -> socket.socket:
    """A connection that has asked for a file, to be ended with it."""
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(request(path, "Connection: close"))
    return connection


# The servers


@contextmanager
def servers(directory: Path, size: int) -> Iterator[tuple[Server, Server]]:
    """nginx and Ingot on the same artifacts, with as many processes."""
    data = directory / "data"
    settings = Settings(data_dir=data)
    data.mkdir()
    database = Database(settings.database)
    database.migrate()
    with database.transaction() as session:
        first_start.prepare(session, root_password="benchmark")  # noqa: S106
        # The worker would fetch the package lists meanwhile, on the same cores.
        session.execute(update(Distribution).values(packages_refreshed=now()))
    paths, hashes = zip(
        *(finish(settings, database, name, of) for name, of in (("l", size), ("s", 4096))), strict=True
    )
    database.close()
    ports = free_port(), free_port()
    with (
        running(nginx_command(directory, data / "artifacts", ports[0])) as nginx,
        running(
            [sys.executable, "-m", "ingot", "serve", "--port", str(ports[1]), "--processes", str(_PROCESSES)], data
        ) as ingot,
    ):
        for port in ports:
            await_port(port)
        own = await_children(ingot, b"ingot.api.process")
        time.sleep(5)
        files = [f"/{sha256[:2]}/{sha256}" for sha256 in hashes]
        yield (
            Server("nginx", ports[0], tuple(children(nginx, b"worker")), *files),
            Server("ingot", ports[1], own, *paths),
        )


def finish(settings: Settings, database: Database, name: str, size: int) -> tuple[str, str]:
    """Make a finished image of random bytes; (the path of its downloads, its SHA-256)."""
    with database.transaction() as session:
        owner = session.query(User).filter_by(login="root").one()
        distribution = session.query(Distribution).order_by(Distribution.id).first()
        assert distribution
        appliance = appliances.create(
            session, owner, name=name, version="1", description="", distribution_id=distribution.id
        )
        os_profiles.create(session, appliance, distribution.profiles[0].id)
        session.flush()
        image = images.generate(session, appliance, format_name="raw", compress=True, simulated=False, overrides=None)
        session.flush()
        appliance_id, image_id = appliance.id, image.id
    with LocalArtifacts(settings.directory / "artifacts").writer() as writer:
        for start in range(0, size, 1 << 20):
            writer.write(os.urandom(min(1 << 20, size - start)))
    stored = writer.result()
    with database.transaction() as session:
        attempt = attempts.claim(session, "benchmark", 60, (images.JOB,))
        assert attempt
        result = BuildResult(
            output=None, sha256=stored.sha256, size=size, installed_size=1, disk_size=1, packages=[], timings={}
        )
        images.complete(session, session.get_one(Image, image_id), result, server_secret(settings), 3600)
        attempts.finish(session, attempt.id, attempt.token or "", "done", message="Done")
    return f"/api/users/root/appliances/{appliance_id}/images/{image_id}/downloads", stored.sha256


def nginx_command(directory: Path, artifacts: Path, port: int) -> list[str]:
    """nginx with its usual settings for files."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = " ".join(f"{kind}_temp_path {directory}/{kind};" for kind in kinds)
    (directory / "nginx.conf").write_text(
        f"daemon off; worker_processes {_PROCESSES}; pid {directory}/pid; error_log {directory}/error.log;\n"
        f"{'user root;' if os.geteuid() == 0 else ''} events {{ worker_connections 4096; }}\n"
        f"http {{ {places} access_log {directory}/access.log; sendfile on; tcp_nodelay on;\n"
        f"keepalive_requests 1000000;\n"
        f"server {{ listen 127.0.0.1:{port}; root {artifacts}; }} }}\n"
    )
    return ["nginx", "-e", f"{directory}/error.log", "-c", f"{directory}/nginx.conf"]


@contextmanager
def running(argv: list[str], data: Path | None = None) -> Iterator[int]:
    """A program that runs meanwhile; its log goes to a file."""
    environment = {**os.environ, **({"INGOT_DATA_DIR": str(data)} if data else {})}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def children(parent: int, words: bytes) -> Iterator[int]:
    """The processes that a process started and whose command has these words."""
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            stat = (directory / "stat").read_text().rpartition(")")[2].split()
            command = (directory / "cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue
        if int(stat[1]) == parent and words in command:
            yield int(directory.name)


def await_children(parent: int, words: bytes) -> tuple[int, ...]:
    """All processes that serve, as soon as they have been started."""
    for _ in range(300):
        own = tuple(children(parent, words))
        if len(own) == _PROCESSES:
            return own
        time.sleep(0.1)
    raise TimeoutError(f"process {parent} has started {len(own)} of {_PROCESSES}")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_port(port: int) -> None:
    """Wait until somebody listens."""
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"nobody listens on port {port}")


if __name__ == "__main__":
    sys.exit(main((int(sys.argv[1]) if len(sys.argv) > 1 else 1024) << 20))
