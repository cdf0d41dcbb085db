"""Send a file, or parts of it, as the conditions of the request allow."""

import base64
import datetime as dt
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

import anyio
import anyio.to_thread
from anyio import CancelScope
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ingot.api import conditional
from ingot.api.downloads.ranges import ByteRange, UnsatisfiableRangeError, parse
from ingot.api.errors import PreconditionFailedError, uforge_error

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Downloadable:
    """A file that can be downloaded. Its content never changes: the SHA-256 is its entity tag."""

    kind: str
    object_id: int
    file_name: str
    path: Path
    size: int
    sha256: str
    last_modified: dt.datetime

    @property
    def tag(self) -> str:
        """The entity tag, without its quotes."""
        return self.sha256


@dataclass(frozen=True)
class Plan:
    """What to answer: 200 with all, 206 with `ranges`, 304, or 416."""

    status: int
    ranges: tuple[ByteRange, ...] = ()

    @property
    def sends_content(self) -> bool:
        """Whether bytes of the file leave the server."""
        return self.status in (200, 206)


def plan(request: Request, file: Downloadable) -> Plan:
    """Evaluate the request's conditions in RFC 9110's order; raises PreconditionFailedError."""
    headers = request.headers
    modified = file.last_modified.replace(microsecond=0)
    if (if_match := headers.get("if-match")) is not None:
        if not conditional.matches(if_match, file.tag, weak=False):
            raise PreconditionFailedError("The file is not the one that If-Match names.")
    elif (since := conditional.http_date(headers.get("if-unmodified-since"))) is not None and modified > since:
        raise PreconditionFailedError("The file is newer than If-Unmodified-Since.")
    if conditional.is_unmodified(headers, file.tag, file.last_modified):
        return Plan(304)
    if request.method == "HEAD" or not if_range_holds(headers, file):
        return Plan(200)
    try:
        ranges = parse(headers.get("range"), file.size)
    except UnsatisfiableRangeError:
        return Plan(416)
    return Plan(200) if ranges is None else Plan(206, tuple(ranges))


def if_range_holds(headers: Mapping[str, str], file: Downloadable) -> bool:
    """Whether a Range may be served: there is no If-Range, or it names this very file."""
    text = headers.get("if-range")
    if text is None:
        return True
    if text.strip().startswith(('"', "W/")):
        return text.strip() != "*" and conditional.matches(text, file.tag, weak=False)
    return conditional.http_date(text) == file.last_modified.replace(microsecond=0)


def resumes(headers: Mapping[str, str], file: Downloadable) -> bool:
    """Whether a request goes on with a broken download: a Range that is bound to the file by its entity tag."""
    if_range = headers.get("if-range", "").strip()
    return "range" in headers and if_range == f'"{file.tag}"'


def content_disposition(name: str) -> str:
    """The header that offers a file name of any characters (RFC 6266)."""
    plain = "".join(char if " " <= char <= "~" and char not in '"\\%;' else "_" for char in name)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'attachment; filename="{plain}"{extended}'


def _headers(file: Downloadable) -> dict[str, str]:
    return {
        "ETag": f'"{file.tag}"',
        "Last-Modified": conditional.format_date(file.last_modified),
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-transform",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def respond(request: Request, file: Downloadable, planned: Plan) -> Response:
    """The response of a plan."""
    headers = _headers(file)
    if planned.status == 304:
        return Response(status_code=304, headers=headers)
    if planned.status == 416:
        size = str(file.size)
        return uforge_error(
            request,
            416,
            f"The range lies outside the file of {size} bytes.",
            "ERROR.RANGE",
            (size,),
            {**headers, "Content-Range": f"bytes */{size}"},
        )
    return FileResponse.of(file, planned, None)


class FileResponse(Response):
    """Sends a file's bytes in large pieces; each stream holds one piece in memory and no thread while it waits.

    `on_sent` runs in a thread once the file's last byte has been handed over.
    """

    @classmethod
    def of(cls, file: Downloadable, planned: Plan, on_sent: Callable[[], None] | None) -> Self:
        """The response of a plan that sends content."""
        digest = base64.b64encode(bytes.fromhex(file.sha256)).decode()
        headers = {
            **_headers(file),
            "Content-Disposition": content_disposition(file.file_name),
            "Repr-Digest": f"sha-256=:{digest}:",
        }
        return cls(file, planned, headers, on_sent)

    def __init__(
        self, file: Downloadable, planned: Plan, headers: Mapping[str, str], on_sent: Callable[[], None] | None
    ) -> None:
        # Opened at once: whatever happens to the name from now on, this download has its content.
        self._descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
        self._file, self._on_sent = file, on_sent
        self._parts: list[bytes | ByteRange] = []
        media_type = "application/octet-stream"
        if planned.status == 200:
            self._parts = [ByteRange(0, file.size)]
        elif len(planned.ranges) == 1:
            self._parts = list(planned.ranges)
            headers = {**headers, "Content-Range": planned.ranges[0].content_range(file.size)}
        else:
            boundary = secrets.token_hex(16)
            media_type = f"multipart/byteranges; boundary={boundary}"
            for part in planned.ranges:
                head = f"\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\n"
                self._parts += [f"{head}Content-Range: {part.content_range(file.size)}\r\n\r\n".encode(), part]
            self._parts.append(f"\r\n--{boundary}--\r\n".encode())
        length = sum(part.size if isinstance(part, ByteRange) else len(part) for part in self._parts)
        super().__init__(None, planned.status, {**headers, "Content-Length": str(length)}, media_type)

    def close(self) -> None:
        """Let go of the file, for a response that is not sent."""
        os.close(self._descriptor)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response until its end or until the client has gone; the file is closed either way."""
        complete = False

        async def watch(scope: CancelScope) -> None:
            # The server drops what is sent to a client that is gone: without looking, we would not notice.
            while (await receive())["type"] != "http.disconnect":
                pass
            scope.cancel()

        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] == "HEAD":
                await send({"type": "http.response.body", "body": b""})
                return
            async with anyio.create_task_group() as group:
                group.start_soon(watch, group.cancel_scope)
                for part in self._parts:
                    if isinstance(part, bytes):
                        await send({"type": "http.response.body", "body": part, "more_body": True})
                    else:
                        await self._send_range(part, send)
                await anyio.sleep(0)
                complete = not group.cancel_scope.cancel_called
                await send({"type": "http.response.body", "body": b""})
                group.cancel_scope.cancel()
            last = max((part.end for part in self._parts if isinstance(part, ByteRange)), default=0)
            if complete and self._on_sent is not None and last == self._file.size:
                await anyio.to_thread.run_sync(self._on_sent)
        finally:
            self.close()

    async def _send_range(self, part: ByteRange, send: Send) -> None:
        position = part.start
        while position < part.end:
            size = min(_CHUNK, part.end - position)
            chunk = await anyio.to_thread.run_sync(os.pread, self._descriptor, size, position)
            if not chunk:
                raise OSError(f"{self._file.path.name} ends at byte {position} of {self._file.size}")
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            position += len(chunk)
