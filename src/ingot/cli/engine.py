"""Ask the engine for something that takes its namespace."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

from ingot.build.request import ENGINE_COMMAND
from ingot.cli.output import fail


def ask_engine(*arguments: str) -> Iterator[dict[str, Any]]:
    """Run a command of the engine in its namespace; yields what it says."""
    argv = [*ENGINE_COMMAND, *arguments]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            document = json.loads(line)
            if "error" in document:
                fail(document["error"], detail=document["detail"])
            yield document
    if process.returncode != 0:
        fail(f"The engine ended with status {process.returncode}.")
