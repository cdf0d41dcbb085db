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

from ingot.process import bound_environment

#: A program that is asked to stop has this long before it is killed.
_GRACE_SECONDS = 1.0
_LONGEST_LINE = 16 << 20


class Child:
    """A child process in a session of its own, which says what it does in JSON lines on standard output."""

    def __init__(self, argv: Sequence[str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._log,
                start_new_session=True,
                # Contents are brought and taken by the worker: what runs here needs no credentials for them.
                env=bound_environment(secrets=False),
            )
        except BaseException:
            os.close(self._log)
            raise

    def documents(self, seconds: float) -> Iterator[dict[str, Any] | None]:
        """The JSON objects it says, as they come, until it ends; None at least every `seconds`."""
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - we asked for a pipe
        buffer = b""
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while True:
                if not selector.select(seconds):
                    if self._has_ended():  # something it started may still hold the pipe
                        return
                    yield None
                    continue
                chunk = os.read(stdout.fileno(), 1 << 16)
                if not chunk:
                    return
                *lines, buffer = (buffer + chunk).split(b"\n")
                buffer = buffer[:_LONGEST_LINE]
                for line in lines:
                    self._note(line + b"\n")
                    document = _parse(line)
                    if document is not None:
                        yield document
                yield None

    def wait(self) -> int:
        """Its exit status, once it has ended; what it left running ends with it."""
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        return self._reap()

    def stop(self) -> None:
        """End it and everything in its session: asked first, killed a second later."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_SECONDS
        while not self._has_ended() and time.monotonic() < deadline:
            time.sleep(0.02)
        self._reap()

    def _has_ended(self) -> bool:
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None

    def _reap(self) -> int:
        # Until it is waited for, its id, which is also its session's, belongs to nobody else.
        self._signal(signal.SIGKILL)
        status = self._process.wait()
        assert self._process.stdout is not None  # noqa: S101 - we asked for a pipe
        self._process.stdout.close()
        os.close(self._log)
        return status

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _note(self, line: bytes) -> None:
        with contextlib.suppress(OSError):  # a full disk must not hide what the program has to say about it
            os.write(self._log, line)


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
