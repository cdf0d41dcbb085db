"""How files leave the server: what stays in memory, what stays open, what happens to the connection."""

import contextlib
import os
import resource
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingot.api.http import handover, protocol, zerocopy
from ingot.process import raise_file_limit
from tests.api.conftest import PASSWORD, Site
from tests.api.downloads.conftest import SIZE, serving
from tests.api.downloads.wire import LOGIN, Wire, open_artifacts, target_of
from tests.faults.site import eventually

_LOGIN = f"Authorization: {LOGIN}"


def test_files_go_by_sendfile(
    site: Site, image: dict[str, Any], content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []
    real = os.sendfile
    monkeypatch.setattr(handover.os, "sendfile", lambda *call: sent.append(call) or real(*call))
    with Wire(site.address) as wire:
        wire.send(target_of(image), _LOGIN)
        assert wire.answer()[2] == content
    assert sum(call[3] for call in sent) >= SIZE


def test_what_is_not_in_memory_is_read_by_a_thread(
    site: Site, image: dict[str, Any], content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()
    real = os.sendfile

    def note(*call: int) -> int:
        threads.add(threading.current_thread().name)
        return real(*call)

    monkeypatch.setattr(handover.os, "sendfile", note)
    monkeypatch.setattr(handover.Handover, "_is_cached", lambda _: False)
    with Wire(site.address) as wire:
        wire.send(target_of(image), _LOGIN)
        assert wire.answer()[2] == content
    assert len(threads) >= 1
    assert not any("Thread-" in name and "asyncio" not in name for name in threads)


def test_a_connection_is_good_for_more(site: Site, image: dict[str, Any], content: bytes) -> None:
    target = target_of(image)
    with Wire(site.address) as wire:
        for _ in range(2):  # one after the other
            wire.send(target, _LOGIN)
            assert wire.answer()[2] == content
        for _ in range(3):  # all at once
            wire.send(target, _LOGIN)
            wire.send(target, _LOGIN, "Range: bytes=5-9")
        for _ in range(3):
            assert wire.answer()[2] == content
            assert wire.answer()[2] == content[5:10]
        wire.send(target, _LOGIN, method="HEAD")
        assert wire.head()[1]["content-length"] == str(SIZE)
        wire.send(target, _LOGIN, f"Range: bytes=0-99999,200000-{SIZE - 1}")
        status, headers, body = wire.answer()
        assert (status, headers["content-type"].split(";")[0]) == (206, "multipart/byteranges")
        assert content[:100_000] in body
        assert content[200_000:] in body
        wire.send(target, _LOGIN, "Connection: close")
        assert wire.answer()[2] == content
        assert wire.is_ended()
    started = time.monotonic()
    with Wire(site.address) as wire:  # also where the server waits to hear that all has arrived
        wire.send(f"/api/{image['downloadUri']}", "Connection: close")
        assert wire.answer()[2] == content
        assert wire.is_ended()
    assert time.monotonic() - started < zerocopy._REGRET_SECONDS


def test_another_server_is_served_in_pieces(site: Site, image: dict[str, Any], content: bytes) -> None:
    from uvicorn.protocols.http.h11_impl import H11Protocol

    with serving(site, http=H11Protocol) as address, httpx.Client(auth=("root", PASSWORD), timeout=60) as client:
        assert client.get(address + target_of(image)).content == content
        parts = client.get(address + target_of(image), headers={"Range": "bytes=0-1,5-6"})
        assert content[:2] in parts.content
        with client.stream("GET", address + target_of(image)) as response:
            next(response.iter_raw(1000))
    eventually(lambda: open_artifacts() == 0, "the file is closed")


def test_encrypted_bytes_are_sent_in_pieces(site: Site, image: dict[str, Any], content: bytes, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject]
    subprocess.run([*argv, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    with serving(site, tls=(str(certificate), str(key))) as address:
        trust = ssl.create_default_context(cafile=str(certificate))
        with httpx.Client(auth=("root", PASSWORD), verify=trust, timeout=60) as client:
            assert client.get(address + target_of(image)).content == content


def test_a_thousand_slow_clients_cost_no_thread_and_little_memory(site: Site, image: dict[str, Any]) -> None:
    raise_file_limit()
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 5000:
        pytest.skip("5000 open files are not allowed here")

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    wires = []
    try:
        with Wire(site.address) as wire:  # warm up
            wire.send(target_of(image), _LOGIN)
            wire.answer()
        before, threads = resident(), threading.active_count()
        for _ in range(1000):
            wire = Wire(site.address, window=4096)
            wire.send(target_of(image), _LOGIN)
            wires.append(wire)
        for wire in wires:
            assert wire.head()[0] == 200
            assert len(wire.read(1000)) == 1000
        assert open_artifacts() == 1000
        assert threading.active_count() - threads <= 40  # those of pools, for all together
        assert resident() - before < 80_000_000  # bytes, of both ends
        with Wire(site.address) as wire:  # others do not wait
            wire.send(target_of(image), _LOGIN, "Range: bytes=0-99999")
            assert len(wire.answer()[2]) == 100_000
    finally:
        for wire in wires:
            wire.break_off()
    eventually(lambda: open_artifacts() == 0, "every file is closed")


def test_a_client_that_takes_nothing_is_dropped(site: Site, image: dict[str, Any]) -> None:
    with serving(site, download_silence=0.5) as address, Wire(address, window=4096) as wire:
        wire.send(target_of(image), _LOGIN)
        wire.head()
        eventually(lambda: open_artifacts() == 0, "the file is closed")
        assert len(wire.read(SIZE)) < SIZE


def test_a_client_that_takes_little_is_not_dropped(site: Site, image: dict[str, Any], content: bytes) -> None:
    with serving(site, download_silence=1.0) as address, Wire(address) as wire:
        wire.send(target_of(image), _LOGIN)
        wire.head()
        got = b""
        for _ in range(12):
            time.sleep(0.2)
            got += wire.read(1_000_000)
        assert got + wire.read(SIZE - len(got)) == content


@pytest.mark.parametrize("part", ["", "GET /api/status HTT", "GET /api/status HTTP/1.1\r\nHost: x\r\nX: "])
def test_slow_heads_are_refused(site: Site, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.5)
    with Wire(site.address) as wire:
        wire.socket.sendall(part.encode())
        assert wire.answer()[0] == 408
        assert wire.is_ended()


def test_a_head_that_trickles_in_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.5)
    with Wire(site.address) as wire:
        wire.send("/api/status")
        assert wire.answer()[0] == 200
        wire.socket.sendall(b"GET /api/status HTTP/1.1\r\nX: ")
        trickled = 0
        with contextlib.suppress(OSError):
            for trickled in range(1000):  # noqa: B007
                wire.socket.sendall(b"x")
                time.sleep(0.05)
        assert trickled < 999


@pytest.mark.parametrize("line", ["X: " + "x" * 1_000_000, "Range: bytes=" + "0-0," * 200_000, "X: 1\r\n" * 100_000])
def test_huge_heads_are_refused(site: Site, image: dict[str, Any], line: str) -> None:
    with Wire(site.address) as wire:
        try:
            wire.send(target_of(image), _LOGIN, line.rstrip())
            status = wire.answer()[0]
        except (ConnectionResetError, BrokenPipeError):
            return  # refused before all of it was sent
        assert status in (400, 431)


def test_ten_thousand_ranges_are_the_whole(site: Site, image: dict[str, Any], content: bytes) -> None:
    ranges = ",".join(f"{place}-{place}" for place in range(0, 20_000, 2))
    with Wire(site.address) as wire:
        wire.send(target_of(image), _LOGIN, f"Range: bytes={ranges}")
        status, _, body = wire.answer()
    assert (status, body) == (200, content)


def test_a_clients_rate_is_kept(site: Site, finish: Callable[[str, bytes], dict[str, Any]], content: bytes) -> None:
    image = finish("paced", content[:1_000_000])
    with serving(site, download_rate_per_object=1_000_000) as address, Wire(address) as wire:
        started = time.monotonic()
        wire.send(target_of(image), _LOGIN)
        assert wire.answer()[2] == content[:1_000_000]
        assert time.monotonic() - started > 0.6
