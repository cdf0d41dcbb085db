"""`ingot doctor`, on machines that lack something: each lack is real, in a mount namespace of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_INGOT = Path(sys.executable).with_name("ingot")


def _doctor(lack: str, *prefix: str) -> "subprocess.CompletedProcess[str]":
    if os.geteuid() != 0:
        pytest.skip("only root can take something away from a machine")
    argv = ["unshare", "--mount", "sh", "-c", f'{lack}\nexec "$@"', "sh", *prefix, str(_INGOT), "doctor"]
    environment = {**os.environ, "COLUMNS": "400"}
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)


def _line(done: "subprocess.CompletedProcess[str]", check: str) -> str:
    return next(line for line in done.stdout.splitlines() if line.startswith(check))


def test_a_machine_that_has_everything_is_fine() -> None:
    done = _doctor("true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok" in _line(done, "overlay mounts")


def test_a_missing_program_is_named_with_its_package() -> None:
    done = _doctor("mount --bind /dev/null /usr/bin/bwrap")
    assert done.returncode == 1
    assert "apt-get install bubblewrap" in _line(done, "bwrap")


def test_a_hidden_proc_is_no_obstacle_and_has_a_remedy() -> None:
    done = _doctor("mount -t tmpfs none /proc/sys/debug || mount -t tmpfs none /proc/fs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "systempaths=unconfined" in _line(done, "own /proc")


def test_a_full_disk_is_named() -> None:
    cache = "/var/lib/ingot-test-full"
    done = _doctor(f"mount -t tmpfs -o size=64m none /var/lib && mkdir {cache} && export HOME={cache}")
    assert done.returncode == 1
    assert "Make room" in _line(done, "free space")


def test_user_namespaces_that_are_forbidden_are_named() -> None:
    """The limit counts namespaces, and is set in a user namespace of its own: the machine's stays as it is."""
    script = 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"'
    inner = ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh"]
    done = _doctor("true", *inner)
    assert done.returncode == 1
    assert "does not allow user namespaces" in _line(done, "user namespace")
