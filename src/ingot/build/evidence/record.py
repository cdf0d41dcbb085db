"""The directory of one build's evidence, filled while it runs."""

import datetime as dt
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
TIMINGS = "timings.json"
SPDX = "sbom.spdx.json"
CYCLONEDX = "sbom.cdx.json"
PROVENANCE = "provenance.json"
NAMES = (MANIFEST, TIMINGS, SPDX, CYCLONEDX, PROVENANCE)
#: The directory of the logs; they are numbered in the order that their stages began in.
LOGS = "logs"


class Record:
    """The evidence of a build that runs. Everything is a file below `directory`, from its first line on: a build that
    fails, or is killed, leaves what there was until then.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._logs = directory / LOGS
        self._logs.mkdir(parents=True, exist_ok=True)
        self._began, self._clock = dt.datetime.now(dt.UTC), time.monotonic()

    def log(self, stage: str) -> Path:
        """The log of a stage, which its programs and `note` append to."""
        for file in self._logs.iterdir():
            if stage_of(file.name) == stage:
                return file
        return new_log(self.directory, stage)

    def note(self, stage: str, text: str) -> None:
        """Add a line of our own to a stage's log."""
        with self.log(stage).open("a", encoding="utf-8") as file:
            file.write(f"# {text}\n")

    def write_manifest(self, document: Mapping[str, Any]) -> None:
        """Keep the manifest in its canonical form: the SHA-256 of this file is the build's identity."""
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        (self.directory / MANIFEST).write_text(text, encoding="ascii")

    def write_timings(self, stages: Mapping[str, float]) -> None:
        """Keep when the build began, how long all took until now, and the seconds of each stage."""
        document = {
            "startedOn": timestamp(self._began),
            "finishedOn": timestamp(dt.datetime.now(dt.UTC)),
            "seconds": round(time.monotonic() - self._clock, 3),
            "stages": dict(stages),
        }
        (self.directory / TIMINGS).write_text(json.dumps(document, indent=1) + "\n", encoding="ascii")

    @contextmanager
    def copied(self, stage: str, copy: Path) -> Iterator[None]:
        """Copy what is logged in the context, once it ends well, for those who find its work in the cache."""
        log = self.log(stage)
        begin = log.stat().st_size if log.exists() else 0
        yield
        if log.exists():
            copy.write_bytes(log.read_bytes()[begin:])

    def replay(self, stage: str, title: str, copy: Path) -> None:
        """Add what `copied` kept to a stage's log."""
        self.note(stage, f"{title} was in the cache; this is the log of when it was made")
        if copy.exists():
            with self.log(stage).open("ab") as file:
                file.write(copy.read_bytes())

    def take_over(self, kept: Path) -> None:
        """Add what was kept of the build that made something which this one found in the cache."""
        for file in sorted(kept.glob("*.json")):
            shutil.copyfile(file, self.directory / file.name)
        for file in sorted((kept / LOGS).glob("*.log")):
            stage = stage_of(file.name)
            if not self.log(stage).exists():
                self.replay(stage, "The disk", file)

    def keep(self, directory: Path, stages: Sequence[str]) -> None:
        """Copy the logs of some stages beside what they made."""
        target = directory / LOGS
        target.mkdir()
        for stage in stages:
            file = self.log(stage)
            if file.exists():
                shutil.copyfile(file, target / file.name)


def move(directory: Path, target: Path) -> bool:
    """Move a record's files to where they stay, in place of those of an earlier build; whether there were any.

    A build that ended before it had a manifest leaves nothing worth keeping.
    """
    if not (directory / MANIFEST).exists():
        return False
    (target / LOGS).mkdir(parents=True, exist_ok=True)
    for old in [*(target / name for name in NAMES), *(target / LOGS).glob("*.log")]:
        old.unlink(missing_ok=True)
    for file in [*directory.glob("*.json"), *(directory / LOGS).glob("*.log")]:
        shutil.move(file, target / file.relative_to(directory))
    return True


def new_log(directory: Path, stage: str) -> Path:
    """The place for the log of a stage that begins now."""
    return directory / LOGS / f"{len(list((directory / LOGS).iterdir())) + 1:02}-{stage}.log"


def stage_of(name: str) -> str:
    """The stage that a log of this file name is of."""
    return name.rpartition("/")[2].removesuffix(".log").partition("-")[2]


def timestamp(moment: dt.datetime) -> str:
    """A time as the documents write it: UTC, whole seconds."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
