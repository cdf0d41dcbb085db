"""Downloads that survive lost connections and killed commands: what has arrived is kept and gone on from."""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

import httpx

from ingot.client import redirects
from ingot.client.errors import ClientError, RefusedError, UnreachableError

_CHUNK = 1 << 20
_MOST_TRIES = 5
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
#: A connection over which nothing comes for so long is lost.
_SILENCE_SECONDS = 60

#: Answers after which an address is worth nothing, and what may be the reason.
_OVER = frozenset({401, 403, 404, 410})
_HINTS = {
    401: " The address has no key: ask its owner for the whole one.",
    403: " Its key was used or has expired: ask its owner for a new one.",
    404: " The image is not there any more, or the address is not whole.",
}

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
def announced(client: httpx.Client, address: str, directory: Path) -> Iterator[tuple[Source, str]]:
    """(What is at an address with a key, the name that it is offered under).

    A key tells that only until its download has begun: it is kept in `directory`, without the key, until the context
    ends well. Raises ClientError.
    """
    if '"' in address or any(character <= " " for character in address):
        raise ClientError("The address has characters that none has: put it in quotes as it is.")
    notes = directory / f".ingot-{hashlib.sha256(address.encode()).hexdigest()[:16]}.json"
    try:
        kept = json.loads(notes.read_bytes())
        source, name = Source(address, kept["sha256"], kept["size"]), str(kept["name"])
    except (OSError, ValueError, KeyError, TypeError):
        source, name = _ask(client, address)
        notes.write_text(json.dumps({"sha256": source.sha256, "size": source.size, "name": name}), encoding="utf-8")
    try:
        yield source, name
    except RefusedError as error:
        if error.status in _OVER:
            notes.unlink(missing_ok=True)
        raise
    notes.unlink(missing_ok=True)


def _ask(client: httpx.Client, address: str) -> tuple[Source, str]:
    where = urlsplit(address)
    plain = f"{where.scheme}://{where.netloc}{where.path}"  # without the key
    try:
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        response = client.head(address, headers=headers, follow_redirects=True)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UnreachableError(f"{plain} cannot be reached: {error}. Is it running?") from error
    status = response.status_code
    if status >= 400:
        raise RefusedError(status, f"{plain} answers {status} {response.reason_phrase}.{_HINTS.get(status, '')}")
    tag = re.fullmatch(r'"([0-9a-f]{64})"', response.headers.get("etag", ""))
    size = response.headers.get("content-length", "")
    if tag is None or not size.isdecimal():
        raise ClientError(f"{plain} does not say the SHA-256 and the size of a file: it is none of ours.")
    return Source(address, tag[1], int(size)), _offered_name(response.headers.get("content-disposition", ""))


def _offered_name(disposition: str) -> str:
    if match := re.search(r"filename\*=UTF-8''([^;\s]+)", disposition):
        return unquote(match[1])
    match = re.search(r'filename="([^"]*)"', disposition)
    return match[1] if match else ""


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
    tries, again = 0, False
    while file.tell() < source.size:
        before = file.tell()
        try:
            _fetch_once(client, source, file, digest, progress, again=again)
        except (httpx.TransportError, UnreachableError) as error:
            tries, again = 0 if file.tell() > before else tries + 1, True
            if tries >= _MOST_TRIES:
                reason = str(error) or type(error).__name__
                raise UnreachableError(
                    f"The connection was lost {tries} times without getting further ({reason}). "
                    "What came is kept: the same command goes on from there."
                ) from error
            time.sleep(min(_FIRST_PAUSE * 2**tries, _LONGEST_PAUSE))


def _fetch_once(
    client: httpx.Client,
    source: Source,
    file: IO[bytes],
    digest: "hashlib._Hash",
    progress: Progress,
    *,
    again: bool,
) -> None:
    """Append what one request gives."""
    offset = file.tell()
    headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
    # A key may be used up though nothing has come yet: from then on it opens what is resumed alone.
    if offset or again:
        headers |= {"Range": f"bytes={offset}-", "If-Range": f'"{source.sha256}"'}
    request = client.build_request("GET", source.url, headers=headers, timeout=_SILENCE_SECONDS)
    with contextlib.closing(redirects.send(client, request)) as response:
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
    if status >= 500 or status == 429:
        raise UnreachableError(f"the server answered {status}")
    wanted = f"bytes {offset}-{source.size - 1}/{source.size}"
    if status == 206 and response.headers.get("content-range") == wanted:
        return
    if redirects.is_elsewhere(response, source.url) and status not in (200, 206):
        raise redirects.refusal(response)
    if status == 200 and not offset:
        return
    if status in (200, 206, 412, 416):
        raise ClientError("The file has changed at the server since the download began. Start it again.")
    if status < 400:
        raise ClientError(f"The server answered {status}, which is no file.")
    hint = _HINTS.get(status, "")
    raise RefusedError(status, f"The server refuses the download with {status} {response.reason_phrase}.{hint}")
