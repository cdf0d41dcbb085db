"""S3 and what speaks like it: one object, uploaded in parts that survive a crash."""

from typing import Any

import boto3
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ingot.messages.extension import CredAccountS3, PublishImageS3
from ingot.publish.target import Published, PublishError, Target, parts

#: S3 knows at most this many parts of an object, and none smaller than 5 MiB but the last.
_MOST_PARTS = 10_000
_SMALLEST_PART = 16 << 20


class S3Target(Target[CredAccountS3, PublishImageS3]):
    """A multi-part upload: finished parts are asked for and skipped when it begins again."""

    def publish(self) -> Published:
        """Upload the object."""
        bucket, key = str(self.image.bucket), self._key
        client = aws_client("s3", self.account, self.account.region, self.account.endpoint_url)
        with in_their_words("S3"):
            upload = self._upload(client, bucket, key)
            done = self._send_parts(client, bucket, key, upload)
            client.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": done})
        return Published(f"{bucket}/{key}", f"s3://{bucket}/{key}")

    def abort(self) -> None:
        """Remove the parts that were uploaded."""
        state = self.journal.state
        if "upload" in state:
            client: Any = aws_client("s3", self.account, self.account.region, self.account.endpoint_url)
            with in_their_words("S3", missing=("NoSuchUpload", "NoSuchBucket")):
                client.abort_multipart_upload(Bucket=state["bucket"], Key=state["key"], UploadId=state["upload"])
        self.journal.forget()

    @property
    def _key(self) -> str:
        return self.image.key or self.source.file_name

    def _upload(self, client: Any, bucket: str, key: str) -> str:
        state = self.journal.state
        if (state.get("bucket"), state.get("key")) == (bucket, key):
            try:
                client.list_parts(Bucket=bucket, Key=key, UploadId=state["upload"], MaxParts=1)
                return str(state["upload"])
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchUpload":
                    raise
        upload = client.create_multipart_upload(
            Bucket=bucket, Key=key, Metadata={"sha256": self.source.sha256}, ContentType="application/octet-stream"
        )["UploadId"]
        self.journal.save(bucket=bucket, key=key, upload=upload)
        return str(upload)

    def _send_parts(self, client: Any, bucket: str, key: str, upload: str) -> list[dict[str, Any]]:
        size = self.source.size
        part_size = max(_SMALLEST_PART, -(-size // _MOST_PARTS))
        pages = client.get_paginator("list_parts").paginate(Bucket=bucket, Key=key, UploadId=upload)
        there = {part["PartNumber"]: part for page in pages for part in page.get("Parts", [])}
        done: list[dict[str, Any]] = []
        with self.source.file.open("rb") as file:
            for number, (position, length) in enumerate(parts(size, part_size), 1):
                known = there.get(number)
                if known is not None and known["Size"] == length:
                    tag = known["ETag"]
                else:
                    file.seek(position)
                    tag = client.upload_part(
                        Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=file.read(length)
                    )["ETag"]
                done.append({"PartNumber": number, "ETag": tag})
                self.journal.report(position + length, size, "Uploading to S3")
        return done


def aws_client(service: str, account: Any, region: str | None, endpoint: str | None = None) -> BaseClient:
    """A client of one of Amazon's services, or of what speaks like it."""
    return boto3.client(
        service,
        region_name=region or "us-east-1",
        endpoint_url=endpoint or None,
        aws_access_key_id=account.access_key_id,
        aws_secret_access_key=account.secret_access_key_id,
        config=Config(
            retries={"mode": "standard", "max_attempts": 6},
            connect_timeout=20,
            read_timeout=120,
            # Stores that are not Amazon's know no newer checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


class in_their_words:  # noqa: N801 - reads as a word in `with`
    """A context whose errors of Amazon's library become PublishErrors; codes in `missing` mean that it is gone."""

    def __init__(self, what: str, missing: tuple[str, ...] = ()) -> None:
        self._what, self._missing = what, missing

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if isinstance(error, ClientError):
            fault = error.response.get("Error", {})
            if fault.get("Code") in self._missing:
                return True
            words = fault.get("Message") or fault.get("Code") or str(error)
            raise PublishError(f"{self._what} refused: {words}", str(error)) from error
        if isinstance(error, BotoCoreError):
            raise PublishError(f"{self._what} could not be reached or used: {error}") from error
        return False
