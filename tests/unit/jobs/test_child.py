"""The processes that the worker starts."""

import signal
import sys
import time
from pathlib import Path

import pytest

from ingot.jobs.child import Child
from ingot.process import is_alive


def _child(tmp_path: Path, code: str) -> Child:
    return Child([sys.executable, "-c", code], tmp_path / "logs" / "child.log")


def _documents(child: Child) -> list[dict[str, object]]:
    return [document for document in child.documents(0.05) if document is not None]


def test_what_it_says_is_read_and_noted(tmp_path: Path) -> None:
    code = """
import sys
print('{"stage": "one"}'); print("noise"); print("[1]"); print('{"text": "' + "x" * 3_000_000 + '"}')
print("and this is for the log", file=sys.stderr); sys.stdout.write('{"cut": '); sys.exit(3)
"""
    child = _child(tmp_path, code)
    first, second = _documents(child)
    assert first == {"stage": "one"}
    assert len(str(second["text"])) == 3_000_000
    assert child.wait() == 3
    log = (tmp_path / "logs" / "child.log").read_text()
    assert "noise" in log
    assert "and this is for the log" in log


def test_what_it_left_running_neither_delays_nor_survives_it(tmp_path: Path) -> None:
    code = """
import subprocess, sys
print('{"pid": %d}' % subprocess.Popen(["sleep", "1000"]).pid, flush=True)
"""
    child = _child(tmp_path, code)
    (document,) = _documents(child)
    assert child.wait() == 0
    process = int(str(document["pid"]))
    while is_alive(process):
        time.sleep(0.01)


def test_stop_ends_also_what_does_not_listen(tmp_path: Path) -> None:
    code = """
import signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('{"pid": %d}' % subprocess.Popen(["sleep", "1000"]).pid, flush=True)
time.sleep(1000)
"""
    child = _child(tmp_path, code)
    document = next(document for document in child.documents(0.05) if document)
    child.stop()
    process = int(str(document["pid"]))
    while is_alive(process):
        time.sleep(0.01)


def test_silence_is_heard(tmp_path: Path) -> None:
    child = _child(tmp_path, "import time; time.sleep(1000)")
    assert next(child.documents(0.01)) is None
    child.stop()


def test_a_program_that_is_not_there_leaves_no_open_file(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FileNotFoundError):
        Child([str(tmp_path / "nosuch")], tmp_path / "logs" / "child.log")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_killed_child_is_told_by_its_status(tmp_path: Path) -> None:
    child = _child(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert _documents(child) == []
    assert child.wait() == -signal.SIGKILL
