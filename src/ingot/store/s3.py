"""Artifacts in S3, or in what speaks like it: objects named by their SHA-256. Who downloads fetches from there."""

import contextlib
import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ingot.store.artifacts import ArtifactDraft, ArtifactError, Course, Incoming, NotReachedError, StoreAwayError
from ingot.store.s3_client import Bucket, has_not_arrived, is_missing
from ingot.store.s3_upload import PART_SIZE, Upload

_NAME = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}")
#: Small objects on their way at once: each is mostly waiting.
_AT_ONCE = 8
_CHUNK = 256 << 10
_ZEROS = bytes(_CHUNK)
_T = TypeVar("_T")


class S3Artifacts:
    """Artifacts in a bucket. What is received or made lies in a directory of this machine until it was sent."""

    is_remote = True

    def __init__(self, bucket: Bucket, incoming: Path, link_lifetime: int) -> None:
        self._bucket, self._link_lifetime = bucket, link_lifetime
        self._incoming = Incoming(incoming)

    def require_usable(self) -> None:
        """Try what is needed of the bucket. Raises ArtifactError, which says what is missing."""
        bucket, client = self._bucket, self._bucket.quick
        probe = {"Bucket": bucket.name, "Key": f"{bucket.prefix}writable-{secrets.token_hex(8)}"}
        with bucket.explaining():
            client.list_objects_v2(Bucket=bucket.name, Prefix=bucket.prefix, MaxKeys=1)
            client.list_multipart_uploads(Bucket=bucket.name, Prefix=bucket.prefix, MaxUploads=1)
            client.put_object(**probe, Body=b"")
            client.head_object(**probe)
            upload = client.create_multipart_upload(**probe)["UploadId"]
            client.abort_multipart_upload(**probe, UploadId=upload)
            client.delete_object(**probe)

    def draft(self) -> AbstractContextManager[ArtifactDraft]:
        """Write a file that is sent before it is kept."""
        return self._incoming.draft(None)

    def adopt(self, file: Path, sha256: str) -> None:
        """Nothing: it was sent before."""

    def send(self, files: Mapping[str, Path], course: Course) -> None:
        """Send files; what is there already is not sent again."""
        sizes = {sha256: file.stat().st_size for sha256, file in files.items()}
        course.expect(sum(sizes.values()))
        _at_once(
            course,
            lambda sha256: Upload(self._bucket, course, files[sha256], sha256).run(),
            [sha256 for sha256, size in sizes.items() if size <= PART_SIZE],
        )
        for sha256, size in sizes.items():
            if size > PART_SIZE:
                Upload(self._bucket, course, files[sha256], sha256).run()

    def bring(self, wanted: Mapping[Path, str], course: Course) -> None:
        """Fetch contents, and see that they are what their names say."""
        _at_once(course, lambda path: self._fetch(wanted[path], path, course), list(wanted))

    def file(self, sha256: str) -> Path:
        """There is none."""
        raise NotImplementedError(f"{sha256} is no file of this machine")

    def address(self, sha256: str, disposition: str | None, media_type: str) -> str:
        """A signed address that is good for a short time and for this content alone."""
        wanted = {"Bucket": self._bucket.name, "Key": self._bucket.key(sha256), "ResponseContentType": media_type}
        if disposition is not None:
            wanted["ResponseContentDisposition"] = disposition
        with self._bucket.explaining():
            return str(
                self._bucket.signer.generate_presigned_url(
                    "get_object",
                    Params={**wanted, "ResponseCacheControl": "private, no-transform"},
                    ExpiresIn=self._link_lifetime,
                )
            )

    def read(self, sha256: str) -> bytes:
        """A small content, in memory."""
        with self._bucket.explaining():
            content: bytes = self._bucket.quick.get_object(**self._object(sha256))["Body"].read()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise self._another(sha256)
        return content

    def contains(self, sha256: str) -> bool:
        """Whether the object is there; not while nobody can say."""
        try:
            self._bucket.quick.head_object(**self._object(sha256))
        except (BotoCoreError, ClientError):
            return False
        return True

    def remove_all(self, hashes: Collection[str]) -> None:
        """Remove objects; what is being downloaded goes on. Raises NotReachedError when no removal is under way, and
        ArtifactError when one may be.
        """
        has_arrived = threading.Event()

        def remove(sha256: str) -> None:
            try:
                # Tried once: of a second try nobody could tell whether the first one still comes.
                self._bucket.patient.delete_object(**self._object(sha256))
            except (BotoCoreError, ClientError) as error:
                if not has_not_arrived(error):
                    has_arrived.set()
                raise

        try:
            with self._bucket.explaining():
                _at_once(Course(), remove, sorted(hashes))
        except StoreAwayError as error:
            if has_arrived.is_set():
                raise
            raise NotReachedError(str(error)) from error

    def older_than(self, seconds: int, prefix: str) -> set[str]:
        """The hashes that begin with these two characters and were stored more than `seconds` ago."""
        limit, bucket = time.time() - seconds, self._bucket
        with bucket.explaining():
            pages = bucket.quick.get_paginator("list_objects_v2").paginate(
                Bucket=bucket.name, Prefix=f"{bucket.prefix}{prefix}/"
            )
            return {
                name[3:]
                for page in pages
                for row in page.get("Contents", ())
                if (name := self._name(row["Key"])) and row["LastModified"].timestamp() < limit
            }

    def remove_leftovers(self, seconds: int, claimed: Callable[[set[str]], set[str]]) -> None:
        """Give up uploads that nobody goes on with, and remove files that were never sent."""
        self._incoming.remove_leftovers(seconds)
        limit, bucket = time.time() - seconds, self._bucket
        with bucket.explaining():
            pages = bucket.quick.get_paginator("list_multipart_uploads").paginate(
                Bucket=bucket.name, Prefix=bucket.prefix
            )
            old = [
                row
                for page in pages
                for row in page.get("Uploads", ())
                if self._name(row["Key"]) and row["Initiated"].timestamp() < limit
            ]
            going_on = claimed({row["Key"][-64:] for row in old})
            for row in old:
                if row["Key"][-64:] not in going_on:
                    self._abort(row["Key"], row["UploadId"])

    def _abort(self, key: str, upload: str) -> None:
        try:
            self._bucket.quick.abort_multipart_upload(Bucket=self._bucket.name, Key=key, UploadId=upload)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "NoSuchUpload":  # another sweep was quicker
                raise

    def _object(self, sha256: str) -> dict[str, str]:
        return {"Bucket": self._bucket.name, "Key": self._bucket.key(sha256)}

    def _name(self, key: str) -> str | None:
        """The name of an object of ours, without the prefix; None for what somebody else has put there."""
        name = key.removeprefix(self._bucket.prefix)
        return name if _NAME.fullmatch(name) and name[:2] == name[3:5] else None

    def _another(self, sha256: str) -> ArtifactError:
        return ArtifactError(
            f"{self._bucket.where} has something else under {self._bucket.key(sha256)}: its SHA-256 is not its name. "
            "Somebody has changed it; remove it, and make again what it was."
        )

    def _fetch(self, sha256: str, path: Path, course: Course) -> None:
        """Fetch a content into a file that has holes where the content has zeros, as it had where it was made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        digest, position, size = hashlib.sha256(), 0, -1
        with path.open("wb") as file:

            def go_on() -> None:
                nonlocal position, size
                answer = self._get(sha256, position)
                if size < 0:
                    size = int(answer["ContentLength"])
                    course.expect(size)
                with contextlib.closing(answer["Body"]) as body:
                    while chunk := body.read(_CHUNK):
                        course.check()
                        digest.update(chunk)
                        if chunk == _ZEROS[: len(chunk)]:
                            file.seek(len(chunk), 1)
                        else:
                            file.write(chunk)
                        position += len(chunk)
                        course.add(len(chunk))

            while size < 0 or position < size:
                self._bucket.persistently(course, go_on)
            file.truncate(size)
        path.chmod(0o600)
        if digest.hexdigest() != sha256:
            path.unlink()
            raise self._another(sha256)

    def _get(self, sha256: str, position: int) -> Any:
        rest = {"Range": f"bytes={position}-"} if position else {}
        try:
            return self._bucket.patient.get_object(**self._object(sha256), **rest)
        except ClientError as error:
            if is_missing(error):
                raise ArtifactError(
                    f"{self._bucket.where} does not have {self._bucket.key(sha256)}: somebody else has removed it."
                ) from error
            raise


def _at_once(course: Course, work: Callable[[_T], None], things: list[_T]) -> None:
    """Do some work for each thing, a few at once; the first error ends the rest."""
    if len(things) < 2:
        for thing in things:
            work(thing)
        return
    with ThreadPoolExecutor(min(_AT_ONCE, len(things)), thread_name_prefix="s3") as pool:
        futures = [pool.submit(work, thing) for thing in things]
        try:
            for future in futures:
                future.result()
        except BaseException:
            course.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
