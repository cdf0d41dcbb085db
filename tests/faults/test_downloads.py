"""Downloads from servers of several processes, some of which are killed."""

import asyncio
import contextlib
import hashlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import select, update

from ingot.services import download_keys, images
from ingot.services.secrets import server_secret
from ingot.store.artifacts import LocalArtifacts
from ingot.store.tables import Attempt, Download, Image
from tests.faults.site import Site, eventually

_RACERS, _RACES = 500, 20
_PROCESSES = 3


@dataclass(frozen=True)
class File:
    """A finished image."""

    image_id: int
    target: str
    sha256: str
    content: bytes


def _finish(site: Site, content: bytes) -> File:
    """An image with this content: what a worker does at the end of a build, without the build."""
    name = f"image-{hashlib.sha256(content).hexdigest()[:8]}"
    image_id = site.generate(name)
    with LocalArtifacts(site.data / "artifacts").writer() as writer:
        writer.write(content)
    stored = writer.result()
    with site.database.transaction() as session:
        row = session.get_one(Image, image_id)
        row.sha256, row.size = stored.sha256, stored.size
        row.file_name = images.file_name(row)
        session.execute(update(Attempt).where(Attempt.id == row.attempt_id).values(state="done"))
        target = f"/api/users/root/appliances/{row.appliance_id}/images/{image_id}/downloads"
    return File(image_id, target, stored.sha256, content)


def _new_key(site: Site, file: File) -> str:
    """The key that the image shows now."""
    with site.database.transaction() as session:
        secret = server_secret(site.settings)
        return download_keys.issue(session, secret, images.KIND, [file.image_id], 3600)[file.image_id]


def _serve(site: Site, **environment: str) -> "tuple[int, str]":
    """Start a server of several processes; returns (its process, where it listens)."""
    site.environment |= {"INGOT_PROCESSES": str(_PROCESSES), **environment}
    server, address = site.start_server()
    eventually(lambda: len(_children(server.pid, "ingot.api.process")) == _PROCESSES, "all processes are there")
    eventually(lambda: _is_up(address), "the server answers")
    return server.pid, address


def _is_up(address: str) -> bool:
    try:
        return httpx.get(f"{address}/api/status").status_code == 200
    except httpx.TransportError:
        return False


def _children(parent: int, words: str) -> list[int]:
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            stat = (directory / "stat").read_text().rpartition(")")[2].split()
            command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if int(stat[1]) == parent and words in command:
            found.append(int(directory.name))
    return found


def _who_sends(server: int, sha256: str) -> list[int]:
    """The processes of a server that have an artifact open."""
    senders = []
    for process in _children(server, "ingot.api.process"):
        links = []
        for link in Path(f"/proc/{process}/fd").iterdir():
            try:
                links.append(os.readlink(link))  # noqa: PTH115
            except OSError:
                continue
        if any(sha256 in link for link in links):
            senders.append(process)
    return senders


async def _race(address: str, target: str, racers: int) -> Counter[int]:
    """The statuses of so many requests at once, each on a connection of its own that is open before."""
    parts = urlsplit(address)
    gate = asyncio.Event()

    async def run() -> int:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        await gate.wait()
        writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return int(answer.split(b" ", 2)[1])

    tasks = [asyncio.create_task(run()) for _ in range(racers)]
    await asyncio.sleep(0.1)
    gate.set()
    return Counter(await asyncio.gather(*tasks))


def test_of_500_at_once_one_wins_each_time(any_site: Site) -> None:
    file = _finish(any_site, b"the image")
    server, address = _serve(any_site)
    used = set()
    for _ in range(_RACES):
        key = _new_key(any_site, file)
        assert key not in used
        used.add(key)
        assert asyncio.run(_race(address, f"{file.target}?downloadId={key}", _RACERS)) == {200: 1, 403: _RACERS - 1}
    assert len(_children(server, "ingot.api.process")) == _PROCESSES


@pytest.mark.parametrize("victim", ["process", "server"])
def test_a_download_goes_on_after_its_server_is_killed(new_site: Callable[..., Site], victim: str) -> None:
    site = new_site()
    file = _finish(site, os.urandom(40_000_000))
    server, address = _serve(site)
    target = f"{file.target}?downloadId={_new_key(site, file)}"
    got = b""
    with contextlib.suppress(httpx.TransportError), httpx.stream("GET", address + target) as response:
        for chunk in response.iter_raw(100_000):
            if not got:
                senders = _who_sends(server, file.sha256)
                assert len(senders) == 1
                os.kill(senders[0] if victim == "process" else server, signal.SIGKILL)
            got += chunk
    assert 0 < len(got) < len(file.content)
    if victim == "server":
        eventually(lambda: not _is_up(address), "the server is gone, with all its processes")
        port = urlsplit(address).port
        assert port is not None
        site.start_server(port)
        eventually(lambda: _is_up(address), "the next one answers")
    headers = {"Range": f"bytes={len(got)}-", "If-Range": f'"{file.sha256}"'}
    assert httpx.get(address + target).status_code == 403
    rest = httpx.get(address + target, headers=headers, timeout=60)
    assert rest.status_code == 206
    assert got + rest.content == file.content
    if victim == "process":
        eventually(lambda: len(_children(server, "ingot.api.process")) == _PROCESSES, "the dead one is replaced")


def test_limits_hold_for_all_processes_and_outlive_none(any_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    file, other = _finish(any_site, os.urandom(40_000_000)), _finish(any_site, os.urandom(40_000_001))
    server, address = _serve(any_site, INGOT_DOWNLOADS_PER_OBJECT="2", INGOT_DOWNLOADS_PER_USER="3")
    with httpx.Client(auth=("root", "secret"), timeout=60) as client:

        def status(one: File, method: str = "GET") -> int:
            with client.stream(method, address + one.target) as response:
                return response.status_code

        streams = [client.stream("GET", address + one.target) for one in (file, file, other)]
        responses = [stream.__enter__() for stream in streams]
        assert [response.status_code for response in responses] == [200, 200, 200]
        assert (status(file), status(other), status(file, "HEAD")) == (429, 429, 200)
        refused = client.get(address + other.target, headers={"Accept": "application/json"})
        assert "3 downloads of this user" in refused.text
        assert int(refused.headers["retry-after"]) > 0
        # Neither is a key used up by a download that there is no room for.
        key = _new_key(any_site, other)
        assert client.get(f"{address}{other.target}?downloadId={key}", auth=None).status_code == 429
        streams[0].__exit__(None, None, None)
        eventually(lambda: _counted(any_site) == 2, "one less is counted")
        assert status(file) == 200
        # Killed processes count nothing for long.
        for process in _children(server, "ingot.api.process"):
            os.kill(process, signal.SIGKILL)
        for stream in streams[1:]:
            stream.__exit__(None, None, None)
        eventually(lambda: _is_up(address), "the server answers again")
        with any_site.database.transaction() as session:  # half a minute later
            left = session.scalars(select(Download)).all()
            for row in left:
                row.lease_until = row.created
        assert len(left) >= 2
        assert (status(file), status(other)) == (200, 200)
        assert client.get(f"{address}{other.target}?downloadId={key}", auth=None).status_code == 200


def _counted(site: Site) -> int:
    with site.database.transaction(read_only=True) as session:
        return len(session.scalars(select(Download)).all())


def test_a_rate_is_shared_by_processes(new_site: Callable[..., Site]) -> None:
    site = new_site()
    file = _finish(site, os.urandom(1_500_000))
    _, address = _serve(site, INGOT_DOWNLOAD_RATE_PER_USER="1000000")

    async def fetch(client: httpx.AsyncClient) -> bytes:
        response = await client.get(address + file.target)
        return response.content

    async def fetch_two() -> list[bytes]:
        async with httpx.AsyncClient(auth=("root", "secret"), timeout=60) as client:
            return await asyncio.gather(fetch(client), fetch(client))

    started = time.monotonic()
    assert asyncio.run(fetch_two()) == [file.content] * 2
    assert time.monotonic() - started > 1.8  # 3 MB; those of the first moments are not shared yet
    eventually(lambda: _counted(site) == 0, "nothing is counted")


def test_figures_of_all_processes_are_one(new_site: Callable[..., Site]) -> None:
    site = new_site()
    _, address = _serve(site)
    for _ in range(30):
        httpx.get(f"{address}/api/status")
    text = httpx.get(f"{address}/metrics").text
    counts = [
        float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith("ingot_http_requests_total")
    ]
    assert sum(counts) >= 30
