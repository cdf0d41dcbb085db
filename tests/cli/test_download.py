"""`ingot image download` over connections that break."""

import contextlib
import hashlib
import os
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ingot.store.artifacts import LocalArtifacts
from ingot.store.tables import Image
from tests.faults.site import Site, eventually
from tests.serving import PASSWORD, Command

_SIZE = 32 << 20


class Line:
    """A line to the server that lets so many bytes of an answer through and then breaks, or stalls; None: all."""

    def __init__(self, address: str) -> None:
        self.server = ("127.0.0.1", int(address.rpartition(":")[2]))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.allowance: int | None = None
        self.breaks = 0
        self.stalls = False
        self.passed = 0
        self._open = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        # At the end both sockets are closed with what was not read: the server's kernel is told that it is lost.
        with client, socket.create_connection(self.server) as server:
            gone, cut = threading.Event(), threading.Event()
            back = threading.Thread(target=self._answer, args=(server, client, gone, cut))
            back.start()
            with contextlib.suppress(OSError):
                while data := client.recv(65536):
                    server.sendall(data)
            gone.set()
            # Of a line that was cut, nobody at its other end says goodbye: to the server that would be a good end.
            if not cut.is_set():
                with contextlib.suppress(OSError):
                    server.shutdown(socket.SHUT_WR)
            back.join()

    def _answer(
        self, server: socket.socket, client: socket.socket, gone: threading.Event, cut: threading.Event
    ) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if self.allowance is not None:
                    data = data[: max(0, self.allowance - passed)]
                client.sendall(data)
                passed += len(data)
                self.passed += len(data)
                if self.allowance is not None and passed >= self.allowance:
                    cut.set()
                    # A reset, also when the last bytes were read here and dropped: nothing would be unread then.
                    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.breaks += 1
                    while self.stalls and not gone.wait(0.05) and not self._open.is_set():
                        pass
                    break
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._open.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def line(address: str) -> Iterator[Line]:
    line = Line(address)
    yield line
    line.close()


@pytest.fixture
def image(site: Site, address: str, name: str) -> tuple[str, str]:
    """(The id of a finished image, the hash of its content); the content is large and differs everywhere."""
    number = site.generate(name)
    site.let_go(name)
    site.await_end(name)
    with LocalArtifacts(site.data / "artifacts").writer() as writer:
        for _ in range(_SIZE >> 20):
            writer.write(os.urandom(1 << 20))
    stored = writer.result()
    with site.database.transaction() as session:
        row = session.get_one(Image, number)
        row.sha256, row.size = stored.sha256, stored.size
    return str(number), stored.sha256


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _parts(ingot: Command) -> list[Path]:
    return list(ingot.home.glob(".*.part"))


def test_an_image_arrives_whole_under_its_own_name(ingot: Command, image: tuple[str, str], name: str) -> None:
    number, sha256 = image
    assert ingot("image", "download", number) == f"{name}-1.raw.gz\n"
    assert _hash(ingot.home / f"{name}-1.raw.gz") == sha256
    assert _parts(ingot) == []
    (ingot.home / "other").mkdir()
    ingot("download", number, "-o", "other")
    assert _hash(ingot.home / "other" / f"{name}-1.raw.gz") == sha256
    (ingot.home / "x").write_text("mine")
    assert "is there already" in ingot("image", "download", number, "--to", "x", code=4)
    assert (ingot.home / "x").read_text() == "mine"
    ingot("image", "download", number, "--to", "x", "--force")
    assert _hash(ingot.home / "x") == sha256
    assert "cannot be written" in ingot("image", "download", number, "--to", "nowhere/x", code=1)


def test_lost_connections_are_made_again(ingot: Command, image: tuple[str, str], line: Line) -> None:
    number, sha256 = image
    ingot.environment["INGOT_URL"] = line.address
    line.allowance = _SIZE // 4
    ingot("image", "download", number, "--to", "x")
    assert _hash(ingot.home / "x") == sha256
    assert line.breaks >= 3
    assert line.passed < _SIZE * 1.5  # nothing is fetched twice


def test_a_killed_download_is_gone_on_with(ingot: Command, image: tuple[str, str], line: Line) -> None:
    number, sha256 = image
    ingot.environment["INGOT_URL"] = line.address
    line.allowance, line.stalls = _SIZE // 2, True
    with ingot.start("image", "download", number, "--to", "x") as process:
        eventually(lambda: line.breaks == 1, "the line stalls")
        eventually(lambda: any(part.stat().st_size > _SIZE // 4 for part in _parts(ingot)), "a part is there")
        other = ingot("image", "download", number, "--to", "x", code=4)
        assert "Another command" in other
        process.send_signal(signal.SIGKILL)
    assert not (ingot.home / "x").exists()
    line.allowance, line.passed = None, 0
    ingot("image", "download", number, "--to", "x")
    assert _hash(ingot.home / "x") == sha256
    assert line.passed < _SIZE * 0.8
    assert _parts(ingot) == []


def test_an_interrupted_download_says_how_to_go_on(ingot: Command, image: tuple[str, str], line: Line) -> None:
    number, _ = image
    ingot.environment["INGOT_URL"] = line.address
    line.allowance, line.stalls = _SIZE // 2, True
    with ingot.start("image", "download", number, "--to", "x") as process:
        eventually(lambda: line.breaks == 1, "the line stalls")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "goes on from there" in said
    assert len(_parts(ingot)) == 1


def test_a_part_that_is_wrong_is_noticed(ingot: Command, image: tuple[str, str]) -> None:
    number, sha256 = image
    part = ingot.home / f".x.{sha256[:12]}.part"
    part.write_bytes(b"not from this file")
    assert "SHA-256" in ingot("image", "download", number, "--to", "x", code=1)
    assert not (ingot.home / "x").exists()
    part.write_bytes(bytes(_SIZE + 1))  # longer than the file
    assert "SHA-256" in ingot("image", "download", number, "--to", "x", code=1)
    ingot("image", "download", number, "--to", "x")
    assert _hash(ingot.home / "x") == sha256


@pytest.fixture
def address_with_key(image: tuple[str, str], address: str) -> str:
    """The path that opens the image for whoever has it."""
    answer = httpx.get(
        f"{address}/api/users/root/images?img={image[0]}",
        auth=("root", PASSWORD),
        headers={"Accept": "application/json"},
    )
    return f"/api/{answer.json()['images']['images']['image'][0]['downloadUri']}"


def test_an_address_with_a_key_is_enough(
    ingot: Command, image: tuple[str, str], name: str, address: str, address_with_key: str
) -> None:
    for variable in ("INGOT_URL", "INGOT_USER", "INGOT_PASSWORD"):
        del ingot.environment[variable]
    assert ingot("download", address + address_with_key) == f"{name}-1.raw.gz\n"
    assert _hash(ingot.home / f"{name}-1.raw.gz") == image[1]
    assert [file.name for file in ingot.home.glob(".*")] == []
    said = ingot("download", address + address_with_key, "-o", "y", code=4)
    assert "was used or has expired" in said
    key = address_with_key.partition("=")[2]
    assert key not in said
    assert "has no key" in ingot("download", address + address_with_key.partition("?")[0], "-o", "y", code=4)
    assert "none of ours" in ingot("download", f"{address}/docs", "-o", "y", code=1)
    assert "cannot be reached" in ingot("download", f"http://127.0.0.1:9{address_with_key}", "-o", "y", code=1)
    assert "neither" in ingot("download", "disk", code=3)
    assert not (ingot.home / "y").exists()


def test_a_download_with_a_key_survives_breaks_and_interrupts(
    ingot: Command, image: tuple[str, str], line: Line, address_with_key: str
) -> None:
    url = line.address + address_with_key
    line.allowance, line.stalls = _SIZE // 2, True
    for stop in (signal.SIGINT, signal.SIGKILL):
        breaks = line.breaks
        with ingot.start("download", url, "-o", "x") as process:
            eventually(lambda before=breaks: line.breaks > before, "the line stalls")  # type: ignore[misc]
            eventually(lambda: any(part.stat().st_size > _SIZE // 4 for part in _parts(ingot)), "a part is there")
            process.send_signal(stop)
            process.communicate(timeout=60)
        assert not (ingot.home / "x").exists()
        line.allowance = _SIZE // 4
    line.stalls, line.passed = False, 0
    line.allowance = _SIZE // 8
    ingot("download", url, "-o", "x")
    assert _hash(ingot.home / "x") == image[1]
    assert line.passed < _SIZE * 0.8
    assert [file.name for file in ingot.home.glob(".*")] == []


def test_a_line_that_stays_dead_is_given_up(ingot: Command, image: tuple[str, str], line: Line) -> None:
    number, _ = image
    ingot.environment["INGOT_URL"] = line.address
    line.allowance = _SIZE // 2
    with ingot.start("image", "download", number, "--to", "x") as process:
        eventually(lambda: line.breaks == 1, "the line breaks")
        line.allowance = 0
        _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "without getting further" in said
    assert len(_parts(ingot)) == 1


def test_what_cannot_be_downloaded_says_why(site: Site, ingot: Command, name: str) -> None:
    number = str(site.generate(name))
    assert f"ingot image follow {number}" in ingot("image", "download", number, code=4)
    site.cancel(name)
    site.let_go(name)
    site.await_end(name)
    assert "nothing to download" in ingot("image", "download", number, code=4)
    ingot("image", "download", "99999", code=3)
