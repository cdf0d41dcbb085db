"""What the program of a job says while it works."""

import json
import time
from typing import Any

_SECONDS = 0.5


class Progress:
    """Says where a job is on standard output, at most twice a second within a stage."""

    def __init__(self) -> None:
        self._stage = ""
        self._said = 0.0

    def __call__(self, stage: str, percentage: int, message: str) -> None:
        """Say it, unless the same stage said something just now."""
        now = time.monotonic()
        if stage == self._stage and now - self._said < _SECONDS:
            return
        self._stage, self._said = stage, now
        print(json.dumps({"stage": stage, "percentage": percentage, "message": message}), flush=True)


def finish(error: str | None = None, detail: str = "", *, result: dict[str, Any] | None = None) -> int:
    """Say how it ended; returns the program's status."""
    print(json.dumps({"result": result or {}} if error is None else {"error": error, "detail": detail}), flush=True)
    return 0 if error is None else 1
