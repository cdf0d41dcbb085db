"""Work as root of one's own user namespace.

A build needs to own files as any user, to mount overlays and to change root; it needs none of this on
the host. `call` runs a function in a child process that is root in a new user namespace (an ordinary user
brings subordinate ids, root maps its own), with mount, pid, ipc and uts namespaces of its own. When that
child dies, or its parent, the kernel ends every process of the namespace and takes down its mounts.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from ingot.build.errors import BuildError
from ingot.build.run import require, run

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUTS = 0x04000000
_CLONE_NEWIPC = 0x08000000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWPID = 0x20000000
_PR_SET_PDEATHSIG = 1
_MS_REC_PRIVATE = 0x4000 | 0x40000
_MS_BIND_REC = 0x1000 | 0x4000
_MAPPED_IDS = 65536

_libc = ctypes.CDLL(None, use_errno=True)


def _print(error: BuildError) -> None:
    print(f"ingot: {error.message}", file=sys.stderr)


def call(function: Callable[[], int], on_error: Callable[[BuildError], None] = _print) -> int:
    """Run `function` as root of new namespaces and return its exit status.

    `on_error` is told, in the child, why the namespaces cannot be had; the status is 1 then.

    SIGTERM and SIGINT end the namespace with everything in it; the status is then 128 + signal.
    Raises BuildError with the remedy where the kernel or the machine's set-up refuses.
    """
    supervisor = os.fork()
    if supervisor == 0:
        die_with_parent()
        _supervise(function, on_error)
    stopped_by = 0

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal stopped_by
        stopped_by = number
        os.kill(supervisor, signal.SIGKILL)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        _, status = os.waitpid(supervisor, 0)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 128 + stopped_by if stopped_by else os.waitstatus_to_exitcode(status)


def _supervise(function: Callable[[], int], on_error: Callable[[BuildError], None]) -> NoReturn:
    """In the child: enter the namespaces and wait for the pid namespace's first process."""
    try:
        _enter_user_namespace()
        own_processes = _may_mount_proc()
        kinds = _CLONE_NEWNS | _CLONE_NEWIPC | _CLONE_NEWUTS | (_CLONE_NEWPID if own_processes else 0)
        _check(_libc.unshare(kinds), "unshare")
        first = os.fork()
        if first == 0:
            os._exit(_first_process(function, on_error, own_processes))
        _, status = os.waitpid(first, 0)
        os._exit(abs(os.waitstatus_to_exitcode(status)))
    except BuildError as error:
        on_error(error)
    os._exit(1)


def _first_process(function: Callable[[], int], on_error: Callable[[BuildError], None], own_processes: bool) -> int:
    die_with_parent()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.umask(0o022)  # what is made has the modes of an ordinary system, whoever makes it
    try:
        _check(_libc.mount(b"none", b"/", None, _MS_REC_PRIVATE, None), "make mounts private")
        if own_processes:
            _check(_mount_proc(), "mount /proc")
        status = function()
        sys.stdout.flush()
        return status
    except BuildError as error:
        on_error(error)
        return 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1


def _mount_proc() -> int:
    return int(_libc.mount(b"proc", b"/proc", b"proc", 0, None))


def _may_mount_proc() -> bool:
    """Whether the kernel allows a /proc of our own.

    It does not in a container that hides parts of its /proc; builds then share the container's process ids, and end
    with their parent by the kernel's signal alone.
    """
    probe = os.fork()
    if probe == 0:
        die_with_parent()
        if _libc.unshare(_CLONE_NEWNS | _CLONE_NEWPID) != 0:
            os._exit(1)
        inner = os.fork()
        if inner == 0:
            private = _libc.mount(b"none", b"/", None, _MS_REC_PRIVATE, None)
            os._exit(0 if private == 0 and _mount_proc() == 0 else 1)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1]))
    return os.waitpid(probe, 0)[1] == 0


def has_own_processes() -> bool:
    """Whether this process is the first of a pid namespace of its own."""
    return os.getpid() == 1


def _enter_user_namespace() -> None:
    """Unshare the user namespace; a helper that stayed outside writes the id maps."""
    own = os.getpid()
    unshared_read, unshared_write = os.pipe()
    helper = os.fork()
    if helper == 0:
        os.close(unshared_write)
        if not os.read(unshared_read, 1):
            os._exit(1)
        try:
            _write_maps(own)
        except (BuildError, OSError) as error:
            print(f"ingot: {error}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    os.close(unshared_read)
    if _libc.unshare(_CLONE_NEWUSER) != 0:
        os.close(unshared_write)
        os.waitpid(helper, 0)
        raise BuildError(
            f"This machine does not allow user namespaces ({os.strerror(ctypes.get_errno())}). {_remedy()}"
        )
    os.write(unshared_write, b"!")
    os.close(unshared_write)
    _, status = os.waitpid(helper, 0)
    if status != 0:
        raise BuildError("The ids of the user namespace could not be mapped (see above).")
    try:
        os.setresgid(0, 0, 0)
        os.setgroups([])
        os.setresuid(0, 0, 0)
    except PermissionError as error:
        # AppArmor lets the namespace be made, and takes all rights in it.
        raise BuildError(f"User namespaces have no rights on this machine ({error.strerror}). {_remedy()}") from error


def is_container() -> bool:
    """Whether this is a container of Docker, Podman or their like."""
    return any(Path(file).exists() for file in ("/.dockerenv", "/run/.containerenv"))


def _remedy() -> str:
    """How user namespaces are allowed, where we are."""
    if is_container():
        return (
            "Start the container with --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
            "--security-opt systempaths=unconfined (Podman: unmask=ALL for the last)."
        )
    restriction = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    if restriction.exists() and restriction.read_text(encoding="ascii").strip() == "1":
        return "Allow them: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    return "Allow them: sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000"


def _write_maps(process: int) -> None:
    if os.geteuid() == 0:
        for kind in ("uid", "gid"):
            count = min(_MAPPED_IDS, _own_ids(kind))
            Path(f"/proc/{process}/{kind}_map").write_text(f"0 0 {count}\n", encoding="ascii")
        return
    require("newuidmap", "uidmap")
    for kind, own_id in (("uid", os.geteuid()), ("gid", os.getegid())):
        start, count = _subordinate_ids(kind)
        ranges = [0, own_id, 1, 1, start, min(count, _MAPPED_IDS - 1)]
        run([f"new{kind}map", str(process), *map(str, ranges)])


def _own_ids(kind: str) -> int:
    """How many ids, counted from 0, this process itself has."""
    for line in Path(f"/proc/self/{kind}_map").read_text(encoding="ascii").splitlines():
        inside, _outside, count = map(int, line.split())
        if inside == 0:
            return count
    return 1


def _subordinate_ids(kind: str) -> tuple[int, int]:
    """(first id, number of ids) that this user may map, from /etc/subuid or /etc/subgid."""
    import pwd  # noqa: PLC0415 - only an ordinary user's build needs it

    entry = pwd.getpwuid(os.geteuid())
    file = Path(f"/etc/sub{kind}")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    for line in lines:
        owner, start, count = line.split(":")
        if owner in (entry.pw_name, str(entry.pw_uid)) and int(count) >= _MAPPED_IDS - 1:
            return int(start), int(count)
    raise BuildError(
        f"User {entry.pw_name} has no range of {_MAPPED_IDS} subordinate ids in {file}. Give it one: "
        f"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {entry.pw_name}"
    )


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that started it dies."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")


def _check(result: int, what: str) -> None:
    if result != 0:
        raise BuildError(f"The build's namespace could not be set up: {what}: {os.strerror(ctypes.get_errno())}.")


def mount_overlay(lower: list[Path], upper: Path, work: Path, target: Path) -> None:
    """Mount an overlay (lowest layer last in `lower`) at `target`, inside the namespace.

    The call is ours and not mount(8)'s since option strings with many long paths outgrow a page; relative
    paths from one directory keep them short. What is written is not synced when it is unmounted: `volatile`.
    """
    layers = ":".join(os.path.relpath(path, upper.parent) for path in lower)
    places = f"lowerdir={layers},upperdir={upper.name},workdir={os.path.relpath(work, upper.parent)}"
    options = f"{places},userxattr,volatile"
    previous = Path.cwd()
    os.chdir(upper.parent)
    try:
        _check(
            _libc.mount(b"overlay", os.fsencode(target.absolute()), b"overlay", 0, options.encode()),
            f"mount an overlay ({options})",
        )
    finally:
        os.chdir(previous)


def bind(source: Path, target: Path) -> None:
    """Show a directory, with what is mounted in it, at another place, inside the namespace."""
    mounted = _libc.mount(os.fsencode(source), os.fsencode(target), None, _MS_BIND_REC, None)
    _check(mounted, f"show {source} at {target}")


def unmount(target: Path) -> None:
    """Unmount what `mount_overlay` or `bind` mounted."""
    _check(_libc.umount2(os.fsencode(target), 0), f"unmount {target}")
