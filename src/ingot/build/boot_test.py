"""The last stage of a build that asks for it: the finished image has to boot without a failed unit."""

import time
from collections.abc import Callable
from pathlib import Path

from ingot.build.boot import BootError, boot, probe
from ingot.build.request import BuildResult, Progress

STAGE = "boot"


def run(result: BuildResult, on_progress: Callable[[Progress], None], log: Path) -> BuildResult:
    """Boot a finished image; returns the result with the machine's own report, or raises BootError.

    `log` is a file that the machine's console is appended to.
    """
    if result.output is None:
        raise BootError("There is no image to boot.")
    started = time.monotonic()
    on_progress(Progress(stage=STAGE, percentage=98, message="Booting the image"))
    probe(result.output, result.arch)
    report, _ = boot(result.output, arch=result.arch, disks=[disk.output for disk in result.more_disks], log=log)
    if report.failed_units:
        raise BootError(f"The image boots, but {report.failed_units} units failed: {', '.join(report.failed)}.")
    timings = {**result.timings, STAGE: round(time.monotonic() - started, 3)}
    return result.model_copy(update={"boot": report, "timings": timings})
