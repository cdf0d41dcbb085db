"""Connections that are kept: for several requests, and for so long."""

import time
from typing import Any

import pytest

from ingot.api.http.protocol import LARGEST_HEAD
from tests.api.conftest import Site
from tests.api.downloads.conftest import serving
from tests.api.downloads.wire import LOGIN, Wire, target_of

_LOGIN = f"Authorization: {LOGIN}"


@pytest.fixture
def targets(small: dict[str, Any], image: dict[str, Any]) -> dict[str, str]:
    """What is answered at once, by sendfile, and by the application."""
    return {"small": target_of(small), "large": target_of(image), "status": "/api/status"}


@pytest.mark.parametrize("kind", ["small", "large", "status"])
def test_an_idle_connection_is_closed_some_time_after_its_last_request(
    site: Site, targets: dict[str, str], kind: str
) -> None:
    with serving(site, keep_alive=1) as address, Wire(address) as wire:
        for _ in range(4):
            wire.send(targets[kind], _LOGIN)
            assert wire.answer()[0] == 200
            answered = time.monotonic()
            time.sleep(0.5)
        assert wire.is_ended()
        assert 0.9 < time.monotonic() - answered < 3


def test_a_connection_that_is_used_in_several_ways_is_closed_after_the_last(
    site: Site, targets: dict[str, str]
) -> None:
    with serving(site, keep_alive=1) as address, Wire(address) as wire:
        for kind in ("small", "status", "small", "large", "small", "status", "status", "small", "small"):
            wire.send(targets[kind], _LOGIN)
            assert wire.answer()[0] == 200
            time.sleep(0.3)
        assert wire.is_ended()


def test_a_large_head_behind_another_request_is_refused(site: Site, targets: dict[str, str]) -> None:
    """Also when its beginning came together with that request."""
    pieces = [f"X-{number}: {'x' * 8000}" for number in range(LARGEST_HEAD // 8000 + 1)]
    with Wire(site.address) as wire:
        wire.send(targets["small"], _LOGIN)
        wire.answer()
        first = (
            f"GET {targets['small']} HTTP/1.1\r\nHost: x\r\n{_LOGIN}\r\n\r\nGET /api/status HTTP/1.1\r\nHost: x\r\n"
        )
        wire.socket.sendall(first.encode())
        assert wire.answer()[0] == 200
        for piece in pieces:
            wire.socket.sendall(f"{piece}\r\n".encode())
        wire.socket.sendall(b"\r\n")
        assert wire.answer()[0] == 431
        assert wire.is_ended()


def test_requests_that_do_not_wait_are_answered_in_their_order(site: Site, targets: dict[str, str]) -> None:
    kinds = ["small", "large", "small", "status", "small", "small", "large", "large", "status"]
    with Wire(site.address) as wire:
        for kind in ("small", "large"):  # from here on they are remembered
            wire.send(targets[kind], _LOGIN)
            wire.answer()
        wire.socket.sendall(
            "".join(f"GET {targets[kind]} HTTP/1.1\r\nHost: x\r\n{_LOGIN}\r\n\r\n" for kind in kinds).encode()
        )
        lengths = [len(wire.answer()[2]) for _ in kinds]
    large = max(lengths)
    assert [length == large for length in lengths] == [kind == "large" for kind in kinds]
    assert [length == 61 for length in lengths] == [kind == "small" for kind in kinds]
