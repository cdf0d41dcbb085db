"""Run the engine as its callers do: as a process that speaks JSON lines."""

import json
import subprocess
import sys
from collections.abc import Sequence

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
