"""Files on their way into a bucket: in pieces, hashed once more on the way, and visible only when they are whole."""

import base64
import contextlib
import hashlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ingot.store.artifacts import ArtifactError, Course
from ingot.store.s3_client import Bucket, is_missing

#: Large enough for few requests, small enough to lose little when a line breaks; S3 takes none below 5 MiB.
PART_SIZE = 16 << 20
#: S3 knows at most this many parts of an object.
_MOST_PARTS = 10_000
_AT_ONCE = 4
_CHUNK = 1 << 20


class Upload:
    """Sends one file, named by its hash."""

    def __init__(self, bucket: Bucket, course: Course, file: Path, sha256: str) -> None:
        self._bucket, self._course, self._file, self._sha256 = bucket, course, file, sha256
        self._size = file.stat().st_size
        self._object = {"Bucket": bucket.name, "Key": bucket.key(sha256)}
        self._kind = {"ContentType": "application/octet-stream", "Metadata": {"sha256": sha256}}
        self._digest = hashlib.sha256()

    def run(self) -> None:
        """Send it, unless it is there. Raises ArtifactError, TransferStoppedError."""
        if self._bucket.persistently(self._course, self._is_there):
            self._course.add(self._size)
            return
        with self._file.open("rb", buffering=0) as content:
            if self._size <= PART_SIZE:
                md5 = self._read(content.fileno(), 0, self._size)
                self._require_unchanged()
                self._bucket.persistently(self._course, lambda: self._put(content.fileno(), md5))
            else:
                self._send_parts(content.fileno())

    def _is_there(self) -> bool:
        try:
            answer = self._bucket.patient.head_object(**self._object)
        except ClientError as error:
            if is_missing(error):
                return False
            raise
        return int(answer["ContentLength"]) == self._size

    def _put(self, descriptor: int, md5: str) -> None:
        with self._piece(descriptor, 0, self._size) as piece:
            self._bucket.patient.put_object(**self._object, **self._kind, Body=piece, ContentMD5=md5)

    def _send_parts(self, descriptor: int) -> None:
        client, course = self._bucket.patient, self._course
        upload = self._bucket.persistently(
            course, lambda: client.create_multipart_upload(**self._object, **self._kind)
        )["UploadId"]
        try:
            sent = self._sent_parts(descriptor, upload)
            self._require_unchanged()
            self._bucket.persistently(course, lambda: self._complete(upload, sent))
        except BaseException:
            # Where this fails too, the sweep finds what is left.
            with contextlib.suppress(BotoCoreError, ClientError):
                self._bucket.quick.abort_multipart_upload(**self._object, UploadId=upload)
            raise

    def _sent_parts(self, descriptor: int, upload: str) -> list[dict[str, Any]]:
        size = max(PART_SIZE, -(-self._size // _MOST_PARTS))
        sent: list[dict[str, Any]] = []
        waiting: deque[Future[dict[str, Any]]] = deque()
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="s3-part") as pool:
            try:
                for number, start in enumerate(range(0, self._size, size), 1):
                    length = min(size, self._size - start)
                    # In order, one after the other: so the hash of the whole is known before the last is sent.
                    md5 = self._read(descriptor, start, length)
                    if len(waiting) == _AT_ONCE:
                        sent.append(waiting.popleft().result())
                    waiting.append(pool.submit(self._send_part, descriptor, upload, number, start, length, md5))
                sent.extend(part.result() for part in waiting)
            except BaseException:
                self._course.stop()  # the other parts are for nothing
                raise
        return sent

    def _send_part(
        self, descriptor: int, upload: str, number: int, start: int, length: int, md5: str
    ) -> dict[str, Any]:
        def send() -> dict[str, Any]:
            with self._piece(descriptor, start, length) as piece:
                answer = self._bucket.patient.upload_part(
                    **self._object, UploadId=upload, PartNumber=number, Body=piece, ContentMD5=md5
                )
            return {"PartNumber": number, "ETag": answer["ETag"]}

        return self._bucket.persistently(self._course, send)

    def _complete(self, upload: str, sent: list[dict[str, Any]]) -> None:
        try:
            self._bucket.patient.complete_multipart_upload(
                **self._object, UploadId=upload, MultipartUpload={"Parts": sent}
            )
        except ClientError as error:
            # The answer to a try before may have been lost.
            if error.response.get("Error", {}).get("Code") != "NoSuchUpload" or not self._is_there():
                raise

    def _read(self, descriptor: int, start: int, length: int) -> str:
        """Hash a part of the file; returns its MD5, by which S3 sees that it has arrived as it was."""
        md5 = hashlib.md5(usedforsecurity=False)
        for position in range(start, start + length, _CHUNK):
            self._course.check()
            chunk = os.pread(descriptor, min(_CHUNK, start + length - position), position)
            self._digest.update(chunk)
            md5.update(chunk)
        return base64.b64encode(md5.digest()).decode()

    def _require_unchanged(self) -> None:
        if self._digest.hexdigest() != self._sha256:
            raise ArtifactError(
                f"{self._file.name} is not what it was when it was made: its SHA-256 is {self._digest.hexdigest()}, "
                f"not {self._sha256}. Look at the disk, then try again."
            )

    @contextlib.contextmanager
    def _piece(self, descriptor: int, start: int, length: int) -> Iterator["_Piece"]:
        """A part of the file to send; what was counted of it does not count when it fails."""
        piece = _Piece(descriptor, start, length, self._course)
        try:
            yield piece
        except BaseException:
            piece.seek(0)
            raise


class _Piece:
    """A part of a file as the stream that the library reads; several threads read the same file."""

    def __init__(self, descriptor: int, start: int, size: int, course: Course) -> None:
        self._descriptor, self._start, self._size, self._course = descriptor, start, size, course
        self._position = 0

    def __len__(self) -> int:
        return self._size

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes."""
        self._course.check()
        left = self._size - self._position
        count = left if size is None or size < 0 else min(size, left)
        chunk = os.pread(self._descriptor, count, self._start + self._position)
        self._go_to(self._position + len(chunk))
        return chunk

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        """Go elsewhere: to be signed, a piece is read twice."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._go_to(base + position)
        return self._position

    def tell(self) -> int:
        """Where the next read begins."""
        return self._position

    def _go_to(self, position: int) -> None:
        self._course.add(position - self._position)
        self._position = position
