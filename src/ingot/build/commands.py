"""The engine as a process: `python -m ingot.build run REQUEST.json`, `… remove PATH`, `… compare IMAGE IMAGE` and, for
its cache, `… prune CACHE BYTES` and `… verify CACHE`.

Progress, result and error are JSON lines on standard output, one object each: {"stage", "percentage",
"message"}, {"result": …}, {"error", "detail"}; for each thing, prune says {"removed", "size"}, verify {"checked",
"size", "problem", "removed"} and compare {"difference"}. The process exits with 0 after a result and 1 after an error;
all that it started ends with it.
"""

import errno
import json
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from ingot.build import boot_test, namespace
from ingot.build.cache import Cache
from ingot.build.engine import Build
from ingot.build.errors import BuildError, DiskFullError
from ingot.build.evidence.finish import finish
from ingot.build.evidence.record import new_log
from ingot.build.request import BuildRequest, BuildResult, Progress
from ingot.build.verify import verify
from ingot.process import die_with_parent


def main(arguments: list[str]) -> int:
    """Run one command of the engine."""
    die_with_parent()
    match arguments:
        case ["run", request_file]:
            request = BuildRequest.model_validate_json(Path(request_file).read_bytes())
            status = _in_namespace(lambda: _run(request))
            # Outside the namespace: there, a user's right to /dev/kvm is lost.
            return _guarded(lambda: _boot_test(request)) if status == 0 and _is_boot_tested(request) else status
        case ["remove", path]:
            return _in_namespace(lambda: shutil.rmtree(path, ignore_errors=False))
        case ["prune", cache, limit]:
            return _in_namespace(lambda: _prune(Path(cache), int(limit)))
        case ["verify", cache]:
            return _in_namespace(lambda: _verify(Path(cache)))
        case ["compare", first, second]:
            return _in_namespace(lambda: _compare(Path(first), Path(second)))
    print(
        "usage: python -m ingot.build run REQUEST.json | remove PATH | compare IMAGE IMAGE | prune CACHE BYTES | "
        "verify CACHE",
        file=sys.stderr,
    )
    return 2


def _run(request: BuildRequest) -> None:
    try:
        result = Build(request, _report).run()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFullError.at(request.scratch, "The build could not write", traceback.format_exc()) from error
    if not _is_boot_tested(request):
        _finish(request, result)
    else:
        _result_file(request).write_text(result.model_dump_json(), encoding="utf-8")


def _is_boot_tested(request: BuildRequest) -> bool:
    return request.boot_test and not request.simulate


def _boot_test(request: BuildRequest) -> None:
    result = BuildResult.model_validate_json(_result_file(request).read_bytes())
    log = new_log(request.evidence, boot_test.STAGE)
    try:
        _finish(request, boot_test.run(result, _report, log))
    except BuildError as error:
        with log.open("a", encoding="utf-8") as file:
            file.write(f"# failed: {error.message}\n")
        raise


def _finish(request: BuildRequest, result: BuildResult) -> None:
    """Complete the evidence, then say the result: what has one has the other."""
    finish(request, result)
    _say({"result": result.model_dump(mode="json")})


def _result_file(request: BuildRequest) -> Path:
    return request.scratch / "result.json"


def _prune(cache: Path, limit: int) -> None:
    for item in Cache(cache).prune(limit):
        _say({"removed": item.key, "size": item.size})


def _verify(root: Path) -> None:
    cache = Cache(root)
    for item, problem in verify(cache):
        # What is in use is left to the next time.
        removed = problem is not None and cache.remove(item)
        _say({"checked": item.key, "size": item.size, "problem": problem, "removed": removed})


def _compare(first: Path, second: Path) -> None:
    from ingot.build.compare import compare  # noqa: PLC0415 - a build needs it not

    with tempfile.TemporaryDirectory(prefix="ingot-compare-") as scratch:
        for difference in compare(first, second, Path(scratch)):
            _say({"difference": difference})


def _in_namespace(work: Callable[[], None]) -> int:
    try:
        return namespace.call(lambda: _guarded(work), _refuse)
    except BuildError as error:
        _refuse(error)
        return 1


def _guarded(work: Callable[[], None]) -> int:
    """Do the work; returns the exit status and says what went wrong."""
    try:
        work()
    except BuildError as error:
        _refuse(error)
        return 1
    except Exception as error:  # the caller reads one line of JSON, whatever happens
        _say({"error": f"The engine failed unexpectedly: {error!r}.", "detail": traceback.format_exc()})
        return 1
    return 0


def _refuse(error: BuildError) -> None:
    _say({"error": error.message, "detail": error.detail})


def _report(progress: Progress) -> None:
    _say(progress.model_dump())


def _say(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document, separators=(",", ":")) + "\n")
    sys.stdout.flush()
