"""What people try who have no right to a file."""

import base64
import logging
import re
import statistics
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingot.api.downloads.response import content_disposition
from tests.api.conftest import Site
from tests.api.downloads.conftest import url_of
from tests.api.downloads.wire import Wire, target_of
from tests.faults.site import eventually


@pytest.mark.parametrize(
    "name",
    [
        "..%2f..%2fsecret",
        "%2e%2e",
        "..",
        "../../../../etc/passwd",
        "....//....//secret",
        "%252e%252e%252fsecret",
        "small-1.qcow2%00",
        "small-1.qcow2%0d%0aX-Evil:%201",
        "SMALL-1.qcow2",
        "small-1.qcow2%20",
        "..;/secret",
        "\\..\\secret",
        "small-1%2eqcow2.part",
    ],
)
def test_other_names_lead_nowhere(site: Site, small: dict[str, Any], name: str) -> None:
    for query in ("", f"?downloadId={small['downloadKey']}"):
        with Wire(site.address) as wire:
            login = "Authorization: Basic " + base64.b64encode(b"root:a password: with a colon").decode()
            wire.send(f"{target_of(small)}/{name}{query}", *([] if query else [login]))
            status, headers, body = wire.answer()
        assert status in (400, 401, 404), name
        assert "x-evil" not in headers
        assert b"root:" not in body
    # The right name does, and the attempts have not cost the key.
    assert httpx.get(url_of(site, small).replace("/downloads?", "/downloads/small-1.qcow2?")).status_code == 200


def test_a_key_with_any_bit_flipped_opens_nothing(site: Site, small: dict[str, Any]) -> None:
    key = small["downloadKey"].encode()
    with httpx.Client() as client:
        for place in range(len(key)):
            for bit in range(7):
                other = bytearray(key)
                other[place] ^= 1 << bit
                url = f"{site.address}{target_of(small)}?downloadId={quote(bytes(other))}"
                assert client.get(url).status_code == 403
    assert httpx.get(url_of(site, small)).status_code == 200


def test_keys_of_others_open_nothing(
    site: Site, root: httpx.Client, alice: httpx.Client, small: dict[str, Any], finish: Callable[..., dict[str, Any]]
) -> None:
    other = finish("other", b"other")
    for mine, theirs in ((small, other), (other, small)):
        url = f"{site.address}{target_of(mine)}?downloadId={theirs['downloadKey']}"
        assert httpx.get(url).status_code == 403
        swapped = f"{site.address}{target_of(mine).replace('/users/root/', '/users/bob/')}"
        assert httpx.get(f"{swapped}?downloadId={mine['downloadKey']}").status_code == 404
    # A login of somebody else is no way to it either, and a wrong one is not made good by a right key.
    assert alice.get(f"{site.address}{target_of(small)}").status_code == 404
    assert httpx.get(url_of(site, small), auth=("root", "wrong")).status_code == 401
    two = f"{site.address}{target_of(small)}?downloadId={other['downloadKey']}&downloadId=x"
    assert httpx.get(two).status_code == 403
    for image in (small, other):
        assert httpx.get(url_of(site, image)).status_code == 200


def test_an_expired_key_opens_nothing_and_is_replaced(site: Site, root: httpx.Client, small: dict[str, Any]) -> None:
    from sqlalchemy import update

    from ingot.store.base import now
    from ingot.store.tables import DownloadKey

    with site.database.transaction() as session:
        session.execute(update(DownloadKey).where(DownloadKey.object_id == small["dbId"]).values(expires=now()))
    response = httpx.get(url_of(site, small))
    assert response.status_code == 403
    assert "expired" in response.text
    before = root.get(small["uri"], headers={"If-None-Match": f'"{small["digest"]}"'})
    assert before.status_code == 200
    present = before.json()["image"]
    assert present["downloadKey"] != small["downloadKey"]
    assert before.headers["etag"] != f'"{small["digest"]}"'
    assert httpx.get(url_of(site, present)).status_code == 200


def test_no_key_is_logged_shown_or_kept(
    site: Site, small: dict[str, Any], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ingot")
    key = small["downloadKey"]
    first = httpx.get(url_of(site, small))
    refused = httpx.get(url_of(site, small), headers={"Accept": "application/json"})
    httpx.get(f"{site.address}/api/nowhere?downloadId={key}")
    httpx.get(f"{site.address}/api/nowhere?x=1&DOWNLOADID={key}&y=2")
    logs = ""

    def are_noted() -> bool:
        nonlocal logs
        logs += capfd.readouterr().err
        return logs.count('"event": "request"') >= 4

    eventually(are_noted, "the requests are noted")
    assert (first.status_code, refused.status_code) == (200, 403)
    assert key not in logs
    assert r"downloadId=\u2026" in logs
    assert key not in refused.text + str(refused.headers) + str(first.headers)
    assert first.headers["referrer-policy"] == "no-referrer"
    with site.database.engine.connect() as connection:
        assert key not in str(connection.exec_driver_sql("SELECT * FROM download_key").all())
    for file in site.directory.glob("ingot.db*"):
        assert key.encode() not in file.read_bytes()


def test_how_long_a_wrong_key_takes_tells_nothing(site: Site, small: dict[str, Any]) -> None:
    """A key is looked up by its hash: one that is right but for its end is as far from it as any other."""
    key = small["downloadKey"]
    last = "A" if key[-1] != "A" else "B"
    guesses = {"nearly": key[:-1] + last, "far": last * len(key)}
    seconds: dict[str, list[float]] = {name: [] for name in guesses}
    with httpx.Client() as client:
        for _ in range(150):
            for name, guess in guesses.items():
                started = time.perf_counter()
                assert client.get(f"{site.address}{target_of(small)}?downloadId={guess}").status_code == 403
                seconds[name].append(time.perf_counter() - started)
    nearly, far = (statistics.median(seconds[name]) for name in ("nearly", "far"))
    # Comparing characters one after the other would not show over a network either; a second query would.
    assert 0.5 < nearly / far < 2.0


_NAMES = st.one_of(
    st.text(max_size=80),
    st.text(alphabet=st.sampled_from("\r\n\t\0\"\\%;='*/ ä雪🧊\u202e\u2028\ud800."), max_size=40),
)


@settings(max_examples=1000, suppress_health_check=list(HealthCheck), deadline=None)
@given(_NAMES)
def test_any_file_name_survives_and_none_adds_a_header(name: str) -> None:
    header = content_disposition(name)
    header.encode("ascii")
    assert not re.search(r"[\x00-\x1f\x7f]", header)
    match = re.fullmatch(r"""attachment; filename="([^"\\]*)"(?:; filename\*=UTF-8''([A-Za-z0-9%._~-]*))?""", header)
    assert match
    told = unquote(match[2]) if match[2] is not None else match[1]
    wanted = re.sub(r"[\x00-\x1f\x7f/\\]", "_", name).encode("utf-8", "replace").decode()
    assert told == wanted


@pytest.mark.parametrize("name", ["größe 雪 🧊", 'a"b; c=d', "100%_%41"])
def test_names_of_appliances_become_names_of_files(
    site: Site, root: httpx.Client, finish: Callable[..., dict[str, Any]], name: str
) -> None:
    image = finish(name, b"content")
    response = root.get(f"{image['uri']}/downloads")
    parameter = re.search(r"filename\*=UTF-8''(\S+)", response.headers["content-disposition"])
    plain = re.search(r'filename="([^"]*)"', response.headers["content-disposition"])
    assert plain
    assert (unquote(parameter[1]) if parameter else plain[1]) == image["fileName"]
    assert root.get(f"{image['uri']}/downloads/{quote(image['fileName'], safe='')}").content == b"content"
