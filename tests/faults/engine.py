"""An engine for fault tests: it takes the real engine's requests, works in the real engine's namespaces, and stops
at each stage until a test lets it go on.

A stage is reached when `<control>/<image name>.<stage>` exists, and is left when `<control>/go-<image name>` or
`<control>/go-<image name>.<stage>` does. What an image is called decides how its build goes: see `_build`.
"""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ingot.build import namespace
from ingot.build.errors import DiskFullError
from ingot.process import die_with_parent

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.publish.archives import write_oci_archive

STAGES = ("started", "packages", "install", "disk", "said")


def main() -> int:
    die_with_parent()
    command, argument = sys.argv[1:]
    assert command == "run"
    request = json.loads(Path(argument).read_text())
    return namespace.call(lambda: _build(request))


def _build(request: dict) -> int:
    name = request["template"]["name"]
    scratch, output = Path(request["scratch"]), Path(request["output"])
    _reach(name, "started")
    if name.startswith("logged"):
        _log(scratch, "install", "Setting up dash")
        _reach(name, "logged")
        _log(scratch, "install", "Setting up größe")
    if name.startswith("logged-fails"):
        _say({"error": "dash could not be set up.", "detail": ""})
        return 1
    if name.startswith("fails"):
        _say({"error": "Package nosuch does not exist.", "detail": "apt says:\n\x1b[1mE: \0nosuch\x1b[0m"})
        return 1
    if name.startswith("silent"):
        os.kill(os.getpid(), signal.SIGKILL)
        os._exit(9)
    _say({"stage": "packages", "percentage": 10, "message": "Downloading packages"})
    _reach(name, "packages")
    if request["simulate"]:
        _say_result(None, b"")
        return 0
    # Programs that do not want to stop, as a package's own scripts might be.
    marker = os.environ["INGOT_TEST_MARKER"]
    subprocess.Popen(["sh", "-c", f"trap '' TERM; sleep 1000; : {marker}"])
    subprocess.Popen(["sleep", "1001"], start_new_session=True, env={**os.environ, "MARKER": marker})
    (scratch / "tree").mkdir()
    for number in range(50):
        (scratch / "tree" / f"{number}").write_bytes(os.urandom(1000))
    _say({"stage": "install", "percentage": 50, "message": "Installing packages"})
    _reach(name, "install")
    content = (b"disk of " + name.encode()) * 1000
    if name.startswith("machine"):
        content = _empty_disk(scratch / "disk.qcow2")
    if name.startswith("container"):
        write_oci_archive(scratch / "image.tar", (b"a file",))
        content = (scratch / "image.tar").read_bytes()
    if name.startswith("large"):
        content += bytes(40 << 20)
    try:
        with output.open("wb") as file:
            file.write(content)
            if name.startswith("huge"):
                file.write(bytes(64 << 20))
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _say({"error": DiskFullError.at(scratch, "The image could not be written").message, "detail": ""})
        return 1
    _say({"stage": "disk", "percentage": 90, "message": "Creating disk"})
    _reach(name, "disk")
    if name.startswith("logged"):
        _leave_evidence(scratch / "evidence", hashlib.sha256(content).hexdigest(), request)
    _say_result(output, content)
    _reach(name, "said")
    return 0


def _empty_disk(file: Path) -> bytes:
    """A disk that a machine takes, though it finds nothing on it."""
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", str(file), "16M"]
    subprocess.run(argv, check=True)
    return file.read_bytes()


def _log(scratch: Path, stage: str, line: str) -> None:
    logs = scratch / "evidence/logs"
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / f"01-{stage}.log").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def _leave_evidence(record: Path, sha256: str, request: dict) -> None:
    times = {"startedOn": "2026-01-01T00:00:00Z", "finishedOn": "2026-01-01T00:00:09Z"}
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": request["image_name"], "digest": {"sha256": sha256}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "externalParameters": {"bootTest": request["boot_test"]},
                "resolvedDependencies": [{"uri": "pkg:deb/debian/bash", "digest": {"sha256": "0" * 64}}],
            },
            "runDetails": {"builder": {"id": request["builder"]}, "metadata": times},
        },
    }
    documents = {
        "manifest.json": {"engine": 0},
        "timings.json": {**times, "seconds": 9.0, "stages": {"install": 1.5}},
        "sbom.spdx.json": {"spdxVersion": "SPDX-2.3"},
        "sbom.cdx.json": {"bomFormat": "CycloneDX"},
        "provenance.json": statement,
    }
    for name, document in documents.items():
        (record / name).write_text(json.dumps(document))


def _say_result(output: Path | None, content: bytes) -> None:
    package = {"name": "bash", "version": "5.2", "release": "1", "arch": "amd64", "size": 7_000_000}
    result = {
        "output": str(output) if output else None,
        "sha256": hashlib.sha256(content).hexdigest() if output else None,
        "size": len(content),
        "installed_size": 7_000_000,
        "disk_size": 1 << 30 if output else 0,
        "packages": [package, {**package, "name": "dash", "epoch": 1, "level": 1}],
        "timings": {"install": 1.5},
    }
    _say({"result": result})


def _reach(name: str, stage: str) -> None:
    control = Path(os.environ["INGOT_TEST_CONTROL"])
    (control / f"{name}.{stage}").touch()
    while not any((control / f"go-{what}").exists() for what in (name, f"{name}.{stage}")):
        time.sleep(0.01)


def _say(document: dict) -> None:
    print(json.dumps(document), flush=True)


if __name__ == "__main__":
    sys.exit(main())
