"""ASGI's `http.response.zerocopysend` for uvicorn: files go from the page cache to the socket (see `handover`).

A second extension, `ingot.response.delivered`, tells whether the client has got every byte.
"""

import asyncio
import contextlib
import fcntl
import os
import socket
import struct
import termios
from collections.abc import MutableMapping
from typing import Any, Self

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from ingot.api.http.handover import Handover, Patience, give_up

ZEROCOPY = "http.response.zerocopysend"
DELIVERED = "ingot.response.delivered"
#: Seconds between looks at what the client's side has not confirmed yet.
_FIRST_LOOK, _LAST_LOOK = 0.002, 0.25
#: A kernel with bytes for a program that has gone breaks the connection. One that is silent for so many seconds with
#: every byte confirmed counts as well: as long as idle connections are kept.
_REGRET_SECONDS = 30.0
#: The states (linux/tcp.h) in which the other side has closed: TIME_WAIT, CLOSE, CLOSE_WAIT, LAST_ACK, CLOSING.
_CLOSE = 7
_CLOSED_BY_PEER = frozenset({6, _CLOSE, 8, 9, 11})


class FileSender:
    """Sends the files of one response. A context that lets go of everything at its end.

    `patience` is that with a client that takes nothing.
    """

    def __init__(self, cycle: RequestResponseCycle, loop: asyncio.AbstractEventLoop, patience: Patience) -> None:
        self._cycle, self._loop, self._patience = cycle, loop, patience
        self._socket: socket.socket | None = None
        self._news: asyncio.Future[bool] | None = None
        self._is_over = self._is_broken = self._goes_on = False
        self._is_handed_over = False  # all of the response's content
        self._handover: Handover | None = None

    def extensions(self) -> dict[str, dict[str, Any]]:
        """What the application finds in its scope."""
        return {ZEROCOPY: {}, DELIVERED: {"wait": self.delivered}}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()

    # What happens to the connection

    def connection_lost(self, error: Exception | None) -> None:
        """It has ended."""
        self._is_over, self._is_broken = True, error is not None
        if not self._cycle.response_complete:
            self._cycle.disconnected = True
        if self._handover is not None:
            self._handover.stop(ConnectionResetError("the client has gone"))
        self._wake()

    def client_goes_on(self) -> None:
        """Another request begins: who has confirmed every byte has also read them."""
        is_handed_over = self._cycle.response_complete or self._is_handed_over
        if is_handed_over and self._socket is not None and self._unconfirmed() == 0:
            self._goes_on = True
            self._wake()

    def _wake(self, *, is_news: bool = True) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(is_news)

    # The extensions

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """ASGI's `send`; raises ConnectionError when the client goes before a file was handed over."""
        if message["type"] == ZEROCOPY:
            try:
                await self._zerocopysend(message)
            except ConnectionError:
                # The socket may tell us before the loop hears of it. That is no mistake of the application.
                self._cycle.disconnected = True
                self._cycle.transport.abort()
                raise
        else:
            await self._cycle.send(message)  # type: ignore[arg-type]
        if self._cycle.response_complete and not self._cycle.keep_alive and self._socket is not None:
            # Our copy of the socket keeps it open; the client waits for its end.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)

    async def _zerocopysend(self, message: MutableMapping[str, Any]) -> None:
        cycle = self._cycle
        if not cycle.response_started or cycle.response_complete or cycle.chunked_encoding is not False:
            raise RuntimeError(f"{ZEROCOPY} belongs after the start of a response that has a Content-Length")
        file = message["file"]
        descriptor: int = file if isinstance(file, int) else file.fileno()
        offset, count = message.get("offset"), message.get("count")
        if offset is None:
            offset = os.lseek(descriptor, 0, os.SEEK_CUR)
        if count is None:
            count = os.fstat(descriptor).st_size - offset
        if cycle.scope["method"] != "HEAD":
            if count > cycle.expected_content_length:
                raise RuntimeError("Response content longer than Content-Length")
            is_last = count == cycle.expected_content_length
            await self._send_file(descriptor, offset, count, is_last=is_last)
            cycle.expected_content_length -= count
        if not message.get("more_body", False):
            await cycle.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def delivered(self) -> bool:
        """Wait until it shows whether the client got the whole response, as far as anybody can know.

        Its kernel has to confirm every byte. Then its program got them if it closes the connection properly, or sends
        another request, or lets some time pass: bytes for a program that has gone break the connection.
        """
        if self._socket is None:
            return not self._is_broken
        pause, silent, confirmed, before = _FIRST_LOOK, 0.0, 0.0, -1
        while not self._goes_on:
            # Looked at before the error: a reset that comes in between is then seen as one.
            is_closed = self._is_closed_by_peer()
            if self._is_broken or self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return False
            unconfirmed = self._unconfirmed()
            if unconfirmed == 0:
                if is_closed or confirmed >= _REGRET_SECONDS:
                    return True
                confirmed += pause
            elif silent >= self._patience.seconds:
                return False
            silent = silent + pause if unconfirmed == before else 0.0
            before = unconfirmed
            await self._until_news(pause)
            pause = min(2 * pause, _LAST_LOOK)
        return True

    def _unconfirmed(self) -> int:
        """Bytes that are in our kernel, or on the way."""
        return int(struct.unpack("i", fcntl.ioctl(self._own_socket(), termios.TIOCOUTQ, bytes(4)))[0])

    def _is_closed_by_peer(self) -> bool:
        try:
            state = self._own_socket().getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        except OSError:  # a socket of another kind
            return self._is_over
        # A reset ends there too, and the event loop may have taken its error before us: it tells us by and by.
        return state in _CLOSED_BY_PEER and (state != _CLOSE or self._is_over)

    async def _until_news(self, seconds: float) -> bool:
        """Wait until something happens, or for so long; returns whether it did."""
        self._news = self._loop.create_future()
        timer = self._loop.call_later(seconds, lambda: self._wake(is_news=False))
        try:
            return await self._news
        finally:
            timer.cancel()

    # Handing over

    async def _send_file(self, descriptor: int, offset: int, count: int, *, is_last: bool) -> None:
        await self._flush()
        result: asyncio.Future[None] = self._loop.create_future()

        def done(error: Exception | None) -> None:
            self._handover = None
            self._is_handed_over = is_last and error is None
            if error is None:
                result.set_result(None)
            else:
                result.set_exception(error)

        self._handover = Handover(self._loop, self._cycle.transport, self._own_socket(), self._patience, done)
        self._handover.start(descriptor, offset, count)
        try:
            if not result.done():
                await asyncio.wait([result])
        except asyncio.CancelledError:
            # Whatever happens here: no thread may use descriptors that are closed by then.
            self._handover.stop(ConnectionAbortedError("the download was ended"))
            while not result.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([result])
            result.exception()
            raise
        result.result()
        self._require_client()

    async def _flush(self) -> None:
        """Wait until what was written before has left for the socket."""
        transport, flow = self._cycle.transport, self._cycle.flow
        if transport.get_write_buffer_size():
            await asyncio.sleep(0)
        if transport.get_write_buffer_size():
            transport.set_write_buffer_limits(0)
            try:
                async with asyncio.timeout(self._patience.seconds):
                    await flow.drain()
            except TimeoutError:
                give_up(transport, self._socket)
                raise ConnectionAbortedError("the client takes nothing") from None
            finally:
                transport.set_write_buffer_limits()
        self._require_client()

    def _own_socket(self) -> socket.socket:
        """A copy of the socket: the loop lets us watch it, and its number stays ours when theirs is closed."""
        if self._socket is None:
            theirs = self._cycle.transport.get_extra_info("socket")
            self._require_client()
            self._socket = socket.fromfd(theirs.fileno(), theirs.family, theirs.type)
        return self._socket

    def _require_client(self) -> None:
        if self._is_over or self._cycle.transport.is_closing():
            raise ConnectionResetError("the client has gone")
