"""Run the engine as its callers do: as a process that speaks JSON lines."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ingot.build.errors import BuildError
from ingot.build.request import BuildRequest, BuildResult


def run_engine(request: BuildRequest, prefix: Sequence[str] = (), env: dict[str, str] | None = None) -> BuildResult:
    """Build; raises BuildError with the engine's own words."""
    file = request.scratch / "request.json"
    file.write_text(request.model_dump_json(), encoding="utf-8")
    python = [sys.executable] if not prefix else []
    done = subprocess.run(
        [*prefix, *python, "-m", "ingot.build", "run", str(file)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    last = lines[-1] if lines else {"error": f"no word; {done.stderr}"}
    if "error" in last:
        raise BuildError(last["error"], last.get("detail", ""))
    percentages = [line["percentage"] for line in lines if "percentage" in line]
    assert percentages == sorted(percentages)
    return BuildResult.model_validate(last["result"])


def differences(first: Path, second: Path) -> list[str]:
    """Where two images differ, as `ingot compare` says it; none when they are the same, byte for byte."""
    argv = [sys.executable, "-m", "ingot.build", "compare", str(first), str(second)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (documents, done.stderr)
    return [document["difference"] for document in documents]


def assert_same(first: Path, second: Path) -> None:
    """Fail with what differs, partition by partition and file by file."""
    found = differences(first, second)
    assert not found, "\n".join(found[:50])


def copy_packages(cache: Path, other: Path) -> None:
    """Copy a cache's package files to a new cache; what other tests are fetching at this moment is left out."""
    fetching = shutil.ignore_patterns("incoming-*")
    shutil.copytree(cache / "packages", other / "packages", ignore=fetching)
