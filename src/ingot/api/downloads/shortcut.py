"""Small files of remembered downloads, answered as soon as the head of the request is here.

Such a request asks for no part and has no condition; what any other path decides for it would be the same answer. It
is given without a task, a scope and a response of its own, which cost more than reading and sending a small file.
"""

import os
import time

from ingot.api.downloads.remembered import RawHeaders, RememberedDownloads
from ingot.api.downloads.response import Downloadable
from ingot.api.downloads.sending import SMALL
from ingot.api.observed import RequestJournal

#: With these, there is more to decide.
_OTHERS = frozenset(
    {
        *(b"range", b"if-range", b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"),
        *(b"content-length", b"transfer-encoding", b"expect", b"upgrade"),
    }
)
#: What a path may have that another path means as well.
_AMBIGUOUS = (b"?", b"%", b"//", b"#")


class Shortcut:
    """Answers a request at once, or leaves it to the application. Requests are noted in the journal either way."""

    def __init__(self, remembered: RememberedDownloads, journal: RequestJournal) -> None:
        self._remembered, self._journal = remembered, journal

    def answer(self, target: bytes, headers: RawHeaders, client: str) -> bytes | None:
        """The answer to a GET, from its own headers on; None for what the application has to see."""
        started, agent = time.perf_counter(), b""
        for name, value in headers:
            if name in _OTHERS:
                return None
            if name == b"user-agent":
                agent = value
        if target.endswith(b"/") or any(part in target for part in _AMBIGUOUS):
            return None
        file = self._remembered.find(target, headers)
        if file is None or file.size > SMALL:
            return None
        content = _content(file)
        if content is None:
            return None
        self._journal.note("GET", target.decode("latin-1"), 200, started, client, agent.decode("latin-1"))
        return file.head + content


def _content(file: Downloadable) -> bytes | None:
    """All of a file; None when it is not there as it should be: whoever is next says why."""
    try:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        content = os.read(descriptor, file.size)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return content if len(content) == file.size else None
