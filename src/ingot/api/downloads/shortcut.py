"""Remembered downloads, answered as soon as the head of the request is here.

Such a request has no condition and asks for the file or for one part of it; what any other path decides for it would
be the same answer. It is given without a task, a scope and a response of its own, which cost more than sending a small
file, and more memory than everything else that a large one needs.
"""

import functools
import os
import time

from ingot.api.downloads.ranges import ByteRange, UnsatisfiableRangeError, parse
from ingot.api.downloads.remembered import RawHeaders, RememberedDownloads
from ingot.api.downloads.sending import SMALL
from ingot.api.http.protocol import Answer
from ingot.api.observed import RequestJournal

#: With these, there is more to decide.
_OTHERS = frozenset(
    {
        *(b"if-range", b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"),
        *(b"content-length", b"transfer-encoding", b"expect", b"upgrade"),
    }
)
#: What a path may have that another path means as well.
_AMBIGUOUS = (b"?", b"%", b"//", b"#")


class Shortcut:
    """Answers a request at once, or leaves it to the application. Requests are noted in the journal either way."""

    def __init__(self, remembered: RememberedDownloads, journal: RequestJournal) -> None:
        self._remembered, self._journal = remembered, journal

    def answer(self, target: bytes, headers: RawHeaders, client: str, *, sends_files: bool) -> Answer | None:
        """The answer to a GET; None for what the application has to see. `sends_files`: whether it may have a file."""
        started, agent, asked = time.perf_counter(), b"", None
        for name, value in headers:
            if name in _OTHERS or (name == b"range" and asked is not None):
                return None
            if name == b"range":
                asked = value
            elif name == b"user-agent":
                agent = value
        if target.endswith(b"/") or any(part in target for part in _AMBIGUOUS):
            return None
        file = self._remembered.find(target, headers)
        if file is None:
            return None
        try:
            ranges = parse(asked.decode("latin-1"), file.size) if asked is not None else None
        except UnsatisfiableRangeError:
            return None
        if ranges is not None and len(ranges) > 1:
            return None
        part = ranges[0] if ranges else ByteRange(0, file.size)
        if part.size > SMALL and not sends_files:
            return None
        try:
            descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None  # whoever is next says why
        answer = Answer(
            status=206 if ranges else 200,
            head=file.head_of(part) if ranges else file.head,
            descriptor=descriptor,
            offset=part.start,
            count=part.size,
        )
        note = functools.partial(
            self._journal.note,
            "GET",
            target.decode("latin-1"),
            answer.status,
            started,
            client,
            agent.decode("latin-1"),
        )
        if part.size > SMALL:
            answer.ended = note
        elif _takes_in_content(answer):
            note()
        else:
            return None
        return answer


def _takes_in_content(answer: Answer) -> bool:
    """Read the content into the answer; False when it is not there as it should be."""
    try:
        content = os.pread(answer.descriptor, answer.count, answer.offset)
    except OSError:
        return False
    finally:
        os.close(answer.descriptor)
        answer.descriptor = -1
    answer.head += content
    return len(content) == answer.count
