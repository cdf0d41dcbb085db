"""The last of a build's evidence: what can only be said once the image is finished."""

import datetime as dt
import json
import socket
import uuid
from pathlib import Path

from ingot.build.disk.files import numbered
from ingot.build.evidence.provenance import write_provenance
from ingot.build.evidence.record import TIMINGS, timestamp
from ingot.build.request import BuildRequest, BuildResult


def finish(request: BuildRequest, result: BuildResult) -> None:
    """Bring the timings up to date, and state where the image's files come from."""
    file = request.evidence / TIMINGS
    timings = json.loads(file.read_bytes())
    now = dt.datetime.now(dt.UTC)
    seconds = (now - dt.datetime.fromisoformat(timings["startedOn"])).total_seconds()
    timings |= {"finishedOn": timestamp(now), "stages": result.timings}
    timings["seconds"] = max(timings["seconds"], round(seconds, 3))
    file.write_text(json.dumps(timings, indent=1) + "\n", encoding="ascii")
    if result.sha256 is None:
        return
    name = Path(request.image_name)
    subjects = {request.image_name: result.sha256}
    subjects |= {numbered(name, number).name: disk.sha256 for number, disk in enumerate(result.more_disks, 2)}
    write_provenance(
        request.evidence,
        builder=request.builder or f"urn:ingot:builder:{socket.gethostname()}",
        invocation=request.invocation or uuid.uuid4().urn,
        subjects=subjects,
        parameters={"format": request.format, "compress": request.compress, "bootTest": request.boot_test},
    )
