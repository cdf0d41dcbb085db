"""A program that works on one attempt: started, followed line by line, and ended with all that it started."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

#: A program that is asked to stop has this long before it is killed.
_GRACE_SECONDS = 1.0
_LONGEST_LINE = 16 << 20


class Child:
    """A child process in a session of its own, which says what it does in JSON lines on standard output."""

    def __init__(self, argv: Sequence[str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
            # The engine ends itself when the one who started it does.
            env={**os.environ, "INGOT_DIE_WITH_PARENT": "1"},
        )

    def documents(self, seconds: float) -> Iterator[dict[str, Any] | None]:
        """The JSON objects it says, as they come, until it ends; None at least every `seconds`."""
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - we asked for a pipe
        buffer = b""
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while True:
                if not selector.select(seconds):
                    yield None
                    continue
                chunk = os.read(stdout.fileno(), 1 << 16)
                if not chunk:
                    return
                *lines, buffer = (buffer + chunk[:_LONGEST_LINE]).split(b"\n")
                for line in lines:
                    self._log.write(line + b"\n")
                    document = _parse(line)
                    if document is not None:
                        yield document
                yield None

    def wait(self) -> int:
        """Its exit status, once it has ended."""
        status = self._process.wait()
        self._log.close()
        return status

    def stop(self) -> None:
        """End it and everything in its session: asked first, killed a second later."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
