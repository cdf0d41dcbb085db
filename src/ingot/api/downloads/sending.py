"""Send a file, or parts of it."""

import os
import secrets
import time
from collections.abc import Callable
from typing import Protocol

import anyio
import anyio.to_thread
from anyio import CancelScope
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ingot.api.downloads.ranges import ByteRange
from ingot.api.downloads.response import Downloadable, Plan
from ingot.api.http.zerocopy import DELIVERED, ZEROCOPY
from ingot.api.threads import Threads, limiter_of

_CHUNK = 1 << 20
#: Content up to so many bytes is read at once and sent with its headers.
SMALL = 64 << 10
#: Seconds of content that a download with a limited rate sends at a time, and the least bytes.
_BREATH_SECONDS, _LEAST = 0.25, 4096
#: Threads for ends alone: requests wait for them, in the threads that all others share.
_END_THREADS = 4
_ends = Threads("_ends")


class Transfer(Protocol):
    """Who wants to know of a download, and may slow it down."""

    def rate(self) -> float | None:
        """Bytes per second that it may have at this moment; None for any."""
        ...

    def ending(self) -> None:
        """It is about to end: called in the event loop, before anything else happens there."""
        ...

    def end(self, *, is_delivered: bool) -> None:
        """It has ended, and the client has got its bytes or not: called in a thread."""
        ...


class FileResponse(Response):
    """A file's content by the cheapest way that the server has: no buffer, no thread, no copy where it can do
    `zerocopysend`, otherwise one piece at a time. The file is open from the beginning: whatever happens to its name,
    this download has its content.
    """

    def __init__(self, file: Downloadable, planned: Plan, transfer: Transfer | None = None) -> None:
        self._descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
        self._file, self.transfer = file, transfer
        self._parts: list[bytes | ByteRange] = []
        headers, media_type = file.content_headers, "application/octet-stream"
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
        if length <= SMALL and transfer is None:
            try:
                self._parts = [b"".join(self._read(part) for part in self._parts)]
            finally:
                self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send everything, or stop when the client goes; the file is closed at once either way."""
        is_delivered = False
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        try:
            await send(start)
            if self._descriptor < 0:
                await send({"type": "http.response.body", "body": self._parts[0]})
                return
            extensions = scope.get("extensions") or {}
            if ZEROCOPY in extensions:
                await self._send_by_server(send)
                self.close()
                is_delivered = self.transfer is None or await extensions[DELIVERED]["wait"]()
            else:
                is_delivered = await self._send_pieces(receive, send)
        except ConnectionError:
            pass  # the client has gone: nobody is there to be told
        finally:
            self.close()
            if self.transfer is not None:
                self.transfer.ending()
                with CancelScope(shield=True):
                    transfer = self.transfer
                    await anyio.to_thread.run_sync(
                        lambda: transfer.end(is_delivered=is_delivered), limiter=limiter_of(_ends, _END_THREADS)
                    )

    async def _send_by_server(self, send: Send) -> None:
        pace = _Pace(self.transfer.rate) if self.transfer is not None else None
        for part in self._parts:
            if isinstance(part, bytes):
                await send({"type": "http.response.body", "body": part, "more_body": True})
                continue
            position = part.start
            while position < part.end:
                count = min(part.end - position, pace.size() if pace else part.size)
                message = {"type": ZEROCOPY, "file": self._descriptor, "offset": position, "count": count}
                await send({**message, "more_body": True})
                position += count
                if pace:
                    await pace.after(count)
        await send({"type": "http.response.body", "body": b""})

    async def _send_pieces(self, receive: Receive, send: Send) -> bool:
        """The way through any other server; returns whether the client was there until the end."""
        pace = _Pace(self.transfer.rate) if self.transfer is not None else None

        async def watch(scope: CancelScope) -> None:
            # A server may drop what is sent to a client that is gone: without looking, we would not notice.
            while (await receive())["type"] != "http.disconnect":
                pass
            scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(watch, group.cancel_scope)
            for part in self._parts:
                position = part.start if isinstance(part, ByteRange) else 0
                end = part.end if isinstance(part, ByteRange) else len(part)
                while position < end:
                    size = min(_CHUNK, end - position, pace.size() if pace else _CHUNK)
                    piece = part if isinstance(part, bytes) else ByteRange(position, position + size)
                    body = await anyio.to_thread.run_sync(self._read, piece)
                    await send({"type": "http.response.body", "body": body, "more_body": True})
                    position += len(body)
                    if pace:
                        await pace.after(len(body))
            await anyio.sleep(0)
            was_there = not group.cancel_scope.cancel_called
            await send({"type": "http.response.body", "body": b""})
            group.cancel_scope.cancel()
        return was_there

    def _read(self, part: bytes | ByteRange) -> bytes:
        if isinstance(part, bytes):
            return part
        content = os.pread(self._descriptor, part.size, part.start)
        if len(content) < part.size:
            raise OSError(f"{self._file.path.name} ends before byte {part.end} of {self._file.size}")
        return content


class _Pace:
    """Keeps a download to its rate."""

    def __init__(self, rate: Callable[[], float | None]) -> None:
        self._rate, self._due = rate, time.monotonic()

    def size(self) -> int:
        """Bytes that may be sent now."""
        rate = self._rate()
        return _CHUNK << 30 if rate is None else max(_LEAST, int(rate * _BREATH_SECONDS))

    async def after(self, sent: int) -> None:
        """Wait as long as what was sent may take."""
        if rate := self._rate():
            self._due = max(self._due + sent / rate, time.monotonic() - _BREATH_SECONDS)
            await anyio.sleep(max(0.0, self._due - time.monotonic()))
