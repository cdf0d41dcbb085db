"""Files from web addresses, fetched with distrust.

The name is resolved once and the connection goes to that very address. Addresses of private networks, of this machine
and of link-local services are refused unless they are allowed; redirects stay on their host.
"""

import hashlib
import ipaddress
import os
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urljoin, urlsplit

import httpcore

from ingot.build.addresses import SCHEMES
from ingot.build.errors import BuildError

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_SECONDS = 60.0
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class RemoteError(BuildError):
    """A file could not be fetched."""


@dataclass(frozen=True)
class Fetched:
    """A file that was fetched: `name` is what its address calls it, `size` is bytes."""

    file: Path
    name: str
    sha256: str
    md5: str
    size: int


def fetch_file(
    url: str,
    directory: Path,
    *,
    largest: int,
    allow_private: bool,
    credentials: tuple[str, str] | None = None,
    on_progress: Callable[[int, int | None], None] = lambda _done, _all: None,
) -> Fetched:
    """Fetch a file of at most `largest` bytes into a new file of a directory.

    `credentials` are a user and a password that its host alone gets. `on_progress` is told of (bytes that came, bytes
    in all where the server says so). Raises RemoteError.
    """
    with _opened(url, allow_private=allow_private, credentials=credentials) as response:
        length = _length(response)
        if length is not None and length > largest:
            raise RemoteError(f"{_shown(url)} has {length} bytes; at most {largest} are possible.")
        sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        with _draft(directory) as file:
            for chunk in response.iter_stream():
                size += len(chunk)
                if size > largest:
                    raise RemoteError(f"{_shown(url)} has more than {largest} bytes.")
                file.write(chunk)
                sha256.update(chunk)
                md5.update(chunk)
                on_progress(size, length)
            if length is not None and size != length:
                raise RemoteError(f"{_shown(url)} ended after {size} of {length} bytes. Try again.")
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    return Fetched(Path(file.name), name, sha256.hexdigest(), md5.hexdigest(), size)


@contextmanager
def _draft(directory: Path) -> Iterator[IO[bytes]]:
    """A new file that is synced when the work is done, and gone when it fails."""
    with tempfile.NamedTemporaryFile(dir=directory, prefix="fetched-", delete=False) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            Path(file.name).unlink()
            raise


@contextmanager
def _opened(url: str, *, allow_private: bool, credentials: tuple[str, str] | None) -> Iterator[httpcore.Response]:
    """The response for an address, after its redirects."""
    backend = _Backend(allow_private=allow_private)
    try:
        host = urlsplit(url).hostname
        with httpcore.ConnectionPool(ssl_context=ssl.create_default_context(), network_backend=backend) as pool:
            for _ in range(_MOST_REDIRECTS + 1):
                parts = urlsplit(url)
                if parts.scheme.lower() not in SCHEMES or not parts.hostname:
                    raise RemoteError(f"{_shown(url)} cannot be fetched: use an http or https address.")
                if parts.hostname != host:
                    raise RemoteError(f"{host} sends on to another host, {parts.hostname}: name that address itself.")
                with pool.stream("GET", url, headers=_headers(credentials), extensions=_TIMEOUT) as response:
                    location = _header(response, b"location")
                    if response.status in _REDIRECTS and location:
                        url = urljoin(url, location)
                        continue
                    if response.status != 200:
                        raise RemoteError(f"{_shown(url)} answers with {response.status}. Is the address right?")
                    yield response
                    return
            raise RemoteError(f"{host} sends on more than {_MOST_REDIRECTS} times.")
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, ssl.SSLError) as error:
        raise RemoteError(f"{_shown(url)} could not be fetched: {error or type(error).__name__}.") from error
    except (UnicodeError, ValueError) as error:
        raise RemoteError(f"{_shown(url)} is no address that can be fetched: {error}.") from error


_TIMEOUT = {"timeout": {"connect": _SECONDS, "read": _SECONDS, "write": _SECONDS, "pool": _SECONDS}}


def _headers(credentials: tuple[str, str] | None) -> list[tuple[str, str]]:
    # As it is: a file that was compressed on the way would have another hash.
    headers = [("Accept", "*/*"), ("Accept-Encoding", "identity"), ("User-Agent", "ingot")]
    if credentials is not None:
        import base64  # noqa: PLC0415 - only where a login is given

        text = base64.b64encode(":".join(credentials).encode()).decode()
        headers.append(("Authorization", f"Basic {text}"))
    return headers


def _header(response: httpcore.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in response.headers if key.lower() == name), "")


def _length(response: httpcore.Response) -> int | None:
    text = _header(response, b"content-length")
    return int(text) if text.isdecimal() else None


def _shown(url: str) -> str:
    """An address for messages: without a login or a query, which may be secrets."""
    plain = url.partition("?")[0].partition("#")[0]
    scheme, separator, rest = plain.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


class _Backend(httpcore.SyncBackend):
    """Connects to the one address that was looked at."""

    def __init__(self, *, allow_private: bool) -> None:
        super().__init__()
        self._allow_private = allow_private

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Resolve, look, connect."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise RemoteError(f"The host {host} is not known: {error.strerror}.") from error
        failure: Exception = RemoteError(f"The host {host} has no address.")
        for address in dict.fromkeys(str(entry[4][0]) for entry in found):
            if not self._allow_private and not _is_public(address):
                raise RemoteError(
                    f"{host} is {address}, which is no public address. An operator can allow such addresses: "
                    "INGOT_ALLOW_PRIVATE_SOURCES=true"
                )
            try:
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError as error:
                failure = error
        raise failure


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            mapped = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if mapped is not None:
            return _is_public(str(mapped))
    return address.is_global and not address.is_multicast
