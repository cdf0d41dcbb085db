"""Logs: one JSON object per line on standard error, those of the libraries too."""

import asyncio
import datetime as dt
import json
import logging
import select
import sys
import time
import traceback
from json.encoder import encode_basestring_ascii

_LOGGER = logging.getLogger("ingot")
_ENCODER = json.JSONEncoder(default=repr)


def set_up_logs() -> None:
    """Send every log line of ours, and of the libraries from warnings on, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    _LOGGER.setLevel(logging.INFO)


class Log:
    """What a part of the program has to say: events, and for each what there is to know of it. `values` belong to
    every event.
    """

    def __init__(self, **values: object) -> None:
        self._values = values

    def bind(self, **values: object) -> "Log":
        """A log whose events have these values too."""
        return Log(**self._values, **values)

    def info(self, event: str, **values: object) -> None:
        """Something happened as it should."""
        self._say(logging.INFO, event, values)

    def warning(self, event: str, **values: object) -> None:
        """Something did not, and nobody needs to do anything."""
        self._say(logging.WARNING, event, values)

    def error(self, event: str, **values: object) -> None:
        """Somebody should look at it."""
        self._say(logging.ERROR, event, values)

    def exception(self, event: str, *, exc_info: BaseException, **values: object) -> None:
        """Somebody should look at it: an error that nobody foresaw."""
        self._say(logging.ERROR, event, values, exc_info)

    def _say(self, level: int, event: str, values: dict[str, object], error: BaseException | None = None) -> None:
        # The event is no format: it may have percent signs.
        _LOGGER.log(level, "%s", event, exc_info=error, extra={"values": {**self._values, **values}})


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """The line of an event."""
        values: dict[str, object] = getattr(record, "values", {"logger": record.name})
        line = {
            **values,
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "timestamp": timestamp(record.created),
        }
        if record.exc_info and record.exc_info[1] is not None:
            # Without the values of local variables: they could be somebody's secret.
            line["exception"] = "".join(traceback.format_exception(record.exc_info[1]))
        return _ENCODER.encode(line)


def timestamp(seconds: float) -> str:
    """A moment, by time.time(), as log lines have it."""
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


class RequestLines:
    """The lines of requests: a server writes one for each, and answers thousands in a second.

    So they are put together by hand, and those of one turn of the event loop are written together: before it waits for
    clients again, and before it ends.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._size = 0
        self._second, self._shown_second = 0, ""

    def add(self, method: str, target: str, status: int, milliseconds: float, client: str, agent: str) -> None:
        """Write the line of a request that has been answered, soon: to be called by code of the event loop."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second, self._shown_second = second, timestamp(second)[:19]
        quoted = encode_basestring_ascii
        line = (
            f'{{"method": {quoted(method)}, "target": {quoted(target)}, "status": {status}, '
            f'"milliseconds": {milliseconds:.1f}, "client": {quoted(client)}, "agent": {quoted(agent)}, '
            f'"event": "request", "level": "info", '
            f'"timestamp": "{self._shown_second}.{int((now - second) * 1e6):06}Z"}}\n'
        )
        # A pipe that other processes write to as well keeps together what is no longer than this.
        if self._size + len(line) > select.PIPE_BUF:
            self._write()
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._write)
        self._lines.append(line)
        self._size += len(line)

    def _write(self) -> None:
        if self._lines:
            text = "".join(self._lines)
            self._lines.clear()
            self._size = 0
            if _LOGGER.isEnabledFor(logging.INFO):  # as every other line; not in a test that did not set up logs
                sys.stderr.write(text)
                sys.stderr.flush()
