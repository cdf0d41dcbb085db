"""Hands a part of a file over to a connection by sendfile(2), a turn at a time, as the event loop says that it takes
more.

The bytes never enter this process: a client costs no buffer, no thread and no task, however slow it is. What the
socket takes is handed over at once; only what has to come from the disk first is handed over by a thread, so that a
slow disk holds up nobody else.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Callable

#: Bytes after which the other clients have their turn.
_TURN = 2 << 20
#: Bytes of a file that are looked for in memory at once: to look costs as much as a small turn.
_LOOK_AHEAD = 8 << 20
_PROBE = [bytearray(1)]


class Patience:
    """Gives up clients that have taken nothing of a file for so many seconds, or for up to twice as many: one timer
    looks after all of them.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._running: set[Handover] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, handover: "Handover") -> None:
        """A client gets something from now on."""
        self._running.add(handover)
        if self._timer is None:
            self._timer = handover.loop.call_later(self.seconds, self._look)

    def end(self, handover: "Handover") -> None:
        """It got everything, or has gone."""
        self._running.discard(handover)

    def _look(self) -> None:
        for handover in tuple(self._running):
            handover.look()
        # The loop is that of each of them.
        self._timer = next(iter(self._running)).loop.call_later(self.seconds, self._look) if self._running else None


class Handover:
    """Hands `count` bytes of a file from `offset` on over to a socket, after the bytes of `head`.

    `socket` is a copy of the connection's own: the loop lets us watch it, and its number stays ours when theirs is
    closed. `patience` is that with a client that takes nothing. `done` is called once, from then on nobody uses the
    descriptors: with None when everything is in the kernel, or with the error that ended it.
    """

    __slots__ = (
        *(
            "_before",
            "_cached_to",
            "_count",
            "_done",
            "_error",
            "_file",
            "_head",
            "_is_in_thread",
            "_is_over",
            "_is_watching",
        ),
        *("_offset", "_patience", "_socket", "_transport", "loop"),
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        own_socket: socket.socket,
        patience: Patience,
        done: Callable[[Exception | None], None],
    ) -> None:
        self.loop, self._transport, self._socket, self._patience = loop, transport, own_socket, patience
        self._done = done
        self._head, self._file, self._offset, self._count = b"", -1, 0, 0
        self._cached_to = 0
        self._error: Exception | None = None
        self._is_over = self._is_in_thread = self._is_watching = False
        self._before: int | None = None

    def start(self, descriptor: int, offset: int, count: int, head: bytes = b"") -> None:
        """Begin; `done` may be called before this returns."""
        self._head, self._file, self._offset, self._count = head, descriptor, offset, count
        if not self.left:
            self._end()
            return
        self._go_on()
        if not self._is_over:
            self._patience.begin(self)

    @property
    def left(self) -> int:
        """Bytes that have not been handed over yet."""
        return self._count + len(self._head)

    def stop(self, error: Exception) -> None:
        """End it, as soon as no thread is at work for it."""
        self._error = self._error or error
        if not self._is_in_thread:
            self._end()

    def _go_on(self) -> None:
        """Hand over once, then wait until the socket takes more."""
        if self._transport.is_closing():
            self.stop(ConnectionResetError("the client has gone"))
        elif self._offset + _TURN <= self._cached_to or self._is_cached():
            try:
                self._hand_over()
            except OSError as error:
                self.stop(error)
            else:
                # Nothing else is to be done in most turns, of which a slow client has many.
                if not self._count or not self._is_watching:
                    self._end_or_watch()
        else:
            self._unwatch()
            self._is_in_thread = True
            self.loop.run_in_executor(None, self._hand_over).add_done_callback(self._after_thread)

    def _after_thread(self, job: "asyncio.Future[None]") -> None:
        self._is_in_thread = False
        error = self._error or (job.exception() if not job.cancelled() else None)
        if isinstance(error, Exception):
            self.stop(error)
        else:
            self._end_or_watch()

    def _end_or_watch(self) -> None:
        if not self.left:
            self._end()
        elif not self._is_watching:
            self.loop.add_writer(self._socket.fileno(), self._go_on)
            self._is_watching = True

    def _unwatch(self) -> None:
        if self._is_watching:
            self.loop.remove_writer(self._socket.fileno())
            self._is_watching = False

    def _end(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._unwatch()
        self._patience.end(self)
        # An error knows where it was raised, and so this object: without a last look for garbage, everything about the
        # connection would stay.
        error, self._error = self._error, None
        self._done(error)

    def look(self) -> None:
        """Give up the client if it has taken nothing since the last look."""
        if self._before is None or self.left < self._before or self._is_in_thread:
            self._before = self.left
            return
        give_up(self._transport, self._socket)
        self.stop(ConnectionAbortedError("the client takes nothing"))

    def _hand_over(self) -> None:
        """Give the kernel what the socket takes; raises OSError when the client has gone or the file is too short."""
        try:
            if self._head:
                sent = self._socket.send(self._head, socket.MSG_MORE if self._count else 0)
                self._head = self._head[sent:]
                if self._head or not self._count:
                    return
            sent = os.sendfile(self._socket.fileno(), self._file, self._offset, min(self._count, _TURN))
        except BlockingIOError:
            return
        if sent == 0:
            raise OSError(f"the file ends at byte {self._offset}, before {self._count} more")
        self._offset += sent
        self._count -= sent

    def _is_cached(self) -> bool:
        """Whether the next turn's content is in memory, as far as the file system tells, and perhaps that of more."""
        for ahead in (min(_LOOK_AHEAD, self._count), min(_TURN, self._count)):
            try:
                os.preadv(self._file, _PROBE, self._offset + ahead - 1, os.RWF_NOWAIT)
            except BlockingIOError:
                continue
            except OSError:
                pass  # it does not tell
            # Once the end is in memory, nobody has to look again.
            self._cached_to = self._offset + ahead + (_TURN if ahead == self._count else 0)
            return True
        return not self._count


def give_up(transport: asyncio.Transport, own_socket: socket.socket | None) -> None:
    """Break the connection to a client that takes nothing: our kernel keeps nothing for it either."""
    if own_socket is not None:
        own_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
