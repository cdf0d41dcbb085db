"""hammr downloads what lies in a bucket: it follows the redirect, with a login and with a key."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.clients.conftest import Hammr
from tests.faults.site import Site, eventually
from tests.s3 import Bucket, serving_bucket


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with serving_bucket("hammr") as bucket:
        yield bucket


@pytest.fixture(scope="module")
def address(site: Site, bucket: Bucket) -> str:
    # Its library takes a login along to every port of a host: the bucket has to have another name than the server.
    public = bucket.address.replace("127.0.0.1", "localhost")
    site.environment |= {**bucket.environment, "INGOT_S3_PUBLIC_ENDPOINT": public}
    return site.start_server()[1]


def test_an_image_comes_out_of_the_bucket(
    site: Site, hammr: Hammr, api: httpx.Client, bucket: Bucket, name: str
) -> None:
    site.let_go(name)
    appliance = site.add_appliance(name)
    body = {"image": {"compress": True, "targetFormat": {"name": "QCOW2"}}}
    number = str(api.post(f"appliances/{appliance}/images", json=body).json()["image"]["dbId"])
    site.await_end(name)
    content = (b"disk of " + name.encode()) * 1000
    sha256 = hashlib.sha256(content).hexdigest()
    assert f"{sha256[:2]}/{sha256}" in bucket.names()
    for _ in range(2):  # each has a key of its own
        assert "Image downloaded" in hammr("image", "download", "--id", number, "--file", "disk.qcow2")
        assert (hammr.home / "disk.qcow2").read_bytes() == content
    assert "Image deleted" in hammr("image", "delete", "--id", number, stdin="y\n")
    eventually(lambda: f"{sha256[:2]}/{sha256}" not in bucket.names(), "its object is gone")


def test_a_bundle_goes_into_the_bucket_and_comes_out_with_an_archive(hammr: Hammr, bucket: Bucket) -> None:
    (hammr.home / "hello.txt").write_bytes(b"hello\n")
    document = """
name: hello
version: "1"
files:
  - name: hello.txt
    source: hello.txt
    tag: softwarefile
    destination: /usr/share/hello
"""
    (hammr.home / "bundle.yml").write_text(document)
    assert "OK" in hammr("bundle", "create", "--file", "bundle.yml")
    sha256 = hashlib.sha256(b"hello\n").hexdigest()
    assert bucket.content(sha256) == b"hello\n"
    number = hammr("bundle", "list").split("hello")[0].rpartition("|")[0].rpartition("|")[2].strip()
    assert "Download complete" in hammr("bundle", "export", "--id", number, "--file", "hello.tar.gz")
    assert Path(hammr.home / "hello.tar.gz").read_bytes()[:2] == b"\x1f\x8b"
