"""Remembered downloads, answered as soon as the head of the request is here.

Such a request has no condition and asks for the file or for one part of it; what any other path decides for it would
be the same answer. It is given without a task, a scope and a response of its own, which cost more than sending a small
file, and more memory than everything else that a large one needs.
"""

import functools
import os
import re
import time

from ingot.api.downloads.ranges import ByteRange, UnsatisfiableRangeError, parse
from ingot.api.downloads.remembered import RememberedDownloads
from ingot.api.downloads.response import ACCELERATOR, Downloadable
from ingot.api.downloads.sending import SMALL
from ingot.api.http.protocol import Answer
from ingot.api.observed import RequestJournal

#: Name and value of each header, as ASGI has them.
Headers = list[tuple[bytes, bytes]]

#: With these, there is more to decide.
_OTHERS = frozenset(
    {
        *(b"if-range", b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"),
        *(b"content-length", b"transfer-encoding", b"expect", b"upgrade", ACCELERATOR.encode()),
    }
)
#: What a path may have that another path means as well.
_AMBIGUOUS = re.compile(rb"[?%#]|//|/$")


class Shortcut:
    """Answers a request at once, or leaves it to the application. Requests are noted in the journal either way."""

    def __init__(self, remembered: RememberedDownloads, journal: RequestJournal) -> None:
        self._remembered, self._journal = remembered, journal
        self._general: tuple[Headers, bytes] = ([], b"")

    def general_headers(self, headers: Headers) -> bytes:
        """The headers of every answer as they go over the line; uvicorn makes a new list of them each second."""
        made, text = self._general
        if made is not headers:
            text = b"".join(b"%b: %b\r\n" % header for header in headers)
            self._general = headers, text
        return text

    def answer(self, target: bytes, headers: Headers, client: str, *, sends_files: bool) -> Answer | None:
        """The answer to a GET; None for what the application has to see. `sends_files`: whether it may have a file."""
        started, agent, asked, credentials = time.perf_counter(), b"", None, None
        for name, value in headers:
            if name == b"authorization":
                if credentials is not None:
                    return None
                credentials = value
            elif name == b"range":
                if asked is not None:
                    return None
                asked = value
            elif name == b"user-agent":
                agent = value
            elif name in _OTHERS:
                return None
        if credentials is None or _AMBIGUOUS.search(target):
            return None
        file = self._remembered.find(target, credentials)
        if file is None:
            return None
        try:
            ranges = parse(asked.decode("latin-1"), file.size) if asked is not None else None
        except UnsatisfiableRangeError:
            return None
        if ranges is not None and len(ranges) > 1:
            return None
        answer = _answer_with(file, ranges[0] if ranges else None, sends_files=sends_files)
        if answer is not None:
            request = "GET", target.decode("latin-1"), answer.status, started, client, agent.decode("latin-1")
            if answer.descriptor >= 0:
                answer.ended = functools.partial(self._journal.note, *request)
            else:
                self._journal.note(*request)
        return answer


def _answer_with(file: Downloadable, asked: ByteRange | None, *, sends_files: bool) -> Answer | None:
    """The answer that has all of a file, or the part that was asked for; None when the file is not there as it should
    be, or may not be sent.
    """
    part = asked or ByteRange(0, file.size)
    if part.size > SMALL and not sends_files:
        return None
    answer = Answer(206, file.head_of(part)) if asked else Answer(200, file.head)
    try:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None  # whoever is next says why
    if part.size > SMALL:
        answer.descriptor, answer.offset, answer.count = descriptor, part.start, part.size
        return answer
    try:
        answer.content = os.pread(descriptor, part.size, part.start)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return answer if len(answer.content) == part.size else None
