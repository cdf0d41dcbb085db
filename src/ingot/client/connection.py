"""Requests to a server: messages in, messages out, errors in words."""

import base64
import hmac
import os
import secrets
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import IO, Any, TypeVar, cast
from urllib.parse import quote, urlencode, urlsplit

import httpx

from ingot import __version__
from ingot.client import redirects
from ingot.client.download import Progress, Source, download
from ingot.client.errors import RefusedError, UnreachableError
from ingot.client.login import Login
from ingot.messages import codec
from ingot.messages.base import Message
from ingot.messages.common import UForgeError

_M = TypeVar("_M", bound=Message)
_SECONDS = 60
#: A server that keeps its files elsewhere sends one on before it answers.
_UPLOAD_SECONDS = 3600
_JSON = "application/json"
#: What is no object comes as it is, but what is said of a failure as what can be read here.
_CONTENT = f"{_JSON}, */*;q=0.1"


class Connection:
    """A user's connection to a server. Paths are relative to the API's base, as the `uri` of objects is."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self._client = httpx.Client(
            auth=credentials(login),
            headers={"User-Agent": f"ingot/{__version__}", "Accept": _JSON},
            timeout=_SECONDS,
        )

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def user_path(self, path: str = "") -> str:
        """A path below the user who is logged in, or whom a supervisor (ADMIN\\USER) acts for."""
        user = self.login.user.rpartition("\\")[2]
        return f"users/{quote(user, safe='@')}{'/' if path else ''}{path}"

    def get(self, path: str, answer: type[_M], query: Mapping[str, str] | None = None) -> _M:
        """Read an object."""
        return self._parsed(self._request("GET", path, query=query), answer)

    def content(self, path: str, query: Mapping[str, str] | None = None) -> tuple[bytes, Mapping[str, str]]:
        """Read something that is no object: its bytes, and the answer's headers."""
        response = self._request("GET", path, query=query, accept=_CONTENT, follow=True)
        return response.content, response.headers

    def post(
        self, path: str, body: Message | IO[bytes] | None, answer: type[_M], query: Mapping[str, str] | None = None
    ) -> _M:
        """Create an object, or upload a file's content."""
        return self._parsed(self._request("POST", path, body, query), answer)

    def upload(self, path: str, file: IO[bytes], answer: type[_M], progress: Progress) -> _M:
        """Send a file's content, from where the file stands on; `progress` is told of (bytes sent, bytes in all)."""
        return self.post(path, cast("IO[bytes]", _Followed(file, progress)), answer)

    def put(self, path: str, body: Message, answer: type[_M]) -> _M:
        """Change an object."""
        return self._parsed(self._request("PUT", path, body), answer)

    def delete(self, path: str, query: Mapping[str, str] | None = None) -> None:
        """Delete an object."""
        self._request("DELETE", path, query=query)

    def download(self, path: str, sha256: str, size: int, target: Path, progress: Progress) -> None:
        """Fetch a file of `size` bytes with this SHA-256 into its place; see `download.download`."""
        download(self._client, Source(self.address(path), sha256, size), target, progress)

    def save(self, path: str, target: Path) -> None:
        """Fetch a file whose size and hash nobody knows before into its place; it appears there complete."""
        draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        headers = {"Accept": _CONTENT}
        try:
            request = self._client.build_request("GET", self.address(path), headers=headers)
            with draft.open("xb") as file, closing(redirects.send(self._client, request)) as response:
                if not response.is_success:
                    response.read()
                    raise _refusal(self.login.url, response)
                for chunk in response.iter_bytes():
                    file.write(chunk)
            draft.rename(target)
        except httpx.HTTPError as error:
            raise UnreachableError(f"The connection to {self.login.url} was lost: {error}. Try again.") from error
        finally:
            draft.unlink(missing_ok=True)

    def address(self, path: str) -> str:
        """The complete address of a path."""
        return f"{self.login.url}/{path.lstrip('/')}"

    def _request(
        self,
        method: str,
        path: str,
        body: Message | IO[bytes] | None = None,
        query: Mapping[str, str] | None = None,
        accept: str = _JSON,
        *,
        follow: bool = False,
    ) -> httpx.Response:
        content = codec.to_json(body, _declared(type(body))) if isinstance(body, Message) else body
        headers = {"Accept": accept}
        if body:
            headers["Content-Type"] = _JSON if isinstance(body, Message) else "application/octet-stream"
        read = _SECONDS if body is None or isinstance(body, Message) else _UPLOAD_SECONDS
        try:
            request = self._client.build_request(
                method,
                self.address(path),
                params=query or None,
                content=content,
                headers=headers,
                timeout=httpx.Timeout(_SECONDS, read=read),
            )
            response = redirects.send(self._client, request) if follow else self._client.send(request)
            response.read()
            response.close()
        except httpx.TimeoutException as error:
            raise UnreachableError(
                f"The server {self.login.url} did not answer within {read} seconds. Try again."
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                remedy = "Name the file of the authority that signed it: SSL_CERT_FILE=ca.pem"
            else:
                remedy = "Is it running? Another one: ingot login URL"
            raise UnreachableError(f"The server {self.login.url} cannot be reached: {error}. {remedy}") from error
        if response.is_success:
            return response
        raise _refusal(self.login.url, response)

    def _parsed(self, response: httpx.Response, answer: type[_M]) -> _M:
        try:
            return codec.from_json(response.content, answer)
        except codec.MalformedMessageError as error:
            raise UnreachableError(
                f"What answers at {self.login.url} is no server of ours, or a much newer one: {error}"
            ) from error


class _Followed:
    """A file whose reading is told of."""

    def __init__(self, file: IO[bytes], progress: Progress) -> None:
        self._file, self._progress = file, progress
        self._size = os.fstat(file.fileno()).st_size

    def fileno(self) -> int:
        """For its size."""
        return self._file.fileno()

    def __iter__(self) -> Iterator[bytes]:
        """Its content in pieces."""
        while chunk := self.read(1 << 16):
            yield chunk

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        chunk = self._file.read(size)
        self._progress(self._file.tell(), self._size)
        return chunk


def credentials(login: Login) -> httpx.Auth:
    """How requests of a login are authenticated."""
    if login.public_key and login.secret_key:
        return _Signature(login.url, login.public_key, login.secret_key)
    return httpx.BasicAuth(login.user, login.password or "")


class _Signature(httpx.Auth):
    """Signs requests with an API key: HMAC-SHA1 of the address after the base, with its query."""

    def __init__(self, url: str, public_key: str, secret_key: str) -> None:
        self._base = urlsplit(url).path
        self._public_key, self._secret_key = public_key, secret_key.encode()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign one request."""
        target = request.url.raw_path.decode("ascii")
        target += f"{'&' if '?' in target else '?'}apiKey={quote(self._public_key, safe='')}"
        signed = target.removeprefix(self._base).lstrip("/")
        signature = base64.b64encode(hmac.digest(self._secret_key, signed.encode("ascii"), "sha1"))
        signed_target = f"{target}&{urlencode({'signature': signature.decode('ascii')})}"
        request.url = request.url.copy_with(raw_path=signed_target.encode("ascii"))
        yield request


def _declared(message_type: type[Message]) -> type[Message]:
    """The type that an operation declares where a message of a type that has no root element of its own is sent."""
    return next(base for base in message_type.__mro__ if "ELEMENT" in base.__dict__)


def _refusal(url: str, response: httpx.Response) -> Exception:
    if redirects.is_elsewhere(response, url):
        return redirects.refusal(response)
    try:
        error = codec.from_json(response.content, UForgeError)
    except codec.MalformedMessageError:
        return UnreachableError(
            f"What answers at {url} is no server of ours: {response.status_code} {response.reason_phrase}. "
            "Look at the address: ingot login http://SERVER:8080"
        )
    words: Any = error.localized_error_msg
    if words.message_id == "ERROR.ROUTE.NOT_FOUND":
        return UnreachableError(
            f"{words.message} The server is of another version, or its address is another one: ingot login URL"
        )
    return RefusedError(response.status_code, words.message or "", words.message_id or "")
