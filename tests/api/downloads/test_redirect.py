"""Downloads of what lies in a bucket: we decide, the bucket sends."""

import asyncio
import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from ingot.client.download import Source, announced, download
from ingot.settings import Settings
from ingot.store.artifacts import Course, LocalArtifacts
from ingot.store.stores import artifacts_of
from tests.api.conftest import PASSWORD, Site
from tests.api.downloads.conftest import serving
from tests.s3 import CREDENTIALS, SECRET, Bucket, serving_bucket

_LOGIN = ("root", PASSWORD)
_RACERS = 50


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with pytest.MonkeyPatch.context() as patch, serving_bucket("redirect") as bucket:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield bucket


@pytest.fixture(scope="module")
def server(site: Site, bucket: Bucket) -> Iterator[str]:
    with serving(site, **bucket.settings) as address:
        yield address


@pytest.fixture
def image(site: Site, bucket: Bucket, finish: Callable[[str, bytes], dict[str, Any]]) -> dict[str, Any]:
    """An image of 100 kB in the bucket, and nowhere else."""
    made = finish("größe/1", os.urandom(100_000))
    local, sha256 = LocalArtifacts(site.directory / "artifacts"), str(made["sha256sum"])
    store = artifacts_of(Settings(data_dir=site.directory, **bucket.settings))  # type: ignore[arg-type]
    store.send({sha256: local.path(sha256)}, Course())
    local.remove(sha256)
    return made


def _path(image: dict[str, Any]) -> str:
    return f"/api/{image['downloadUri'].partition('?')[0]}"


def _key_url(server: str, image: dict[str, Any]) -> str:
    return f"{server}/api/{image['downloadUri']}"


def _content(bucket: Bucket, image: dict[str, Any]) -> bytes:
    return bucket.content(image["sha256sum"])


def test_an_owner_is_sent_to_the_bucket_as_often_as_wanted(server: str, bucket: Bucket, image: dict[str, Any]) -> None:
    for _ in range(3):
        answer = httpx.get(server + _path(image), auth=_LOGIN)
        assert (answer.status_code, answer.content) == (307, b"")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["location"].startswith(f"{bucket.address}/{bucket.name}/files/")
        assert SECRET not in str(answer.headers)
        assert "etag" not in answer.headers
        sent = httpx.get(answer.headers["location"])
        assert sent.content == _content(bucket, image)
        assert sent.headers["content-type"] == "application/octet-stream"
        assert sent.headers["content-disposition"].startswith('attachment; filename="gr__e_1-1.qcow2"; filename*=')
    part = httpx.get(answer.headers["location"], headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, _content(bucket, image)[1000:2000])


def test_what_has_no_content_is_answered_here(server: str, bucket: Bucket, image: dict[str, Any]) -> None:
    url, tag = _key_url(server, image), f'"{image["sha256sum"]}"'
    before = len(bucket.asked)
    head = httpx.head(url)
    assert head.status_code == 200
    assert head.headers["etag"] == tag
    assert int(head.headers["content-length"]) == image["size"]
    assert "repr-digest" in head.headers
    for headers, status in (
        ({"If-None-Match": tag}, 304),
        ({"If-Match": '"another"'}, 412),
        ({"Range": "bytes=100000-"}, 416),
        # The client would get a part of this content from the bucket, and join it with one of another.
        ({"Range": "bytes=5-", "If-Range": '"another"'}, 412),
    ):
        assert httpx.get(url, headers=headers).status_code == status, headers
    wrong = httpx.get(f"{server}{_path(image)}/other.qcow2?{url.partition('?')[2]}")
    assert wrong.status_code == 404
    assert len(bucket.asked) == before
    # None of them has used the key up.
    assert httpx.get(url).status_code == 307


def test_a_key_opens_one_redirect(server: str, bucket: Bucket, image: dict[str, Any]) -> None:
    url = _key_url(server, image)
    answer = httpx.get(url, follow_redirects=True)
    assert answer.content == _content(bucket, image)
    assert httpx.get(url).status_code == 403
    shown = httpx.get(f"{server}/api/{image['uri']}", auth=_LOGIN, headers={"Accept": "application/json"}).json()
    assert shown["image"]["downloadUri"] != image["downloadUri"]
    assert httpx.get(_key_url(server, shown["image"])).status_code == 307


def test_of_50_at_once_one_is_sent_to_the_bucket(server: str, image: dict[str, Any]) -> None:
    async def race() -> Counter[int]:
        limits = httpx.Limits(max_connections=_RACERS)
        async with httpx.AsyncClient(limits=limits, timeout=60) as client:
            answers = await asyncio.gather(*(client.get(_key_url(server, image)) for _ in range(_RACERS)))
        return Counter(answer.status_code for answer in answers)

    assert asyncio.run(race()) == {307: 1, 403: _RACERS - 1}


def test_a_broken_download_is_resumed_until_the_window_ends(
    site: Site, server: str, bucket: Bucket, image: dict[str, Any]
) -> None:
    url, content = _key_url(server, image), _content(bucket, image)
    resume = {"Range": "bytes=4000-", "If-Range": f'"{image["sha256sum"]}"'}
    assert httpx.get(url).status_code == 307
    for _ in range(2):
        again = httpx.get(url, headers=resume)
        assert again.status_code == 307
        rest = httpx.get(again.headers["location"], headers={"Range": resume["Range"]})
        assert (rest.status_code, rest.content) == (206, content[4000:])
    assert httpx.get(url, headers={"Range": "bytes=4000-"}).status_code == 403
    assert httpx.get(url, headers=resume | {"If-Range": '"another"'}).status_code == 403
    with serving(site, download_resume_window=1, **bucket.settings) as short:
        shown = httpx.get(f"{short}/api/{image['uri']}", auth=_LOGIN, headers={"Accept": "application/json"}).json()
        url = _key_url(short, shown["image"])
        assert httpx.get(url).status_code == 307
        assert httpx.get(url, headers=resume).status_code == 307
        time.sleep(1.2)
        assert httpx.get(url, headers=resume).status_code == 403


@pytest.mark.parametrize("cuts", [[0], [1000], [70_000, 0, 5]])
def test_the_command_goes_on_after_breaks_and_tells_the_bucket_nothing(
    server: str, bucket: Bucket, image: dict[str, Any], tmp_path: Path, cuts: list[int]
) -> None:
    content, target = _content(bucket, image), tmp_path / "disk"
    bucket.cuts.extend(cuts)
    before = len(bucket.asked)
    with httpx.Client(auth=_LOGIN) as client:
        download(client, Source(server + _path(image), image["sha256sum"], len(content)), target, lambda *_: None)
    assert target.read_bytes() == content
    asked = bucket.asked[before:]
    assert len(asked) == len(cuts) + 1
    for one in asked:
        assert not {"authorization", "if-range", "cookie"} & set(one.headers)
    assert "range" in asked[-1].headers


@pytest.mark.parametrize("cuts", [[0], [50_000]])
def test_an_address_with_a_key_goes_on_after_breaks(
    server: str, bucket: Bucket, image: dict[str, Any], tmp_path: Path, cuts: list[int]
) -> None:
    """Also when not a byte has come: the key is used up by then."""
    bucket.cuts.extend(cuts)
    with httpx.Client() as client, announced(client, _key_url(server, image), tmp_path) as (source, name):
        download(client, source, tmp_path / "disk", lambda *_: None)
    assert name == "größe_1-1.qcow2"
    assert (tmp_path / "disk").read_bytes() == _content(bucket, image)


def test_small_things_are_sent_for_and_go_when_they_are_deleted(
    server: str, bucket: Bucket, make_appliance: Any
) -> None:
    appliance = make_appliance("small-things")
    base = f"{server}/api/{appliance['uri']}"
    accept = {"Accept": "application/json"}
    with httpx.Client(auth=_LOGIN, headers=accept, timeout=60) as api:
        script = {"bootScript": {"name": "hello", "bootType": "firstboot"}}
        made = api.post(f"{base}/bootscripts", json=script).json()["bootScript"]
        content = b"#!/bin/sh\necho hello\n"
        where = f"{base}/bootscripts/{made['dbId']}"
        assert api.post(f"{where}/bin/hello.sh", content=content).status_code == 201
        sha256 = hashlib.sha256(content).hexdigest()
        assert bucket.content(sha256) == content
        answer = api.get(f"{where}/bin")
        assert answer.status_code == 307
        assert httpx.get(answer.headers["location"]).content == content
        assert api.post(f"{base}/logo/1/logo.png", content=b"\x89PNG logo").status_code == 201
        logo = api.get(f"{base}/logo/{appliance['dbId']}/logo.png")
        assert logo.status_code == 307
        assert httpx.get(logo.headers["location"]).content == b"\x89PNG logo"
        # What is refused leaves nothing.
        before = bucket.names()
        assert api.post(f"{base}/bootscripts/999999/bin/a.sh", content=b"refused").status_code == 404
        assert api.post(f"{base}/logo/1/logo.png", content=b"x", auth=("root", "wrong")).status_code == 401
        assert bucket.names() == before
        assert api.delete(where).status_code == 204
        assert api.delete(f"{base}/logo/{appliance['dbId']}").status_code == 204
        assert bucket.names() == before - {
            f"{one[:2]}/{one}" for one in (sha256, hashlib.sha256(b"\x89PNG logo").hexdigest())
        }


def test_a_bucket_that_is_away_is_told_and_nothing_is_entered(
    server: str, bucket: Bucket, make_appliance: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingot.api.dispatch._DELIVERY_PATIENCE_SECONDS", 0.5)
    appliance = make_appliance("away")
    # The same content is taken at once when the bucket is back, long before a removal under way would be given up.
    with httpx.Client(auth=_LOGIN, headers={"Accept": "application/json"}, timeout=30) as api:
        where = f"{server}/api/{appliance['uri']}/logo/1/logo.png"
        bucket.stop()
        try:
            answer = api.post(where, content=b"a logo")
        finally:
            bucket.start()
        assert answer.status_code == 503
        assert "INGOT_S3_ENDPOINT" in answer.text
        assert "retry-after" in answer.headers
        assert SECRET not in answer.text
        assert api.get(where).status_code == 404
        assert api.post(where, content=b"a logo").status_code == 201


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"accelerated_downloads": "nginx"}, "INGOT_ACCELERATED_DOWNLOADS=nginx cannot send what lies in s3://bucket"),
        ({"downloads_per_user": 1}, "INGOT_DOWNLOADS_PER_USER cannot be kept"),
        ({"download_rate_per_object": 5000}, "INGOT_DOWNLOAD_RATE_PER_OBJECT cannot be kept"),
        ({"artifacts": "s3:/bucket"}, "artifacts"),
        ({"artifacts": "/var/lib/artifacts"}, "artifacts"),
        ({"s3_endpoint": "minio:9000"}, "s3_endpoint"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Settings(**({"artifacts": "s3://bucket/files"} | settings))
