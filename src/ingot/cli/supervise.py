"""Processes beside a server: started again when they die or hang, ended with it."""

import contextlib
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ingot.logs import Log
from ingot.process import bound_environment

_log = Log()
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_POLL_SECONDS = 0.2


class Stop(Protocol):
    """Whether everything has to end, and whether at once."""

    should_exit: bool
    force_exit: bool


@dataclass(frozen=True)
class Hang:
    """How a process that hangs shows: it has not touched `file` for `seconds`."""

    file: Path
    seconds: float

    def touched(self) -> int:
        """When the file was touched last."""
        with contextlib.suppress(OSError):
            return self.file.stat().st_mtime_ns
        return 0


class Supervised:
    """A process that is there as long as the context, or until `stop` says so; it has `grace` seconds to end.

    `file` is an open file that it inherits.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        stop: Stop,
        grace: float,
        *,
        environment: Mapping[str, str] | None = None,
        file: int | None = None,
        hang: Hang | None = None,
    ) -> None:
        self._name, self._argv, self._stop, self._grace, self._hang = name, list(argv), stop, grace, hang
        self._environment = dict(environment or {})
        self._files = () if file is None else (file,)
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name=f"{name} supervisor")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._leaving.set()
        self._thread.join()

    def _supervise(self) -> None:
        """Runs in a thread that lives as long as the server: the kernel ends the process together with it."""
        pause = _FIRST_PAUSE
        while not self._is_stopping():
            started = time.monotonic()
            process = subprocess.Popen(
                self._argv,
                env={**bound_environment(), **self._environment},
                stdin=subprocess.DEVNULL,
                pass_fds=self._files,
                start_new_session=True,  # a terminal's Ctrl-C is for the server to pass on
            )
            self._watch(process)
            if self._is_stopping():
                self._end(process)
                return
            pause = _FIRST_PAUSE if time.monotonic() - started > 60 else min(pause * 2, _LONGEST_PAUSE)
            _log.error(f"the {self._name} ended and is started again", status=process.wait(), seconds=pause)
            self._leaving.wait(pause)

    def _watch(self, process: "subprocess.Popen[bytes]") -> None:
        """Return when the process ended, was killed because it hung, or has to stop."""
        seen, changed = self._hang.touched() if self._hang else 0, time.monotonic()
        while process.poll() is None and not self._is_stopping():
            if self._hang is not None:
                if self._hang.touched() != seen:
                    seen, changed = self._hang.touched(), time.monotonic()
                elif time.monotonic() - changed > self._hang.seconds:
                    _log.error(f"the {self._name} hangs and is killed", seconds=self._hang.seconds)
                    process.kill()
                    process.wait()
            self._leaving.wait(_POLL_SECONDS)

    def _is_stopping(self) -> bool:
        return self._leaving.is_set() or self._stop.should_exit

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        process.terminate()
        deadline = time.monotonic() + self._grace
        while process.poll() is None and time.monotonic() < deadline and not self._stop.force_exit:
            time.sleep(0.05)
        process.kill()
        process.wait()
