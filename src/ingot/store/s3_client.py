"""Clients of S3, and what their errors mean to whoever runs the server."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import boto3.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - the library's
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSLError,
)

from ingot.settings import Settings
from ingot.store.artifacts import ArtifactError, Course, StoreAwayError

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
_CREDENTIALS = frozenset(
    {
        *("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AuthFailure"),
        *("TokenRefreshRequired", "InvalidClientTokenId", "MissingSecurityHeader"),
    }
)
_REGION = frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"})
_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
_LOOK_AT_CREDENTIALS = (
    "Look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, at the profile (AWS_PROFILE), or at the machine's role."
)
_RIGHTS = (
    "Allow s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on the bucket's objects, and "
    "s3:ListBucket and s3:ListBucketMultipartUploads on the bucket."
)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Bucket:
    """A bucket, or a part of one: names of objects begin with `prefix`. Transfers go through the patient client, what
    somebody waits for through the `quick` one; addresses are made by the `signer`."""

    name: str
    prefix: str
    endpoint: str
    patient: Any
    quick: Any
    signer: Any

    def key(self, sha256: str) -> str:
        """The name of a content's object."""
        return f"{self.prefix}{sha256[:2]}/{sha256}"

    @property
    def where(self) -> str:
        """The bucket, as the setting has it."""
        return f"s3://{self.name}/{self.prefix}".rstrip("/")

    def explained(self, error: Exception) -> ArtifactError:
        """What an error of the library means here, with what to do. No message of the library has a secret."""
        if isinstance(error, ClientError):
            return self._explained_answer(error)
        if isinstance(error, (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError)):
            return StoreAwayError(f"There are no credentials for {self.where} ({error}). {_LOOK_AT_CREDENTIALS}")
        if isinstance(error, (ConnectionError, HTTPClientError)):
            return StoreAwayError(
                f"{self.where} cannot be reached at {self.endpoint} ({type(error).__name__}). Is it running? Look at "
                "INGOT_S3_ENDPOINT and the network."
            )
        return StoreAwayError(f"{self.where} cannot be used: {error}")

    def _explained_answer(self, error: ClientError) -> ArtifactError:
        fault, what = error.response.get("Error", {}), error.operation_name
        code = str(fault.get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        words = f"{code}: {fault.get('Message') or 'no words'}"
        if code == "NoSuchBucket":
            return StoreAwayError(f"There is no bucket {self.name}. Create it, or look at INGOT_ARTIFACTS.")
        if code in _MISSING:
            return ArtifactError(f"{self.where} does not have what should be there: somebody else has removed it.")
        if code in _CREDENTIALS:
            return StoreAwayError(f"{self.where} does not accept the credentials ({words}). {_LOOK_AT_CREDENTIALS}")
        if code == "RequestTimeTooSkewed":
            return StoreAwayError(f"{self.where} refuses requests because of their time: set this machine's clock.")
        if code in _REGION or status == 301:
            region = fault.get("Region") or "another one"
            return StoreAwayError(f"The region of {self.where} is {region} ({words}): set INGOT_S3_REGION.")
        if status == 403:
            return StoreAwayError(f"{self.where} refuses {what} to these credentials ({words}). {_RIGHTS}")
        return StoreAwayError(f"{self.where} refuses {what} ({words}).")

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """A context whose errors of the library are explained."""
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise self.explained(error) from error

    def persistently(self, course: Course, work: Callable[[], _T]) -> _T:
        """Do a piece of a transfer, again while the bucket is away for a moment. Raises ArtifactError."""
        since, before, pause = time.monotonic(), course.done, _FIRST_PAUSE
        while True:
            course.check()
            try:
                result = work()
            except (BotoCoreError, ClientError) as error:
                course.check()
                if course.done > before:
                    since, before, pause = time.monotonic(), course.done, _FIRST_PAUSE
                explained = self.explained(error)
                if not _is_passing(error) or time.monotonic() - since > course.patience:
                    raise explained from error
                course.trouble = str(explained)
                course.pause(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                course.trouble = ""
                return result


def has_not_arrived(error: Exception) -> bool:
    """Whether a request that was sent once did not even get a connection."""
    return isinstance(error, (EndpointConnectionError, ConnectTimeoutError))


def is_missing(error: ClientError) -> bool:
    """Whether an answer says that there is no such object."""
    return str(error.response.get("Error", {}).get("Code")) in _MISSING


def bucket_of(settings: Settings) -> Bucket:
    """The bucket of the settings; nothing is asked of it yet. Raises StoreAwayError."""
    name, _, prefix = (settings.artifacts or "").removeprefix("s3://").partition("/")
    prefix = prefix.strip("/")
    try:
        session = boto3.session.Session()
        region = settings.s3_region or session.region_name or "us-east-1"
        quick = _client(session, region, settings.s3_endpoint, connect=5, read=10, tries=2)
        patient = _client(session, region, settings.s3_endpoint, connect=10, read=30, tries=1)
        signer = quick
        if settings.s3_public_endpoint:
            signer = _client(session, region, settings.s3_public_endpoint, connect=5, read=10, tries=1)
    except ProfileNotFound as error:
        raise StoreAwayError(f"There are no credentials for S3 ({error}). {_LOOK_AT_CREDENTIALS}") from error
    except (BotoCoreError, ValueError) as error:
        raise StoreAwayError(f"S3 cannot be used as it is set up: {error}") from error
    endpoint = str(quick.meta.endpoint_url)
    return Bucket(name, f"{prefix}/" if prefix else "", endpoint, patient, quick, signer)


def _client(
    session: boto3.session.Session, region: str, endpoint: str | None, *, connect: int, read: int, tries: int
) -> Any:
    return session.client(
        "s3",
        region_name=region,
        endpoint_url=endpoint,
        config=Config(
            signature_version="s3v4",
            # Amazon's regional names; what else speaks S3 often has one name for all buckets.
            s3={"addressing_style": "path" if endpoint else "virtual"},
            # A transfer is tried again by us: we know how far it was, and whether it is still wanted.
            retries={"mode": "standard", "total_max_attempts": tries},
            connect_timeout=connect,
            read_timeout=read,
            max_pool_connections=32,
            # Stores that are not Amazon's know no newer checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def _is_passing(error: Exception) -> bool:
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = str(error.response.get("Error", {}).get("Code", ""))
        return (
            status >= 500 or status == 429 or code in ("RequestTimeout", "SlowDown", "BadDigest", "OperationAborted")
        )
    return isinstance(error, (ConnectionError, HTTPClientError, IncompleteReadError)) and not isinstance(
        error, SSLError
    )
