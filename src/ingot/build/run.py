"""The only way the engine starts a program."""

import os
import shlex
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ingot.build.errors import BuildError, DiskFullError

Argument = str | os.PathLike[str]
#: What every program sees of its surroundings: nothing of ours, and no locale or time zone to depend on.
ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "HOME": "/nonexistent",
}
_WORDS_IN_MESSAGE = 600
_WATCH_SECONDS = 0.2


class ProgramFailedError(BuildError):
    """A program ended with an error: the message has its last words, `detail` all of them."""


def run(
    argv: Sequence[Argument],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    pass_fds: Sequence[int] = (),
    on_line: Callable[[str], None] | None = None,
    log: Path | None = None,
    watch: Callable[[int], BuildError | None] | None = None,
) -> str:
    """Run a program to its end and return its standard output.

    `env` adds to ENVIRONMENT. `on_line` gets each line of output as it comes (then standard error joins it).
    `log` is a file that the command and its output are appended to, line by line where `on_line` is.
    `watch` is asked now and then, with the process id, whether the program has to be ended; what it answers is raised.
    Raises ProgramFailedError, or DiskFullError when the program says that the disk is full.
    """
    arguments = [os.fspath(argument) for argument in argv]
    _append(log, f"$ {shlex.join(arguments)}\n")
    process = subprocess.Popen(
        arguments,
        env={**ENVIRONMENT, **(env or {})},
        cwd=cwd,
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if on_line else subprocess.PIPE,
        pass_fds=pass_fds,
        encoding="utf-8",
        errors="replace",
    )
    with process, _watching(process, watch) as verdict:
        try:
            if on_line:
                output, errors = _follow(process, on_line, log), ""
            else:
                output, errors = process.communicate(stdin)
                _append(log, f"{output}{errors}")
            process.wait()
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        if verdict:
            last_words = _last_words(errors or output)
            raise type(verdict[0])(
                f"{verdict[0].message} Its last words: {last_words}", f"$ {shlex.join(arguments)}\n{output}{errors}"
            )
        raise _failure(arguments, process.returncode, errors, output)
    return output


def _append(log: Path | None, text: str) -> None:
    if log is not None:
        with log.open("a", encoding="utf-8") as file:
            file.write(text)


@contextmanager
def _watching(
    process: "subprocess.Popen[str]", watch: Callable[[int], BuildError | None] | None
) -> Iterator[list[BuildError]]:
    """Kill the process when `watch` says so; yields a list that holds why, at the latest when the context ends."""
    verdict: list[BuildError] = []
    if watch is None:
        yield verdict
        return
    ended = threading.Event()

    def look() -> bool:
        error = watch(process.pid)
        if error is not None and not verdict:
            verdict.append(error)
        return error is not None

    def look_now_and_then() -> None:
        while not ended.wait(_WATCH_SECONDS):
            if look():
                process.kill()
                return

    thread = threading.Thread(target=look_now_and_then)
    thread.start()
    try:
        yield verdict
    finally:
        ended.set()
        thread.join()
    if process.returncode:
        look()  # it may have been ended for what it did since the last look


def _follow(process: "subprocess.Popen[str]", on_line: Callable[[str], None], log: Path | None) -> str:
    lines = []
    assert process.stdout is not None  # noqa: S101 - we asked for a pipe
    for line in process.stdout:
        lines.append(line)
        _append(log, line)
        on_line(line.rstrip("\n"))
    return "".join(lines)


def _failure(arguments: Sequence[str], status: int, errors: str, output: str) -> BuildError:
    name = Path(arguments[0]).name
    words = f"{output}{errors}"
    if "No space left on device" in words:
        return DiskFullError.at(Path.cwd(), f"{name} could not write", words)
    ending = f"was killed by signal {-status}" if status < 0 else f"failed with status {status}"
    return ProgramFailedError(
        f"{name} {ending}: {_last_words(errors or output)}", detail=f"$ {shlex.join(arguments)}\n{words}"
    )


def _last_words(text: str) -> str:
    return text.strip()[-_WORDS_IN_MESSAGE:] or "it said nothing"


def require(program: str, package: str) -> None:
    """Make sure that a program is there; the error names the package that brings it."""
    if shutil.which(program, path=ENVIRONMENT["PATH"]) is None:
        raise BuildError(f"The program {program} is missing. Install it: apt-get install {package}")
