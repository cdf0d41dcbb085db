"""Programs of the tree being built, run with that tree as their root.

Maintainer scripts and the user's own scripts see the tree, a private /dev, /proc, /tmp and /run, and nothing
of the host: no network, no more capabilities than setting up a system needs, no new privileges. It keeps
accidents and ordinary mischief away from the host; a hostile template still shares the host's kernel.
"""

import os
import platform
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ingot.build.limits import guarding
from ingot.build.namespace import has_own_processes
from ingot.build.run import Argument, run

#: Where a program of the host sees the tree that it works on.
SYSTEM_ROOT = "/sysroot"
_CAPABILITIES = (
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
)
# Numbers of the system calls that only wait for a disk, by audit architecture (linux/audit.h).
_SYNC_CALLS = {
    "x86_64": (
        0xC000003E,
        {"msync": 26, "fsync": 74, "fdatasync": 75, "sync": 162, "sync_file_range": 277, "syncfs": 306},
    ),
    "aarch64": (
        0xC00000B7,
        {"sync": 81, "fsync": 82, "fdatasync": 83, "sync_file_range": 84, "msync": 227, "syncfs": 267},
    ),
}


def sync_filter() -> bytes:
    """A seccomp program under which waiting for the disk succeeds at once; everything else is allowed.

    A tree is thrown away when its build fails, so only the finished result is worth a sync. Calls of a
    foreign architecture pass untouched.
    """
    architecture, calls = _SYNC_CALLS[platform.machine()]
    load, equal, ret = 0x20, 0x15, 0x06
    numbers = sorted(calls.values())
    program = [(load, 0, 0, 4), (equal, 0, len(numbers) + 1, architecture), (load, 0, 0, 0)]
    program += [(equal, len(numbers) - index, 0, number) for index, number in enumerate(numbers)]
    program += [(ret, 0, 0, 0x7FFF0000), (ret, 0, 0, 0x00050000)]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


@contextmanager
def _filter_file() -> Iterator[int]:
    descriptor = os.memfd_create("seccomp", 0)
    try:
        os.write(descriptor, sync_filter())
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def run_in_tree(
    tree: Path,
    argv: Sequence[Argument],
    *,
    binds: Sequence[tuple[Path, str]] = (),
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    on_line: Callable[[str], None] | None = None,
    log: Path | None = None,
) -> str:
    """Run a program of `tree` with it as the root directory and without a network; returns standard output.

    Raises LimitError when it takes more than the operator allows.

    `binds` shows host files in the tree, read-only: (host path, path in the tree). Must be called inside the
    namespaces of `ingot.build.namespace`.
    """
    return _run(["--bind", tree, "/", *_kernel_files("")], argv, binds, env, stdin, on_line, log)


def run_on_tree(
    tree: Path,
    argv: Sequence[Argument],
    *,
    binds: Sequence[tuple[Path, str]] = (),
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    on_line: Callable[[str], None] | None = None,
    log: Path | None = None,
) -> str:
    """Run a program of the host that changes `tree`, which it sees at SYSTEM_ROOT, and whose programs it runs there.

    Of the host there is nothing else but /usr, read-only. The rest is as with `run_in_tree`.
    """
    host: list[Argument] = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "lib", "lib64", "sbin"):
        if Path(f"/{name}").is_symlink():
            host += ["--symlink", f"usr/{name}", f"/{name}"]
    host += [*_kernel_files(""), "--bind", tree, SYSTEM_ROOT, *_kernel_files(SYSTEM_ROOT)]
    return _run(host, argv, binds, env, stdin, on_line, log)


def _kernel_files(root: str) -> list[Argument]:
    """What a root directory has of the kernel's, and what it has of its own for the time of a run."""
    # Where the namespace could have no /proc of its own, the sandbox cannot either.
    processes = ["--proc", f"{root}/proc"] if has_own_processes() else ["--ro-bind", "/proc", f"{root}/proc"]
    return ["--dev", f"{root}/dev", *processes, "--tmpfs", f"{root}/tmp", "--tmpfs", f"{root}/run"]  # noqa: S108


def _run(
    files: Sequence[Argument],
    argv: Sequence[Argument],
    binds: Sequence[tuple[Path, str]],
    env: Mapping[str, str] | None,
    stdin: str | None,
    on_line: Callable[[str], None] | None,
    log: Path | None,
) -> str:
    with _filter_file() as seccomp, guarding() as guard:
        sandbox: list[Argument] = [*guard.launcher, "bwrap", *files]
        for host_path, path in binds:
            sandbox += ["--ro-bind", host_path, path]
        sandbox += [
            "--unshare-pid",
            "--unshare-ipc",
            "--unshare-uts",
            "--unshare-cgroup-try",
            "--unshare-net",
            "--hostname",
            "localhost",
        ]
        sandbox += ["--die-with-parent", "--new-session", "--chdir", "/", "--seccomp", str(seccomp)]
        sandbox += ["--cap-drop", "ALL"]
        for capability in _CAPABILITIES:
            sandbox += ["--cap-add", capability]
        variables = {
            "HOME": "/root",
            "DEBIAN_FRONTEND": "noninteractive",
            "DEBCONF_NONINTERACTIVE_SEEN": "true",
        }
        return run(
            [*sandbox, "--", *argv],
            env={**variables, **(env or {})},
            pass_fds=(seccomp,),
            stdin=stdin,
            on_line=on_line,
            log=log,
            watch=guard.verdict,
        )


def run_unsynced(
    argv: Sequence[Argument],
    *,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    log: Path | None = None,
) -> str:
    """Run a program of the host on what a build makes: it waits for no disk.

    One that does makes the kernel write all that was unpacked a moment ago, and what it made is only worth something
    once it is in the finished image, which gets a sync of its own.
    """
    with _filter_file() as seccomp:
        unsynced: list[Argument] = ["bwrap", "--dev-bind", "/", "/", "--seccomp", str(seccomp), "--", *argv]
        return run(unsynced, env=env, pass_fds=(seccomp,), stdin=stdin, log=log)
