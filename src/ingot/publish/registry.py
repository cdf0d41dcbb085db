"""Container registries, by the distribution protocol: an OCI archive's blobs, then its manifest under a tag."""

import base64
import json
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin

import httpx

from ingot.messages.account import CredAccountDocker, CredAccountOpenShift
from ingot.messages.image import PublishImageDocker, PublishImageOpenShift
from ingot.publish.target import PART_SIZE, Published, PublishError, Target, parts

_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_WORD = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_WORD}(?:/{_WORD})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_TRIES = 5


class RegistryTarget(Target[CredAccountDocker | CredAccountOpenShift, PublishImageDocker | PublishImageOpenShift]):
    """Blobs that the registry has are not sent; one that broke off goes on where the registry says it is."""

    def publish(self) -> Published:
        """Push what is missing, then the manifest."""
        name, tag = self._repository(), str(self.image.tag_name)
        if not _TAG.fullmatch(tag):
            raise PublishError(f"{tag!r} is no tag: use letters, digits, '_', '.' and '-', at most 128.")
        with self._session() as registry, tarfile.open(self.source.file) as archive:
            manifest, media_type, descriptors = _manifest(archive)
            total = sum(entry["size"] for entry in descriptors)
            sent = 0
            for entry in descriptors:
                self._push_blob(registry, archive, name, entry, sent, total)
                sent += entry["size"]
                self.journal.report(sent, total, "Pushing layers")
            answer = registry.put(
                f"/v2/{name}/manifests/{tag}", content=manifest, headers={"Content-Type": media_type}
            )
            _require(answer, 201)
        host = re.sub(r"^https?://", "", self._endpoint()).rstrip("/")
        return Published(f"{name}:{tag}", f"{host}/{name}:{tag}")

    def abort(self) -> None:
        """End the upload that was under way; whole blobs that no manifest names are the registry's to collect."""
        location = self.journal.state.get("location")
        if location:
            with self._session() as registry:
                answer = registry.delete(location)
                if answer.status_code not in (202, 204, 404, 405):
                    _require(answer, 204)
        self.journal.forget()

    def _repository(self) -> str:
        parts_of_name = (self.image.namespace, self.image.repository_name)
        name = "/".join(part.strip("/") for part in parts_of_name if part)
        if not _NAME.fullmatch(name):
            raise PublishError(
                f"{name!r} is no repository name: use small letters, digits and single '.', '_', '-' between them."
            )
        return name

    def _endpoint(self) -> str:
        account = self.account
        address = account.registry_url if isinstance(account, CredAccountOpenShift) else account.endpoint_url
        if not address:
            raise PublishError("The account has no address of a registry (endpointUrl).")
        return address if "://" in address else f"https://{address}"

    @contextmanager
    def _session(self) -> Iterator[httpx.Client]:
        if isinstance(self.account, CredAccountOpenShift):
            login, password = "unused", self.account.token or ""
        else:
            login, password = self.account.login or "", self.account.password or ""
        address = self._endpoint().rstrip("/")
        timeout = httpx.Timeout(120, connect=20)
        try:
            with httpx.Client(base_url=address, timeout=timeout, auth=_Login(login, password)) as client:
                yield client
        except httpx.HTTPError as error:
            raise PublishError(f"The registry {address} could not be reached: {error}.") from error

    def _push_blob(
        self, registry: httpx.Client, archive: tarfile.TarFile, name: str, entry: dict[str, Any], sent: int, total: int
    ) -> None:
        digest, size = entry["digest"], entry["size"]
        if registry.head(f"/v2/{name}/blobs/{digest}").status_code == 200:
            return
        member = archive.extractfile(_blob_path(digest))
        if member is None:
            raise PublishError(f"The image is damaged: it lacks the blob {digest}.")
        location, position = self._begin(registry, name, digest)
        failures = 0
        while position < size:
            start, length = next(parts(size, PART_SIZE, position))
            member.seek(start)
            content = member.read(length)
            try:
                answer = registry.patch(
                    location,
                    content=content,
                    headers={
                        "Content-Type": "application/octet-stream",
                        "Content-Range": f"{start}-{start + length - 1}",
                    },
                )
                _require(answer, 202)
                location, position = self._location(answer), start + length
                failures = 0
            except (httpx.TransportError, PublishError):
                failures += 1
                if failures == _TRIES:
                    raise
                location, position = self._begin(registry, name, digest)
            self.journal.save(digest=digest, location=location)
            self.journal.report(sent + position, total, "Pushing layers")
        _require(registry.put(location, params={**_query(location), "digest": digest}), 201)
        self.journal.forget()

    def _begin(self, registry: httpx.Client, name: str, digest: str) -> tuple[str, int]:
        """(address, bytes there already) of the upload of a blob: the one that broke off, or a new one."""
        state = self.journal.state
        if state.get("digest") == digest:
            answer = registry.get(state["location"])
            if answer.status_code == 204:
                reached = answer.headers.get("range", "")
                end = reached.rpartition("-")[2]
                return self._location(answer), int(end) + 1 if end.isdecimal() and end != "0" else 0
        answer = registry.post(f"/v2/{name}/blobs/uploads/", content=b"")
        _require(answer, 202)
        location = self._location(answer)
        self.journal.save(digest=digest, location=location)
        return location, 0

    def _location(self, answer: httpx.Response) -> str:
        return urljoin(str(answer.request.url), answer.headers["location"])


class _Login(httpx.Auth):
    """Basic authentication, or the token that a registry's challenge sends to fetch for it."""

    def __init__(self, login: str, password: str) -> None:
        self._basic = "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode() if password else ""
        self._authorization = ""

    def auth_flow(self, request: httpx.Request) -> Any:
        """Ask again with what the registry wants to see."""
        if self._authorization:
            request.headers["Authorization"] = self._authorization
        answer = yield request
        if answer.status_code != 401:
            return
        challenge = answer.headers.get("www-authenticate", "")
        kind, _, parameters = challenge.partition(" ")
        if kind.lower() == "bearer":
            wanted = dict(_CHALLENGE.findall(parameters))
            query = {name: wanted[name] for name in ("service", "scope") if name in wanted}
            headers = {"Authorization": self._basic} if self._basic else {}
            token = yield httpx.Request("GET", wanted.get("realm", ""), params=query, headers=headers)
            token.read()
            if token.status_code != 200:
                raise PublishError(f"The registry's login refused: {_words(token)}")
            document = token.json()
            self._authorization = f"Bearer {document.get('token') or document.get('access_token')}"
        elif self._basic and request.headers.get("Authorization") != self._basic:
            self._authorization = self._basic
        else:
            return
        request.headers["Authorization"] = self._authorization
        yield request


def _manifest(archive: tarfile.TarFile) -> tuple[bytes, str, list[dict[str, Any]]]:
    """(the manifest, its media type, the descriptors of the blobs that it names) of an OCI archive."""
    index = json.loads(_read(archive, "index.json"))
    entry = index["manifests"][0]
    content = _read(archive, _blob_path(entry["digest"]))
    document = json.loads(content)
    return content, entry["mediaType"], [*document["layers"], document["config"]]


def _read(archive: tarfile.TarFile, path: str) -> bytes:
    try:
        member = archive.extractfile(path)
    except KeyError:
        member = None
    if member is None:
        raise PublishError(f"The image is no OCI archive: it has no {path}.")
    return member.read()


def _blob_path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _query(location: str) -> dict[str, str]:
    return dict(httpx.URL(location).params)


def _require(answer: httpx.Response, status: int) -> None:
    if answer.status_code != status:
        raise PublishError(f"The registry refused: {_words(answer)}", answer.text[:4000])


def _words(answer: httpx.Response) -> str:
    try:
        return "; ".join(f"{fault['code']}: {fault['message']}" for fault in answer.json()["errors"])
    except (ValueError, LookupError, TypeError):
        return f"{answer.status_code} {answer.reason_phrase}"
