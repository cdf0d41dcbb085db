"""The HTTP protocol of Ingot's server: uvicorn's, with bounds for what clients send, with `zerocopysend`, and with a
shortcut for what can be answered at once.
"""

import asyncio
import functools
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from typing import Protocol as Interface

from uvicorn._types import ASGI3Application, HTTPScope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import is_ssl
from uvicorn.server import ServerState

from ingot.api.http.handover import Handover, Patience
from ingot.api.http.zerocopy import FileSender

#: Bytes that the headers of a request may have together.
LARGEST_HEAD = 256 * 1024
#: Seconds in which the headers of a request have to be here.
HEAD_SECONDS = 20.0
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_STATUS = {200: b"HTTP/1.1 200 OK\r\n", 206: b"HTTP/1.1 206 Partial Content\r\n"}
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@dataclass(slots=True)
class Answer:
    """An answer of status 200 or 206: its own headers, and its content or where that is in a file: `count` bytes from
    `offset` on. Whoever sends it closes the descriptor and then calls `ended`.
    """

    status: int
    head: bytes
    content: bytes = b""
    descriptor: int = -1
    offset: int = 0
    count: int = 0
    ended: Callable[[], None] = lambda: None


class Shortcut(Interface):
    """Who can answer some requests without the application."""

    def answer(
        self, target: bytes, headers: list[tuple[bytes, bytes]], client: str, *, sends_files: bool
    ) -> Answer | None:
        """The answer to a GET; None to leave it to the application. `sends_files`: whether it may have a file."""
        ...

    def general_headers(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """The headers of every answer as they go over the line."""
        ...


class _Pipeline(list[Any]):
    """What uvicorn keeps requests in that came too early: nearly always nothing, for which a deque takes 760 bytes."""

    __slots__ = ()

    def appendleft(self, request: Any) -> None:
        """Let a request wait."""
        self.insert(0, request)


class Protocol(HttpToolsProtocol):
    """One connection. `patience` is that with clients that take nothing of a file."""

    # With these in its dictionary, it would have more than Python shares between objects: 1 KB for each connection.
    __slots__ = (
        *("_chunk_size", "_closes", "_handover", "_head_size", "_head_timer", "_idle_since", "_is_answered"),
        *("_is_in_head", "_is_refused", "_patience", "_senders", "_shortcut"),
    )

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        patience: Patience,
        shortcut: Shortcut,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.pipeline = _Pipeline()  # type: ignore[assignment]
        self._patience, self._shortcut = patience, shortcut
        self._senders: tuple[FileSender, ...] = ()
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_size = self._chunk_size = 0
        self._idle_since: float | None = None
        self._is_in_head, self._is_refused, self._is_answered = True, False, False
        self._handover: Handover | None = None
        self._closes = False

    # A slow or endless head must hold neither a connection nor memory for long.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there; it has some time to ask for something."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._refuse, _TOO_SLOW)

    def data_received(self, data: bytes) -> None:
        """Take in a part of a request."""
        self._chunk_size = len(data)
        if self._is_in_head:
            self._head_size += self._chunk_size
        super().data_received(data)
        if self._is_in_head and self._head_size:
            if self._head_size > LARGEST_HEAD:
                self._refuse(_TOO_LARGE)
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(HEAD_SECONDS, self._refuse, _TOO_SLOW)

    def on_message_begin(self) -> None:
        """A request begins: the client has got what was sent before."""
        self._is_answered = False
        for sender in self._senders:
            sender.client_goes_on()
        # As uvicorn does, but for the scope: what is answered at once needs none.
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        """The head is here."""
        self._is_in_head = False
        self._forget_head_timer()
        # A head that follows another request begins in the midst of what came.
        if self._head_size + self._chunk_size > LARGEST_HEAD and self._size_of_headers() > LARGEST_HEAD:
            self._refuse(_TOO_LARGE)
        if not self._is_refused and not self._answer_at_once():
            self._make_scope()
            super().on_headers_complete()

    def _size_of_headers(self) -> int:
        return sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _make_scope(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers

    def on_body(self, body: bytes) -> None:
        """Take in a part of the body."""
        if not self._is_refused and not self._is_answered:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is here; what comes now is the next one's head."""
        self._is_in_head, self._head_size = True, 0
        if not self._is_refused and not self._is_answered:
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, or the connection was closed by us."""
        self._forget_head_timer()
        self._forget_idle_timer()
        super().connection_lost(exc)
        if self._handover is not None:
            self._handover.stop(ConnectionResetError("the client has gone"))
        for sender in self._senders:
            sender.connection_lost(exc)

    def _forget_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, answer: bytes) -> None:
        self._forget_head_timer()
        self._is_refused = True
        if not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(answer)
            self.transport.close()

    # What can be answered at once

    def _answer_at_once(self) -> bool:
        """Whether a request was answered by the shortcut: a plain GET, of a client that has read what came before."""
        if self._handover is not None:
            # A client that does not wait for its answers: uvicorn queues its requests behind a response under way.
            if self.cycle is None or self.cycle.response_complete:
                self.cycle = self._response_under_way()
            return False
        parser, transport = self.parser, self.transport
        if parser.get_method() != b"GET" or parser.get_http_version() != "1.1":
            return False
        if (self.cycle is not None and not self.cycle.response_complete) or transport.get_write_buffer_size():
            return False
        client = self.client[0] if self.client else ""
        answer = self._shortcut.answer(self.url, self.headers, client, sends_files=self.scheme == "http")
        if answer is None:
            return False
        self._is_answered = True
        self._closes = not parser.should_keep_alive()
        general = self._shortcut.general_headers(self.server_state.default_headers)
        closing = b"connection: close\r\n" if self._closes else b""
        if answer.descriptor >= 0:
            self._send_file(b"".join((_STATUS[answer.status], general, closing, answer.head)), answer)
        else:
            transport.write(b"".join((_STATUS[answer.status], general, closing, answer.head, answer.content)))
            self._after_answer()
        return True

    def _response_under_way(self) -> RequestResponseCycle:
        return RequestResponseCycle(
            scope=cast(HTTPScope, {}),  # nobody runs it
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=[],
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=True,
            on_response=lambda: None,
        )

    def _send_file(self, head: bytes, answer: Answer) -> None:
        theirs = self.transport.get_extra_info("socket")
        try:
            own = socket.fromfd(theirs.fileno(), theirs.family, theirs.type)
        except OSError:  # there are too many open files
            os.close(answer.descriptor)
            self.transport.abort()
            return

        def done(error: Exception | None) -> None:
            self._handover = None
            os.close(answer.descriptor)
            answer.ended()
            if error is None:
                self._after_answer()
            else:
                self.transport.abort()
            own.close()

        self._handover = Handover(self.loop, self.transport, own, self._patience, done)
        self.headers = []  # nobody needs them any more, and a slow download takes hours
        self._handover.start(answer.descriptor, answer.offset, answer.count, head)

    def _after_answer(self) -> None:
        if self._closes:
            self.on_response_complete()
            self.transport.close()
        elif self.pipeline:
            self.on_response_complete()
        else:
            self.server_state.total_requests += 1
            self.flow.resume_reading()
            self._idle_since = self.loop.time()
            if self.timeout_keep_alive_task is None:
                self._look_again_in(self.timeout_keep_alive)

    # An idle connection is closed after some time. One timer does for all requests: a new one for each takes longer
    # than everything else between them.

    def on_response_complete(self) -> None:
        """An answer is complete: the next request begins, or nothing happens for some time."""
        self._forget_idle_timer()
        super().on_response_complete()
        self._idle_since = self.loop.time()

    def _unset_keepalive_if_required(self) -> None:
        """The connection is idle no longer."""
        self._idle_since = None

    def timeout_keep_alive_handler(self) -> None:
        """The timer of idle connections has run out; this one may have been used since it was set."""
        self.timeout_keep_alive_task = None
        if self._idle_since is not None:
            left = self._idle_since + self.timeout_keep_alive - self.loop.time()
            if left > 0:
                self._look_again_in(left)
            else:
                super().timeout_keep_alive_handler()

    def _look_again_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _forget_idle_timer(self) -> None:
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None

    def shutdown(self) -> None:
        """The server ends: a file that is being sent is sent to its end."""
        if self._handover is not None:
            self._closes = True
        else:
            super().shutdown()

    # Files

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if not is_ssl(self.transport):  # encrypted bytes are made in this process: nothing could be saved
            app = functools.partial(self._run, app, cycle)
        super()._start_asgi_task(cycle, app)

    async def _run(self, app: Any, cycle: RequestResponseCycle, scope: Any, receive: Any, _send: Any) -> None:
        with FileSender(cycle, self.loop, self._patience) as sender:
            self._senders += (sender,)
            try:
                await app({**scope, "extensions": sender.extensions()}, receive, sender.send)
            finally:
                self._senders = tuple(one for one in self._senders if one is not sender)
