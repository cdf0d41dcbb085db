"""Downloads that survive lost connections and killed commands: what has arrived is kept and gone on from."""

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx

from ingot.client.errors import ClientError, RefusedError, UnreachableError

_CHUNK = 1 << 20
_MOST_TRIES = 5
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
#: A connection over which nothing comes for so long is lost.
_SILENCE_SECONDS = 60

#: Told of (bytes that are there, bytes in all).
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Source:
    """What is downloaded; `sha256` is the entity tag that the server gives it. `size` is bytes."""

    url: str
    sha256: str
    size: int


def download(client: httpx.Client, source: Source, target: Path, progress: Progress) -> None:
    """Fetch a file into its place; it appears there complete and verified, or not at all.

    Until then it is `.NAME.HASH.part` beside it: the next call goes on where this one ended, however that was.
    Raises ClientError, or OSError when it cannot be written.
    """
    part = target.with_name(f".{target.name}.{source.sha256[:12]}.part")
    with _exclusive(part) as file:
        digest = hashlib.sha256()
        _take_in(file, digest)
        _fetch_rest(client, source, file, digest, progress)
        if digest.hexdigest() != source.sha256:
            part.unlink()
            raise ClientError(
                f"What arrived is not the file: its SHA-256 is {digest.hexdigest()}, not {source.sha256}. Try again."
            )
        file.flush()
        os.fsync(file.fileno())
        part.rename(target)


@contextmanager
def _exclusive(part: Path) -> Iterator[IO[bytes]]:
    """The partial file, for us alone."""
    with part.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RefusedError(409, f"Another command is downloading into {part} at this moment.") from error
        yield file


def _take_in(file: IO[bytes], digest: "hashlib._Hash") -> None:
    """Hash what is there already; the file then stands at its end."""
    file.seek(0)
    while chunk := file.read(_CHUNK):
        digest.update(chunk)


def _fetch_rest(
    client: httpx.Client, source: Source, file: IO[bytes], digest: "hashlib._Hash", progress: Progress
) -> None:
    tries = 0
    while file.tell() < source.size:
        before = file.tell()
        try:
            _fetch_once(client, source, file, digest, progress)
        except (httpx.TransportError, UnreachableError) as error:
            tries = 0 if file.tell() > before else tries + 1
            if tries >= _MOST_TRIES:
                reason = str(error) or type(error).__name__
                raise UnreachableError(
                    f"The connection was lost {tries} times without getting further ({reason}). "
                    "What came is kept: the same command goes on from there."
                ) from error
            time.sleep(min(_FIRST_PAUSE * 2**tries, _LONGEST_PAUSE))


def _fetch_once(
    client: httpx.Client, source: Source, file: IO[bytes], digest: "hashlib._Hash", progress: Progress
) -> None:
    """Append what one request gives."""
    offset = file.tell()
    headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
    if offset:
        headers |= {"Range": f"bytes={offset}-", "If-Range": f'"{source.sha256}"'}
    with client.stream(
        "GET", source.url, headers=headers, timeout=_SILENCE_SECONDS, follow_redirects=True
    ) as response:
        _require_content(response, source, offset)
        for chunk in response.iter_bytes(_CHUNK):
            file.write(chunk)
            digest.update(chunk)
            progress(file.tell(), source.size)
    if file.tell() < source.size:
        raise UnreachableError(f"the server ended after {file.tell()} of {source.size} bytes")


def _require_content(response: httpx.Response, source: Source, offset: int) -> None:
    """Refuse an answer that is not the wanted part of the wanted file."""
    status = response.status_code
    if status >= 500:
        raise UnreachableError(f"the server answered {status}")
    wanted = f"bytes {offset}-{source.size - 1}/{source.size}"
    if status == 206 and offset and response.headers.get("content-range") == wanted:
        return
    if status == 200 and not offset:
        return
    if status in (200, 206, 412, 416):
        raise ClientError("The file has changed at the server since the download began. Start it again.")
    if status < 400:
        raise ClientError(f"The server answered {status}, which is no file.")
    raise RefusedError(status, f"The server refuses the download with {status} {response.reason_phrase}.")
