"""Artifacts in S3: whole or not there at all, sent once, fetched as they were."""

import hashlib
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from ingot.settings import Settings
from ingot.store.artifacts import ArtifactError, Course, StoreAwayError, TransferStoppedError
from ingot.store.s3 import S3Artifacts
from ingot.store.s3_client import bucket_of
from ingot.store.stores import artifacts_of, require_usable
from tests.faults.site import eventually
from tests.s3 import SECRET, Bucket

_MIB = 1 << 20


@pytest.fixture
def settings(bucket: Bucket, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", **bucket.settings)  # type: ignore[arg-type]


@pytest.fixture
def store(settings: Settings) -> S3Artifacts:
    return S3Artifacts(bucket_of(settings), settings.directory / "incoming", 60)


def _file(path: Path, content: bytes) -> tuple[str, Path]:
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest(), path


def _large(path: Path) -> tuple[str, Path]:
    """Four parts, with a hole of more than a part."""
    return _file(path, os.urandom(20 * _MIB) + bytes(20 * _MIB) + os.urandom(12 * _MIB + 12345))


def test_a_large_file_arrives_in_parts_and_comes_back_with_its_holes(
    bucket: Bucket, store: S3Artifacts, tmp_path: Path
) -> None:
    sha256, file = _large(tmp_path / "image")
    sent = Course()
    store.send({sha256: file}, sent)
    assert sent.done == sent.total == file.stat().st_size
    assert bucket.names() == {f"{sha256[:2]}/{sha256}"}
    assert bucket.count("PUT", "partNumber=") == 4
    brought, copy = Course(), tmp_path / "scratch/image"
    store.bring({copy: sha256}, brought)
    assert copy.read_bytes() == file.read_bytes()
    assert brought.done == brought.total == file.stat().st_size
    assert copy.stat().st_blocks * 512 < 34 * _MIB


def test_the_same_content_is_not_sent_twice(bucket: Bucket, store: S3Artifacts, tmp_path: Path) -> None:
    files = dict(
        [_large(tmp_path / "image"), _file(tmp_path / "small", b"some bytes"), _file(tmp_path / "empty", b"")]
    )
    store.send(files, Course())
    before, again = bucket.count("PUT"), Course()
    store.send(files, again)
    assert bucket.count("PUT") == before
    assert again.done == again.total
    assert {name[3:] for name in bucket.names()} == set(files)
    assert bucket.uploads() == 0


def test_a_busy_server_is_asked_again(bucket: Bucket, store: S3Artifacts, tmp_path: Path) -> None:
    sha256, file = _large(tmp_path / "image")
    bucket.busy = 3
    course = Course()
    store.send({sha256: file}, course)
    assert bucket.busy == 0
    assert bucket.content(sha256) == file.read_bytes()
    assert course.done == course.total, "what is sent twice counts once"


def test_an_upload_goes_on_when_the_bucket_is_back(bucket: Bucket, store: S3Artifacts, tmp_path: Path) -> None:
    sha256, file = _file(tmp_path / "small", b"some bytes")
    course = Course()
    bucket.stop()
    thread = threading.Thread(target=store.send, args=({sha256: file}, course))
    thread.start()
    eventually(lambda: "cannot be reached" in course.trouble, "the trouble is told")
    bucket.start()
    thread.join(60)
    assert bucket.content(sha256) == b"some bytes"
    assert course.trouble == ""


def test_an_upload_that_fails_leaves_nothing(bucket: Bucket, store: S3Artifacts, tmp_path: Path) -> None:
    sha256, file = _large(tmp_path / "image")
    bucket.busy = 1
    with pytest.raises(StoreAwayError, match="503"):
        store.send({sha256: file}, Course(patience=0))
    assert bucket.names() == set()
    assert bucket.uploads() == 0


def test_an_upload_that_is_stopped_leaves_nothing(bucket: Bucket, store: S3Artifacts, tmp_path: Path) -> None:
    sha256, file = _large(tmp_path / "image")
    course, failures = Course(), list[Exception]()
    bucket.open.clear()

    def send() -> None:
        try:
            store.send({sha256: file}, course)
        except TransferStoppedError as error:
            failures.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    eventually(lambda: bucket.waiting > 0, "parts are on their way")
    course.stop()
    bucket.open.set()
    thread.join(60)
    assert len(failures) == 1
    assert bucket.names() == set()
    assert bucket.uploads() == 0


@pytest.mark.parametrize("size", [1000, 40 * _MIB])
def test_a_file_that_is_not_what_it_was_is_not_sent(
    bucket: Bucket, store: S3Artifacts, tmp_path: Path, size: int
) -> None:
    sha256, file = _file(tmp_path / "image", os.urandom(size))
    with file.open("r+b") as content:
        content.write(b"another")
    with pytest.raises(ArtifactError, match="is not what it was"):
        store.send({sha256: file}, Course())
    assert bucket.names() == set()
    assert bucket.uploads() == 0


def test_a_content_that_somebody_changed_is_refused(bucket: Bucket, store: S3Artifacts, tmp_path: Path) -> None:
    sha256, file = _file(tmp_path / "small", b"some bytes")
    store.send({sha256: file}, Course())
    bucket.client().put_object(Bucket=bucket.name, Key=f"files/{sha256[:2]}/{sha256}", Body=b"other bytes")
    with pytest.raises(ArtifactError, match="its SHA-256 is not its name"):
        store.bring({tmp_path / "copy": sha256}, Course())
    assert not (tmp_path / "copy").exists()
    with pytest.raises(ArtifactError, match="its SHA-256 is not its name"):
        store.read(sha256)


def test_a_content_that_is_gone_is_named(store: S3Artifacts, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=f"does not have files/aa/{'a' * 64}"):
        store.bring({tmp_path / "copy": "a" * 64}, Course())


def test_old_contents_are_found_page_by_page(
    bucket: Bucket, store: S3Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    client, hashes = bucket.client(), {f"ab{number:062x}" for number in range(7)}
    for sha256 in hashes:
        client.put_object(Bucket=bucket.name, Key=f"files/ab/{sha256}", Body=b"")
    # What others have put there is none of ours.
    for key in ("files/ab/readme", f"files/ab/{'c' * 64}", f"other/ab/{'ab' * 32}", f"files/cd/cd{'0' * 62}"):
        client.put_object(Bucket=bucket.name, Key=key, Body=b"")
    before = bucket.count("GET", "list-type=2")
    assert store.older_than(-60, "ab") == hashes
    assert bucket.count("GET", "list-type=2") - before >= 4
    assert store.older_than(60, "ab") == set()
    store.remove_all(hashes)
    assert store.older_than(-60, "ab") == set()


def test_uploads_that_nobody_goes_on_with_are_given_up(bucket: Bucket, store: S3Artifacts) -> None:
    client = bucket.client()
    left, going_on = "a" * 64, "b" * 64
    keys = [f"files/aa/{left}", f"files/bb/{going_on}", f"other/aa/{left}", "files/somebody-else"]
    for key in keys:
        client.create_multipart_upload(Bucket=bucket.name, Key=key)
    store.remove_leftovers(50 * 365 * 86400, lambda _: set())  # the stand-in says that all began in 2010
    assert bucket.uploads() == 4, "so young ones may be going on"
    store.remove_leftovers(3600, lambda hashes: hashes & {going_on})
    uploads = client.list_multipart_uploads(Bucket=bucket.name)["Uploads"]
    assert {row["Key"] for row in uploads} == set(keys[1:])


def test_what_is_needed_is_tried_and_leaves_nothing(bucket: Bucket, settings: Settings) -> None:
    require_usable(settings)
    assert bucket.names() == set()
    assert bucket.uploads() == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"artifacts": "s3://nothing-of-this-name"}, r"There is no bucket nothing-of-this-name\. Create it"),
        ({"s3_endpoint": "http://127.0.0.1:9"}, r"cannot be reached at http://127\.0\.0\.1:9 .* INGOT_S3_ENDPOINT"),
    ],
)
def test_what_is_missing_is_told_with_the_remedy(settings: Settings, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ArtifactError, match=words) as told:
        require_usable(settings.model_copy(update=changes))
    assert SECRET not in str(told.value)


def test_without_credentials_their_places_are_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(ArtifactError, match=r"There are no credentials for s3://.* Look at AWS_ACCESS_KEY_ID"):
        require_usable(settings)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ArtifactError, match=r"profile \(nobody\) could not be found.* Look at AWS_ACCESS_KEY_ID"):
        artifacts_of(settings)


def test_credentials_that_are_wrong_are_told_without_the_secret(bucket: Bucket, settings: Settings) -> None:
    bucket.check_logins()
    try:
        with pytest.raises(ArtifactError, match=r"does not accept the credentials \(.*AWS_SECRET_ACCESS_KEY") as told:
            require_usable(settings)
    finally:
        bucket.check_logins(after=float("inf"))
    assert SECRET not in str(told.value)


def test_addresses_are_amazons_own_for_the_region_or_what_the_public_uses(
    settings: Settings, tmp_path: Path, bucket: Bucket
) -> None:
    def address(**changes: Any) -> str:
        return artifacts_of(settings.model_copy(update=changes)).address("a" * 64, None, "text/plain")

    own = address(s3_endpoint=None)
    assert own.startswith(f"https://{bucket.name}.s3.eu-west-1.amazonaws.com/files/aa/{'a' * 64}?")
    assert "X-Amz-Expires=300" in own
    assert SECRET not in own
    public = address(s3_public_endpoint="https://files.example.org", s3_link_lifetime=77)
    assert public.startswith(f"https://files.example.org/{bucket.name}/files/aa/{'a' * 64}?")
    assert "X-Amz-Expires=77" in public
