"""What was allowed a moment ago is answered by a shorter way: with the same answer, and while it still is allowed."""

import base64
import gc
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from ingot.api import authentication
from ingot.api.downloads.shortcut import Shortcut
from ingot.api.http.protocol import Answer, Protocol
from ingot.services.passwords import hash_login
from ingot.store.tables import User
from tests.api.conftest import PASSWORD, Site
from tests.api.downloads.conftest import serving
from tests.api.downloads.wire import LOGIN, Wire, open_artifacts, target_of
from tests.faults.site import eventually

_CREDENTIALS = f"Authorization: {LOGIN}"


@pytest.fixture
def shortcuts(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each request was answered by the shortcut."""
    taken: list[bool] = []
    answer = Shortcut.answer

    def watched(self: Shortcut, *request: Any, **how: Any) -> Answer | None:
        answered = answer(self, *request, **how)
        taken.append(answered is not None)
        return answered

    monkeypatch.setattr(Shortcut, "answer", watched)
    return taken


def test_the_same_request_gets_the_same_answer(
    site: Site, small: dict[str, Any], shortcuts: list[bool], noted: Callable[[], list[dict[str, Any]]]
) -> None:
    target = target_of(small)
    noted()
    with Wire(site.address) as wire:
        answers = []
        for _ in range(3):
            wire.send(target, _CREDENTIALS, "User-Agent: some")
            answers.append(wire.answer())
    assert shortcuts == [False, True, True]
    for status, headers, body in answers:
        headers.pop("date")
        assert (status, body) == (200, bytes(range(61)))
        assert headers == answers[0][1]
    requests: list[dict[str, Any]] = []
    eventually(lambda: len(requests.extend(noted()) or requests) == 3, "the requests are noted")
    for entry in requests:
        assert entry.pop("milliseconds") >= 0
        assert entry.pop("timestamp").endswith("Z")
    assert requests[0] == requests[1] == requests[2]
    assert open_artifacts() == 0


@pytest.mark.parametrize("lines", [(), ("Range: bytes=5-",), ("Range: bytes=-100",), ("Connection: close",)])
def test_a_large_file_is_sent_as_by_the_longer_way(
    site: Site, image: dict[str, Any], content: bytes, shortcuts: list[bool], lines: tuple[str, ...]
) -> None:
    answers = []
    for more in (("Accept-Encoding: x", "If-Unmodified-Since: x"), (), ()):  # the first and what has a condition
        with Wire(site.address) as wire:
            wire.send(target_of(image), _CREDENTIALS, *lines, *more)
            answers.append(wire.answer())
    assert shortcuts == [False, True, True]
    for status, headers, body in answers:
        headers.pop("date")
        assert (status, headers) == answers[0][:2]
        assert body == answers[0][2]
    eventually(lambda: open_artifacts() == 0, "the file is closed")


def test_who_breaks_off_a_large_file_leaves_nothing_open(
    site: Site, image: dict[str, Any], shortcuts: list[bool], noted: Callable[[], list[dict[str, Any]]]
) -> None:
    noted()
    for _ in range(4):
        logs: list[dict[str, Any]] = []
        with Wire(site.address, window=4096) as wire:
            wire.send(target_of(image), _CREDENTIALS)
            assert wire.head()[0] == 200
            wire.break_off()
            eventually(lambda: open_artifacts() == 0, "the file is closed")
            eventually(lambda: bool(logs.extend(noted()) or logs), "the request is noted")  # noqa: B023
        assert [entry["status"] for entry in logs] == [200]
    assert shortcuts == [False, True, True, True]


def test_what_many_ask_for_at_once_is_decided_once(
    site: Site, image: dict[str, Any], content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided: list[str] = []
    authenticate = authentication.Authenticator.authenticate

    def watched(self: Any, session: Any, request: Any) -> Any:
        decided.append(request.url.path)
        time.sleep(0.2)
        return authenticate(self, session, request)

    monkeypatch.setattr(authentication.Authenticator, "authenticate", watched)
    with serving(site) as address, ThreadPoolExecutor(20) as pool:

        def ask(number: int) -> tuple[int, bytes]:
            with Wire(address) as wire:
                part = ("Range: bytes=1000-",) if number % 2 else ()
                wire.send(target_of(image), _CREDENTIALS, *part)
                status, _, body = wire.answer()
                return status, body

        answers = list(pool.map(ask, range(20)))
    assert [status for status, _ in answers] == [200, 206] * 10
    assert all(body == (content if status == 200 else content[1000:]) for status, body in answers)
    assert len(decided) == 1


def test_who_is_refused_holds_up_nobody(site: Site, small: dict[str, Any]) -> None:
    wrong = f"Authorization: Basic {base64.b64encode(b'root:wrong').decode()}"
    with ThreadPoolExecutor(9) as pool:

        def ask(number: int) -> int:
            with Wire(site.address) as wire:
                wire.send(target_of(small), wrong if number % 3 else _CREDENTIALS)
                return wire.answer()[0]

        answers = list(pool.map(ask, range(9)))
    assert answers == [200, 401, 401] * 3


def test_a_connection_that_is_over_is_no_garbage(site: Site, image: dict[str, Any], shortcuts: list[bool]) -> None:
    """What a broken connection took is free at once, and not when somebody looks for garbage."""

    def break_off() -> None:
        with Wire(site.address, window=4096) as wire:
            wire.send(target_of(image), _CREDENTIALS)
            wire.head()
            wire.break_off()
        eventually(lambda: open_artifacts() == 0, "the file is closed")

    def connections() -> int:
        return sum(type(one) is Protocol for one in gc.get_objects())

    break_off()
    gc.collect()
    before = connections()
    gc.disable()
    try:
        for _ in range(5):
            break_off()
        eventually(lambda: connections() <= before, "the connections are forgotten")
    finally:
        gc.enable()
    assert shortcuts == [False, *[True] * 5]


def test_a_file_that_is_too_short_breaks_the_connection(
    site: Site, root: httpx.Client, finish: Callable[[str, bytes], dict[str, Any]], shortcuts: list[bool]
) -> None:
    image = finish("cut", os.urandom(3_000_000))
    with Wire(site.address) as wire:
        wire.send(target_of(image), _CREDENTIALS)
        assert wire.answer()[0] == 200
    sha256 = wire_tag(root, image)
    os.truncate(site.directory / "artifacts" / sha256[:2] / sha256, 1_000_000)
    with Wire(site.address) as wire:
        wire.send(target_of(image), _CREDENTIALS)
        assert wire.head()[1]["content-length"] == "3000000"
        assert len(wire.read(3_000_000)) <= 1_000_000
    assert shortcuts[-1]
    assert open_artifacts() == 0


def test_a_server_that_ends_sends_what_it_began(
    site: Site, image: dict[str, Any], content: bytes, shortcuts: list[bool]
) -> None:
    with Wire(site.address) as keeper:  # another server of the same site would have its own memory
        keeper.send(target_of(image), _CREDENTIALS)
        keeper.answer()
    with serving(site) as address:
        with Wire(address) as wire:
            wire.send(target_of(image), _CREDENTIALS)
            wire.answer()
        late = Wire(address, window=4096)
        late.send(target_of(image), _CREDENTIALS)
        assert late.head()[0] == 200
        assert shortcuts[-1]
        rest: list[bytes] = []
        reader = threading.Thread(target=lambda: (time.sleep(0.5), rest.append(late.read(len(content)))))
        reader.start()
    reader.join()
    assert rest[0] == content
    assert late.is_ended()
    late.socket.close()


def test_requests_in_one_packet_are_answered_in_their_order(
    site: Site, small: dict[str, Any], shortcuts: list[bool]
) -> None:
    target = target_of(small)
    whole, part = (
        f"GET {target} HTTP/1.1\r\nHost: x\r\n{_CREDENTIALS}\r\n{more}\r\n" for more in ("", "Range: bytes=0-0\r\n")
    )
    with Wire(site.address) as wire:
        wire.send(target, _CREDENTIALS)
        assert wire.answer()[0] == 200
        wire.socket.sendall((whole + part + whole + whole).encode())
        assert [(status, len(body)) for status, _, body in (wire.answer() for _ in range(4))] == [
            (200, 61),
            (206, 1),
            (200, 61),
            (200, 61),
        ]
        wire.socket.sendall((whole + whole).encode())
        assert [wire.answer()[0] for _ in range(2)] == [200, 200]
    assert shortcuts[-2:] == [True, True]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("Range: bytes=1-3", (206, 3)),
        ("Range: bytes=99-", (416, None)),
        ('If-None-Match: "{sha256}"', (304, 0)),
        ('If-Match: "other"', (412, None)),
        ("If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT", (412, None)),
        ("Connection: close", (200, 61)),
        ("Accept: text/html", (200, 61)),
    ],
)
def test_what_has_conditions_is_decided_by_them(
    site: Site, root: httpx.Client, small: dict[str, Any], line: str, wanted: tuple[int, int | None]
) -> None:
    tag = root.head(f"{small['uri']}/downloads").headers["etag"].strip('"')
    with Wire(site.address) as wire:
        wire.send(target_of(small), _CREDENTIALS)
        assert wire.answer()[0] == 200
        wire.send(target_of(small), _CREDENTIALS, line.format(sha256=tag))
        status, headers, body = wire.answer() if wanted[0] != 304 else (*wire.head(), b"")
    assert status == wanted[0]
    assert wanted[1] is None or len(body) == wanted[1]
    assert headers.get("connection") == ("close" if "close" in line else None)


@pytest.mark.parametrize("suffix", ["/", "?x=1", "//", "/%2e", "/small-1.qcow2", "?downloadId=wrong"])
def test_other_addresses_are_others(site: Site, small: dict[str, Any], shortcuts: list[bool], suffix: str) -> None:
    statuses = {"/%2e": 404}
    with Wire(site.address) as wire:
        wire.send(target_of(small), _CREDENTIALS)
        assert wire.answer()[0] == 200
        wire.send(target_of(small) + suffix, _CREDENTIALS)
        assert wire.answer()[0] == statuses.get(suffix, 200)
    assert shortcuts == [False, False]


def test_nobody_else_gets_what_is_remembered(site: Site, small: dict[str, Any]) -> None:
    with Wire(site.address) as wire:
        wire.send(target_of(small), _CREDENTIALS)
        assert wire.answer()[0] == 200
        for lines, status in (
            ([], 401),
            (["Authorization: Basic " + base64.b64encode(b"root:wrong").decode()], 401),
            (["Authorization: Basic " + base64.b64encode(f"bob:{PASSWORD}".encode()).decode()], 404),
            ([_CREDENTIALS + "A"], 401),
        ):
            wire.send(target_of(small), *lines)
            assert wire.answer()[0] == status


@pytest.mark.parametrize(
    ("change", "size"),
    [("deleted", 61), ("deleted", 70_000), ("password", 61), ("deactivated", 61), ("file", 61)],
)
def test_what_is_not_allowed_any_more_is_refused_at_once(
    site: Site, root: httpx.Client, finish: Callable[[str, bytes], dict[str, Any]], change: str, size: int
) -> None:
    image = finish("gone", bytes(size))
    with Wire(site.address) as wire:
        for _ in range(2):
            wire.send(target_of(image), _CREDENTIALS)
            assert wire.answer()[0] == 200
        try:
            if change == "deleted":
                assert root.delete(image["uri"]).status_code == 204
            elif change == "file":
                sha256 = wire_tag(root, image)
                (site.directory / "artifacts" / sha256[:2] / sha256).unlink()
            else:
                _change_root(site, change)
            wire.send(target_of(image), _CREDENTIALS)
            assert wire.answer()[0] == {"deleted": 404, "file": 500}.get(change, 401)
        finally:
            if change in ("password", "deactivated"):
                _change_root(site, "restored")


def wire_tag(root: httpx.Client, image: dict[str, Any]) -> str:
    """The SHA-256 of an image's file."""
    tag: str = root.head(f"{image['uri']}/downloads").headers["etag"]
    return tag.strip('"')


def _change_root(site: Site, change: str) -> None:
    with site.database.transaction() as session:
        user = session.query(User).filter_by(login="root").one()
        user.active = change != "deactivated"
        user.password_hash = hash_login("another" if change == "password" else PASSWORD)


def test_a_password_that_many_send_at_once_is_verified_by_few(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 takes 64 MB each time: a thousand clients that come at once must not take that a thousand times."""
    running, most, calls = 0, 0, 0
    lock = threading.Lock()
    verify = authentication.is_login

    def watched(password: str, hashed: str) -> bool:
        nonlocal running, most, calls
        with lock:
            running, calls = running + 1, calls + 1
            most = max(most, running)
        try:
            return verify(password, hashed)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(authentication, "is_login", watched)
    with site.database.transaction() as session:
        session.query(User).filter_by(login="carol").one().password_hash = hash_login(PASSWORD)  # known to nobody yet

    def ask(_: int) -> int:
        return httpx.get(f"{site.address}/api/users/carol", auth=("carol", PASSWORD), timeout=60).status_code

    with ThreadPoolExecutor(30) as pool:
        assert set(pool.map(ask, range(30))) == {200}
    cores = os.cpu_count() or 1
    assert 1 <= calls <= cores
    assert most <= cores
