"""Processes that end with the one that started them, however that one ends, and that keep to their memory."""

import ctypes
import os
import resource
import signal
from pathlib import Path

_VARIABLE = "INGOT_DIE_WITH_PARENT"
_PR_SET_PDEATHSIG = 1


#: Credentials for the place of the artifacts.
_SECRETS = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"})


def bound_environment(*, secrets: bool = True) -> dict[str, str]:
    """The environment for a child that calls `die_with_parent`: it names this process. Without `secrets`, the child
    gets no credentials for the place of the artifacts."""
    kept = {name: value for name, value in os.environ.items() if secrets or name not in _SECRETS}
    return {**kept, _VARIABLE: str(os.getpid())}


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal when the one that started it ends.

    Does nothing for a process that a person started. The parent may have ended before we got here: that counts too.
    """
    parent = os.environ.pop(_VARIABLE, "")
    if not parent:
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if not is_alive(int(parent)):
        os.kill(os.getpid(), number)


def bound_memory(size: int) -> None:
    """Let this process have so many bytes of memory and no more: beyond them it gets MemoryError."""
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def raise_file_limit() -> None:
    """Let this process have as many open files as it may: one that serves thousands needs several for each."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def is_alive(process: int) -> bool:
    """Whether a process exists and has not ended (a zombie has)."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2]
    except OSError:
        return False
    return state.split()[0] not in ("Z", "X")
