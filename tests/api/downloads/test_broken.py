"""Downloads that break off, again and again, until the file is there."""

import asyncio
import contextlib
import hashlib
import random
import time
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from ingot.api.http.zerocopy import FileSender
from ingot.store.tables import DownloadKey
from tests.api.conftest import Site
from tests.api.downloads.conftest import SIZE, serving, url_of
from tests.api.downloads.wire import LOGIN, Wire, open_artifacts, target_of
from tests.faults.site import eventually

_BREAKS = 200


@pytest.mark.parametrize("way", ["key", "login"])
def test_a_download_breaks_200_times_and_arrives(site: Site, image: dict[str, Any], way: str, content: bytes) -> None:
    chance = random.Random(way)  # noqa: S311 - nothing secret
    places = sorted(chance.sample(range(1, SIZE), _BREAKS - 1))
    # Also where it hurts: right before the end, when all of it is on its way.
    places = [*places, SIZE - 1, SIZE]
    target = target_of(image) + (f"?downloadId={image['downloadKey']}" if way == "key" else "")
    login = [] if way == "key" else [f"Authorization: {LOGIN}"]
    got, digest = 0, hashlib.sha256()
    for place in places:
        ranges = [f"Range: bytes={got}-", f'If-Range: "{image["sha256sum"]}"'] if got else []
        with Wire(site.address) as wire:
            wire.send(target, *login, *ranges)
            status, _ = wire.head()
            assert status == (206 if got else 200), (place, wire.read(1000))
            part = wire.read(place - got)
            if place < SIZE:
                wire.break_off()
        assert part == content[got:place]
        digest.update(part)
        got = place
    assert digest.hexdigest() == image["sha256sum"]
    eventually(lambda: open_artifacts() == 0, "every file is closed")
    if way == "key":
        eventually(lambda: _row(site, image).finished is not None, "the key is finished")


def _row(site: Site, image: dict[str, Any]) -> DownloadKey:
    with site.database.transaction(read_only=True) as session:
        query = select(DownloadKey).where(DownloadKey.object_id == image["dbId"], DownloadKey.used.is_not(None))
        return session.scalars(query).one()


def test_a_tail_that_was_not_read_can_be_resumed(site: Site, small: dict[str, Any]) -> None:
    """The server has given everything to its kernel, the client's kernel has taken it, and its program goes."""
    target = f"/api/{small['downloadUri']}"
    for read in (0, 10, 60):
        with Wire(site.address) as wire:
            ranges = [f'If-Range: "{small["sha256sum"]}"', "Range: bytes=0-"] if read else []
            wire.send(target, *ranges)
            wire.head()
            time.sleep(0.05)
            wire._left = wire._left[:read]
            wire.socket.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER: the end is a break
            wire.break_off()
        time.sleep(0.2)
        assert _row(site, small).finished is None
    with Wire(site.address) as wire:
        wire.send(target, f'If-Range: "{small["sha256sum"]}"', "Range: bytes=60-")
        assert wire.answer()[2] == bytes([60])
    eventually(lambda: _row(site, small).finished is not None, "the key is finished")


def test_after_the_last_byte_the_key_is_worth_nothing_at_once(
    site: Site, root: httpx.Client, image: dict[str, Any], content: bytes
) -> None:
    resume = (f'If-Range: "{image["sha256sum"]}"', "Range: bytes=0-0")
    present = image
    for same_connection in (True, False, True, False):
        target = f"/api/{present['downloadUri']}"
        with contextlib.ExitStack() as stack:
            wire = stack.enter_context(Wire(site.address))
            wire.send(target)
            assert wire.answer()[2] == content
            if not same_connection:
                wire.break_off()
                wire = stack.enter_context(Wire(site.address))
            wire.send(target, *resume)
            assert wire.answer()[0] == 403, same_connection
        present = root.get(image["uri"]).json()["image"]


def test_a_busy_server_takes_the_farewell_before_the_next_request(
    site: Site, image: dict[str, Any], content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has everything, goes and comes again with the same key is refused, also where the event loop is slow."""
    hear = FileSender._until_news

    async def hear_slowly(sender: FileSender, seconds: float) -> bool:
        is_news = await hear(sender, seconds)
        for _ in range(8):
            time.sleep(0.01)  # other clients have their turn
            await asyncio.sleep(0)
        return is_news

    monkeypatch.setattr(FileSender, "_until_news", hear_slowly)
    target = f"/api/{image['downloadUri']}"
    with Wire(site.address) as wire:
        wire.send(target)
        assert wire.answer()[2] == content
    with Wire(site.address) as wire:
        wire.send(target, f'If-Range: "{image["sha256sum"]}"', "Range: bytes=0-0")
        assert wire.answer()[0] == 403


def test_a_window_opens_when_the_download_breaks_and_closes(site: Site, image: dict[str, Any]) -> None:
    resume = {"Range": "bytes=1-9", "If-Range": f'"{image["sha256sum"]}"'}
    with serving(site, download_resume_window=1) as address:
        url = f"{address}/api/{image['downloadUri']}"
        with Wire(address) as wire:
            wire.send(f"/api/{image['downloadUri']}")
            wire.head()
            time.sleep(1.5)  # longer than the window: the download is alive
            assert wire.read(1000)
            wire.break_off()
        assert httpx.get(url, headers=resume).status_code == 206
        time.sleep(1.6)
        assert httpx.get(url, headers=resume).status_code == 403


def test_a_window_of_nothing_means_one_request(site: Site, image: dict[str, Any]) -> None:
    resume = {"Range": "bytes=1-9", "If-Range": f'"{image["sha256sum"]}"'}
    with serving(site, download_resume_window=0) as address:
        with Wire(address) as wire:
            wire.send(f"/api/{image['downloadUri']}")
            wire.head()
            assert httpx.get(f"{address}/api/{image['downloadUri']}", headers=resume).status_code == 403
            wire.break_off()
        assert httpx.get(f"{address}/api/{image['downloadUri']}", headers=resume).status_code == 403


def test_a_resumption_of_another_file_is_none(site: Site, image: dict[str, Any]) -> None:
    with Wire(site.address) as wire:
        wire.send(f"/api/{image['downloadUri']}")
        wire.head()
        wire.break_off()
    tag = image["sha256sum"]
    for if_range in (f'W/"{tag}"', f'"{tag[:-1]}0"', tag, f'"{tag}", "{tag}"', "*", '""'):
        response = httpx.get(url_of(site, image), headers={"Range": "bytes=1-9", "If-Range": if_range})
        assert response.status_code == 403, if_range
