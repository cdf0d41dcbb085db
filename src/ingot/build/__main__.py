"""The engine as a process: `python -m ingot.build run REQUEST.json` and `python -m ingot.build remove PATH`.

Progress, result and error are JSON lines on standard output, one object each: {"stage", "percentage",
"message"}, {"result": …}, {"error", "detail"}. The process exits with 0 after a result and 1 after an error; all that
it started ends with it.
"""

import errno
import json
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from ingot.build import namespace
from ingot.build.engine import Build
from ingot.build.errors import BuildError, DiskFullError
from ingot.build.request import BuildRequest
from ingot.process import die_with_parent


def main(arguments: list[str]) -> int:
    """Run one command of the engine."""
    die_with_parent()
    match arguments:
        case ["run", request_file]:
            request = BuildRequest.model_validate_json(Path(request_file).read_bytes())
            return _in_namespace(lambda: _run(request))
        case ["remove", path]:
            return _in_namespace(lambda: shutil.rmtree(path, ignore_errors=False))
    print("usage: python -m ingot.build run REQUEST.json | remove PATH", file=sys.stderr)
    return 2


def _run(request: BuildRequest) -> None:
    try:
        result = Build(request, lambda progress: _say(progress.model_dump())).run()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFullError.at(request.scratch, "The build could not write", traceback.format_exc()) from error
    _say({"result": result.model_dump(mode="json")})


def _in_namespace(work: Callable[[], None]) -> int:
    def guarded() -> int:
        try:
            work()
        except BuildError as error:
            _say({"error": error.message, "detail": error.detail})
            return 1
        except Exception as error:  # the caller reads one line of JSON, whatever happens
            _say({"error": f"The engine failed unexpectedly: {error!r}.", "detail": traceback.format_exc()})
            return 1
        return 0

    def refused(error: BuildError) -> None:
        _say({"error": error.message, "detail": error.detail})

    try:
        return namespace.call(guarded, refused)
    except BuildError as error:
        refused(error)
        return 1


def _say(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document, separators=(",", ":")) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
