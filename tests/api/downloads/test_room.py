"""Downloads of images: keys that open one download, conditions, resuming, and races."""

import datetime as dt
import email.utils
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from ingot.store.artifacts import LocalArtifacts
from tests.api.conftest import Site
from tests.api.downloads.conftest import SIZE, url_of
from tests.api.downloads.wire import open_artifacts
from tests.faults.site import eventually


def test_a_key_opens_one_download(site: Site, root: httpx.Client, image: dict[str, Any], content: bytes) -> None:
    head = httpx.head(url_of(site, image))
    assert head.headers["content-length"] == str(SIZE)
    first = httpx.get(url_of(site, image))
    assert (first.status_code, first.content) == (200, content)
    digest = hashlib.sha256(content).hexdigest()
    assert first.headers["etag"] == f'"{digest}"'
    assert first.headers["accept-ranges"] == "bytes"
    assert first.headers["repr-digest"].startswith("sha-256=:")
    assert first.headers["content-type"] == "application/octet-stream"
    assert "filename*=UTF-8''gr%C3%B6%C3%9Fe_1-1.qcow2" in first.headers["content-disposition"]
    second = httpx.get(url_of(site, image))
    assert second.status_code == 403
    assert "one download" in second.text
    again = root.get(image["uri"]).json()["image"]
    assert again["downloadKey"] != image["downloadKey"]
    assert again["digest"] != image["digest"]
    assert httpx.get(url_of(site, again)).status_code == 200


def test_a_key_stays_the_same_until_it_is_used(root: httpx.Client, image: dict[str, Any]) -> None:
    assert root.get(image["uri"]).json()["image"]["downloadKey"] == image["downloadKey"]


def test_what_sends_nothing_uses_nothing_up(site: Site, image: dict[str, Any]) -> None:
    url, tag = url_of(site, image), f'"{image["sha256sum"]}"'
    assert httpx.get(url, headers={"If-None-Match": tag}).status_code == 304
    assert httpx.get(url, headers={"Range": f"bytes={SIZE}-"}).status_code == 416
    assert httpx.get(url, headers={"If-Match": '"other"'}).status_code == 412
    past = email.utils.format_datetime(dt.datetime(2000, 1, 1, tzinfo=dt.UTC), usegmt=True)
    assert httpx.get(url, headers={"If-Unmodified-Since": past}).status_code == 412
    assert httpx.get(url).status_code == 200


def test_a_broken_download_is_resumed_with_the_same_key(site: Site, image: dict[str, Any], content: bytes) -> None:
    url, tag = url_of(site, image), f'"{image["sha256sum"]}"'
    got = b""
    with httpx.stream("GET", url) as response:
        for chunk in response.iter_raw(100_000):
            got += chunk
            if len(got) > 1_000_000:
                break
    assert httpx.get(url).status_code == 403
    assert httpx.get(url, headers={"Range": f"bytes={len(got)}-"}).status_code == 403
    middle = httpx.get(url, headers={"Range": f"bytes={len(got)}-{len(got) + 9}", "If-Range": tag})
    assert middle.status_code == 206
    rest = httpx.get(url, headers={"Range": f"bytes={len(got)}-", "If-Range": tag})
    assert rest.headers["content-range"] == f"bytes {len(got)}-{SIZE - 1}/{SIZE}"
    assert got + rest.content == content
    done = httpx.get(url, headers={"Range": "bytes=0-0", "If-Range": tag})
    assert done.status_code == 403


def test_an_owner_downloads_as_often_as_wanted(
    site: Site, root: httpx.Client, image: dict[str, Any], content: bytes
) -> None:
    uri = f"{image['uri']}/downloads"
    for _ in range(2):
        assert root.get(uri).content == content
    named = root.get(f"{uri}/{image['fileName']}")
    assert named.status_code == 200
    assert root.get(f"{uri}/other.qcow2").status_code == 404
    assert root.get(f"{uri}/..%2f..%2fsecret").status_code == 404
    parts = root.get(uri, headers={"Range": "bytes=0-1,5-6"})
    assert parts.status_code == 206
    assert parts.headers["content-type"].startswith("multipart/byteranges; boundary=")
    assert content[:2] in parts.content
    assert content[5:7] in parts.content
    stale = root.get(uri, headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert (stale.status_code, len(stale.content)) == (200, SIZE)
    with site.client("alice@example.org") as alice:
        assert alice.get(uri).status_code == 404
    assert httpx.get(f"{site.address}/api/{uri}").status_code == 401


@pytest.mark.parametrize("spoil", [lambda key: key[:-1], lambda key: key[::-1], lambda _: "", lambda key: key + "x"])
def test_other_keys_open_nothing(site: Site, image: dict[str, Any], spoil: Any) -> None:
    url = f"{site.address}/api/{image['uri']}/downloads?downloadId={spoil(image['downloadKey'])}"
    response = httpx.get(url)
    assert response.status_code in (401, 403)
    assert image["downloadKey"] not in response.text


def test_a_key_of_another_object_opens_nothing(
    site: Site, root: httpx.Client, image: dict[str, Any], make_appliance: Any
) -> None:
    other = make_appliance("other", profile=True)
    url = f"{site.address}/api/{other['uri']}/images/{image['dbId']}/downloads?downloadId={image['downloadKey']}"
    assert httpx.get(url).status_code == 404


def test_of_many_at_once_one_wins(site: Site, root: httpx.Client, image: dict[str, Any]) -> None:
    for _ in range(5):
        present = root.get(image["uri"]).json()["image"]
        url, barrier = url_of(site, present), threading.Barrier(24)

        def fetch(_: int, url: str = url, barrier: threading.Barrier = barrier) -> int:
            barrier.wait()
            return httpx.get(url).status_code

        with ThreadPoolExecutor(24) as pool:
            codes = list(pool.map(fetch, range(24)))
        assert sorted(codes) == [200] + [403] * 23


def test_deleting_an_image_lets_a_download_end_well(
    site: Site, root: httpx.Client, image: dict[str, Any], content: bytes
) -> None:
    path = LocalArtifacts(site.directory / "artifacts").path(image["sha256sum"])
    got = b""
    with httpx.stream("GET", url_of(site, image)) as response:
        for chunk in response.iter_raw(100_000):
            if not got:
                assert root.delete(image["uri"]).status_code == 204
                assert not path.exists()
            got += chunk
    assert got == content
    assert httpx.get(url_of(site, image)).status_code == 404


def test_clients_that_go_away_leave_nothing_behind(
    site: Site, root: httpx.Client, image: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(10):
        with root.stream("GET", f"{image['uri']}/downloads") as response:
            next(response.iter_raw(1000))
    eventually(lambda: open_artifacts() == 0, "every file is closed")
    assert root.get("status").status_code == 200  # what the server does after closing them is done too
    assert not [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")]


def test_an_unfinished_image_says_what_to_do(site: Site, root: httpx.Client, make_appliance: Any) -> None:
    appliance = make_appliance("unfinished", profile=True)
    body = {"image": {"targetFormat": {"name": "QCOW2"}, "compress": True}}
    made = root.post(appliance["baseImagesUri"], json=body).json()["image"]
    response = root.get(f"{made['uri']}/downloads")
    assert response.status_code == 409
    assert "being generated" in response.text
