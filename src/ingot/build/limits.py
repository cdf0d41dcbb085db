"""Bounds on what a program of the image may use: memory, processes, time.

Where this process may make control groups (version 2, with `memory` and `pids`), the kernel holds each program to its
bounds in a group of its own. Elsewhere what the program's pid namespace uses is looked at several times a second, and
the namespace is ended when that is too much; newer kernels also bound the processes of the build's namespace.
"""

import functools
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ingot.build.errors import BuildError
from ingot.build.namespace import has_own_processes
from ingot.build.run import run
from ingot.settings import Settings

_CGROUPS = Path("/sys/fs/cgroup")
_CONTROLLERS = {"memory", "pids"}
_NAME = "ingot-"
#: A group that is older and has no process was left by a build that was killed.
_LEFT_BEHIND_SECONDS = 60
_MB = 1 << 20
_PID_MAX = Path("/proc/sys/kernel/pid_max")
#: The first kernel on which the highest process id is each pid namespace's own matter, not the whole machine's.
_OWN_PID_MAX = (6, 14)
#: Ids that the kernel gives out only once, and what the engine itself needs.
_RESERVED_PIDS = 300 + 100


class LimitError(BuildError):
    """A program of the image took more than it may: the message names the bound and its setting."""


@dataclass(frozen=True)
class Limits:
    """What one program of the image may use: bytes of `memory`, `processes` at once, `seconds`; 0 is unbounded."""

    memory: int
    processes: int
    seconds: int

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """The operator's."""
        return cls(settings.build_memory_limit * _MB, settings.build_process_limit, settings.build_time_limit)


@dataclass
class Guard:
    """Holds one program to its limits; `launcher` is what it has to be started with."""

    limits: Limits
    launcher: list[str] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)

    def verdict(self, process: int) -> LimitError | None:
        """Why the program that runs as `process` has to be ended, or has just ended; None when all is well."""
        limits = self.limits
        memory, processes = self._over(process)
        if memory:
            return _error(f"{limits.memory // _MB} MB of memory", "memory", limits.memory // _MB)
        if processes:
            return _error(f"{limits.processes} processes at once", "process", limits.processes)
        if limits.seconds and time.monotonic() - self._started > limits.seconds:
            return _error(f"{limits.seconds} seconds", "time", limits.seconds)
        return None

    def _over(self, process: int) -> tuple[bool, bool]:
        """Whether there is (too much memory used, too many processes)."""
        limits = self.limits
        if limits.processes and has_own_processes() and len(_processes()) > limits.processes + _RESERVED_PIDS:
            return False, True  # to look at each takes too long while they become more
        processes, memory = _usage(process)
        return bool(limits.memory and memory > limits.memory), bool(limits.processes and processes > limits.processes)


@dataclass
class GroupGuard(Guard):
    """A guard whose bounds the kernel keeps, in a control group."""

    group: Path = _CGROUPS

    def _over(self, process: int) -> tuple[bool, bool]:
        del process
        return self._events("memory", "oom_kill") > 0, self._events("pids", "max") > 0

    def _events(self, controller: str, name: str) -> int:
        lines = (self.group / f"{controller}.events").read_text(encoding="ascii").splitlines()
        return int(dict(line.split() for line in lines).get(name, 0))


@contextmanager
def guarding() -> Iterator[Guard]:
    """A guard for one program, which has ended, with all that it started, when the context does."""
    limits = Limits.of(Settings())
    parent = _delegated() if limits.memory or limits.processes else None
    if parent is None:
        if limits.processes and _has_own_pid_max():
            _PID_MAX.write_text(str(limits.processes + _RESERVED_PIDS), encoding="ascii")
        yield Guard(limits)
        return
    with _group(parent, limits) as group:
        yield GroupGuard(limits, _entering(group), group=group)


def are_kept_by_the_kernel() -> bool:
    """Whether not even the number of processes depends on looking in time."""
    return _has_own_pid_max() or _delegated() is not None


def _has_own_pid_max() -> bool:
    major, minor = os.uname().release.split(".")[:2]
    return has_own_processes() and (int(major), int(minor.split("-")[0])) >= _OWN_PID_MAX


@contextmanager
def _group(parent: Path, limits: Limits) -> Iterator[Path]:
    """A control group with bounds."""
    group = parent / f"{_NAME}{uuid.uuid4().hex}"
    group.mkdir()
    try:
        bounds = {"memory.max": limits.memory, "pids.max": limits.processes}
        for file, bound in bounds.items():
            (group / file).write_text(str(bound or "max"), encoding="ascii")
        (group / "memory.oom.group").write_text("1", encoding="ascii")
        with suppress(FileNotFoundError):  # a kernel without swap
            (group / "memory.swap.max").write_text("0", encoding="ascii")
        yield group
    finally:
        _remove(group)


def _entering(group: Path) -> list[str]:
    """What a program is started with to be in a group."""
    return ["sh", "-c", 'echo 0 >"$0" && exec "$@"', os.fspath(group / "cgroup.procs")]


def _error(bound: str, setting: str, value: int) -> LimitError:
    return LimitError(
        f"A program of the image took more than {bound}, and was ended. If it needs more, raise "
        f"INGOT_BUILD_{setting.upper()}_LIMIT (now {value})."
    )


@functools.cache
def _delegated() -> Path | None:
    """The control group below which we may make groups with bounds and put programs into, if there is one."""
    for place in _candidates():
        control = place / "cgroup.subtree_control"
        try:
            if not _CONTROLLERS.issubset(control.read_text(encoding="ascii").split()):
                control.write_text(" ".join(f"+{name}" for name in sorted(_CONTROLLERS)), encoding="ascii")
        except OSError:
            continue
        with suppress(OSError, BuildError):
            _remove_leftovers(place)
            # The kernel has more rules than can be read from the files: try.
            with _group(place, Limits(0, 0, 0)) as group:
                run([*_entering(group), "true"])
            return place
    return None


def _candidates() -> Iterator[Path]:
    """Our own group, and the one above it where that was given to us to divide."""
    if not (_CGROUPS / "cgroup.controllers").exists():
        return
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        if line.startswith("0::"):
            own = _CGROUPS / line.removeprefix("0::").lstrip("/")
            yield own
            with suppress(OSError):
                if os.getxattr(own.parent, "user.delegate") == b"1":
                    yield own.parent


def groups() -> Iterator[Path]:
    """The control groups of all programs that run now, and those that killed builds left."""
    for place in _candidates():
        yield from place.glob(f"{_NAME}*")


def _remove_leftovers(parent: Path) -> None:
    for group in parent.glob(f"{_NAME}*"):
        with suppress(OSError):
            if time.time() - group.stat().st_mtime > _LEFT_BEHIND_SECONDS:
                group.rmdir()  # refused while there are processes in it


def _remove(group: Path) -> None:
    """Remove a group, ending what is still in it."""
    for _ in range(100):
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            with suppress(OSError):
                (group / "cgroup.kill").write_text("1", encoding="ascii")
            time.sleep(0.02)
        else:
            return


def _usage(sandbox: int) -> tuple[int, int]:
    """(processes, bytes of memory of their own) in the pid namespace that the process `sandbox` started."""
    found = _processes()
    namespace = next((_pid_namespace(process) for process in found if _parent(process) == sandbox), None)
    if namespace is None:
        return 0, 0
    members = [process for process in found if _pid_namespace(process) == namespace]
    return len(members), sum(_own_memory(process) for process in members)


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - there may be many


def _parent(process: int) -> int:
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def _pid_namespace(process: int) -> int | None:
    try:
        return os.stat(f"/proc/{process}/ns/pid").st_ino  # noqa: PTH116 - called for every process
    except OSError:
        return None


def _own_memory(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return 0
    counted = ("RssAnon:", "RssShmem:", "VmSwap:")
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(counted))
