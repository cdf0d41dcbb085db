"""Google: the archive becomes an object of Cloud Storage, and the object an image of Compute Engine.

Compute Engine is spoken to with Google's own login library but without its compute library: that one takes seconds
and a hundred megabytes to load, for two requests.
"""

import contextlib
import json
import re
import time
from typing import Any, ClassVar

from google.api_core.exceptions import Conflict, GoogleAPICallError, NotFound
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage
from google.oauth2 import service_account

from ingot.messages.account import CredAccountGoogle
from ingot.messages.image import PublishImageGoogle
from ingot.publish.target import Published, PublishError, Target, parts

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_COMPUTE = "https://compute.googleapis.com"
#: Google takes parts of multiples of 256 KiB.
_PART = 16 << 20
_WAIT_SECONDS = 3600
_POLL_SECONDS = 3.0


class GoogleTarget(Target[CredAccountGoogle, PublishImageGoogle]):
    """A resumable upload whose address outlives us; the object goes once the image is there."""

    #: Other servers than Google's own: of storage and of machines.
    storage_endpoint: ClassVar[str | None] = None
    compute_endpoint: ClassVar[str] = _COMPUTE

    def publish(self) -> Published:
        """Upload the archive and have an image made of it."""
        with _in_their_words():
            session = self._session()
            blob = self._blob()
            self._upload(session, blob)
            name = self._image_name()
            self._make_image(session, name, blob)
            with contextlib.suppress(NotFound):
                blob.delete()
        return Published(name, f"projects/{self.image.project_id}/global/images/{name}")

    def abort(self) -> None:
        """End the upload and remove the object."""
        with _in_their_words():
            address = self.journal.state.get("address")
            if address:
                self._session().delete(address)
                with contextlib.suppress(NotFound):
                    self._blob().delete()
        self.journal.forget()

    def _credentials(self) -> Any:
        for certificate in self.account.certificates or []:
            if certificate.type == "googleCertificate" and certificate.content:
                try:
                    document = json.loads(certificate.content)
                    return service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
                        document, scopes=_SCOPES
                    )
                except ValueError as error:
                    raise PublishError(
                        f"The certificate {certificate.name} is no key file of a service account: {error}."
                    ) from error
        raise PublishError(
            "The account has no key file of a service account (a certificate of type googleCertificate)."
        )

    def _session(self) -> AuthorizedSession:
        return AuthorizedSession(self._credentials())  # type: ignore[no-untyped-call]

    def _blob(self) -> Any:
        options = {"api_endpoint": self.storage_endpoint} if self.storage_endpoint else None
        client = storage.Client(
            project=str(self.image.project_id), credentials=self._credentials(), client_options=options
        )
        bucket = client.bucket(str(self.image.bucket))
        if self.image.storage_class:
            bucket.storage_class = self.image.storage_class
        with contextlib.suppress(Conflict):  # it is there already
            if not bucket.exists():
                client.create_bucket(bucket, location=self.image.bucket_location)
        return bucket.blob(f"ingot/{self.source.sha256}.tar.gz")

    def _upload(self, session: AuthorizedSession, blob: Any) -> None:
        size = self.source.size
        address, position = self.journal.state.get("address"), 0
        if address:
            position = _reached(session.put(address, headers={"Content-Range": f"bytes */{size}"}), size)
        if not address or position < 0:
            address = blob.create_resumable_upload_session(content_type="application/gzip", size=size)
            self.journal.save(address=address)
            position = 0
        with self.source.file.open("rb") as file:
            while position < size:
                start, length = next(parts(size, _PART, position))
                file.seek(start)
                answer = session.put(
                    address,
                    data=file.read(length),
                    headers={"Content-Range": f"bytes {start}-{start + length - 1}/{size}"},
                    timeout=300,
                )
                position = _reached(answer, size)
                if position < 0:
                    raise PublishError(
                        f"Google refused a part of the upload: {answer.status_code} {answer.text[:300]}"
                    )
                self.journal.report(position, size, "Uploading to Google")

    def _image_name(self) -> str:
        name = re.sub(r"[^a-z0-9-]+", "-", f"{self.image.disk_name_prefix}-{self.source.sha256[:12]}".lower())
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,61}[a-z0-9]", name):
            raise PublishError(
                f"{self.image.disk_name_prefix!r} is no diskNamePrefix: begin with a small letter, then letters, "
                "digits and '-', at most 50."
            )
        return name

    def _make_image(self, session: AuthorizedSession, name: str, blob: Any) -> None:
        self.journal.report(self.source.size, self.source.size, "Making the image")
        base = f"{self.compute_endpoint}/compute/v1/projects/{self.image.project_id}/global"
        answer = session.post(
            f"{base}/images",
            json={
                "name": name,
                "description": self.image.description or self.source.title,
                "rawDisk": {"source": f"https://storage.googleapis.com/{blob.bucket.name}/{blob.name}"},
                "guestOsFeatures": [{"type": "UEFI_COMPATIBLE"}, {"type": "VIRTIO_SCSI_MULTIQUEUE"}],
                "architecture": "ARM64" if self.source.arch in ("aarch64", "arm64") else "X86_64",
            },
        )
        if answer.status_code == 409:  # made by a try that ended before it could say so
            return
        operation = _document(answer)
        deadline = time.monotonic() + _WAIT_SECONDS
        while operation.get("status") != "DONE":
            if time.monotonic() > deadline:
                raise PublishError(f"Google has not made the image {name} within an hour.")
            time.sleep(_POLL_SECONDS)
            operation = _document(session.get(f"{base}/operations/{operation['name']}"))
        faults = operation.get("error", {}).get("errors", [])
        if faults:
            raise PublishError(f"Google could not make the image: {'; '.join(one['message'] for one in faults)}")


def _reached(answer: Any, size: int) -> int:
    """How many bytes have arrived; -1 when the upload is not known any more."""
    if answer.status_code in (200, 201):
        return size
    if answer.status_code == 308:
        text = answer.headers.get("Range", "")
        return int(text.rpartition("-")[2]) + 1 if text else 0
    return -1


def _document(answer: Any) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        document = {}
    if answer.status_code >= 400:
        words = document.get("error", {}).get("message") or f"{answer.status_code} {answer.text[:300]}"
        raise PublishError(f"Google refused: {words}")
    return dict(document)


class _in_their_words:  # noqa: N801 - reads as a word in `with`
    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, GoogleAPICallError):
            raise PublishError(f"Google refused: {error.message}", str(error)) from error
        if isinstance(error, GoogleAuthError):
            raise PublishError(f"Google's login refused: {error}") from error
