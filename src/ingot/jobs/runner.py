"""Carry out one claimed attempt."""

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from ingot.build.request import BuildRequest, BuildResult
from ingot.build.template import Template
from ingot.jobs.child import Child
from ingot.services import attempts, images, package_index
from ingot.services.attempts import LostAttemptError
from ingot.settings import Settings
from ingot.store.artifacts import LocalArtifacts
from ingot.store.database import ARTIFACT_LOCK, Database
from ingot.store.tables import Attempt, Image

_log = structlog.get_logger()
_POLL_SECONDS = 0.25
_REPORT_SECONDS = 0.5
_ENGINE = (sys.executable, "-m", "ingot.build")


class Runner:
    """One attempt from its claim to its end, in a thread of its own."""

    def __init__(
        self, attempt: Attempt, database: Database, artifacts: LocalArtifacts, settings: Settings, secret: bytes
    ) -> None:
        self.attempt = attempt
        self.stopping = threading.Event()
        self._database, self._artifacts, self._settings, self._secret = database, artifacts, settings, secret
        self._token = attempt.token or ""
        self.scratch = settings.directory / "scratch" / f"{attempt.id}-{self._token[:8]}"
        self._log_file = settings.directory / "logs" / f"attempt-{attempt.id}.log"

    def run(self) -> None:
        """Do the work and note how it ended. Whatever was done for an attempt that got lost is thrown away."""
        log = _log.bind(attempt=self.attempt.id, kind=self.attempt.kind, subject=self.attempt.subject_id)
        log.info("attempt started")
        try:
            self.scratch.mkdir(parents=True)
            self._work()
            log.info("attempt ended")
        except LostAttemptError:
            log.warning("attempt was taken over; its work is void")
        except Exception as error:
            log.exception("attempt failed unexpectedly", exc_info=error)
            self._fail("The worker failed unexpectedly; its log says more.", repr(error))
        finally:
            remove_scratch(self.scratch)

    def _work(self) -> None:
        argv = self._command()
        if argv is None:
            return
        child = Child(argv, self._log_file)
        outcome: dict[str, Any] = {}
        try:
            cancelled = self._follow(child, outcome)
        except BaseException:
            child.stop()
            raise
        if cancelled or self.stopping.is_set():
            child.stop()
            remove_scratch(self.scratch)
            self._end_early(cancelled)
            return
        status = child.wait()
        if "result" in outcome:
            self._succeed(outcome["result"])
        else:
            default = f"The engine ended with status {status} and no word. Its log is {self._log_file.name}."
            self._fail(outcome.get("error") or default, outcome.get("detail"))

    def _follow(self, child: Child, outcome: dict[str, Any]) -> bool:
        """Pass on what the child says; returns whether a cancel was asked for."""
        progress: dict[str, str | int] = {}
        reported = 0.0
        for document in child.documents(_POLL_SECONDS):
            if document is not None and "stage" in document:
                progress = {
                    "stage": str(document["stage"]),
                    "percentage": int(document["percentage"]),
                    "message": str(document["message"]),
                }
            elif document is not None:
                outcome.update(document)
            if self.stopping.is_set():
                return False
            if time.monotonic() - reported >= _REPORT_SECONDS:
                with self._database.transaction() as session:
                    if attempts.report(session, self.attempt.id, self._token, self._settings.lease_seconds, progress):
                        return True
                progress, reported = {}, time.monotonic()
        return False

    def _command(self) -> Sequence[str] | None:
        if self.attempt.kind == package_index.JOB:
            return [sys.executable, "-m", "ingot.jobs.refresh", str(self.attempt.subject_id)]
        with self._database.transaction(read_only=True) as session:
            image = session.get(Image, self.attempt.subject_id)
            request = None if image is None or image.attempt_id != self.attempt.id else self._request(image)
        if request is None:
            self._end_early(cancelled=True)
            return None
        file = self.scratch / "request.json"
        file.write_text(request.model_dump_json(), encoding="utf-8")
        return [*(self._settings.build_command or _ENGINE), "run", str(file)]

    def _request(self, image: Image) -> BuildRequest:
        template = Template.model_validate(image.template)
        scripts = self.scratch / "boot-scripts"
        scripts.mkdir()
        for script in template.config:
            (scripts / script.source).symlink_to(self._artifacts.path(script.source))
        work = self.scratch / "work"
        work.mkdir()
        return BuildRequest.model_validate(
            {
                "template": template,
                "format": image.target_format.format,
                "compress": True,
                "simulate": image.simulated,
                "output": self.scratch / "image",
                "scratch": work,
                "cache": self._settings.cache,
                "boot_scripts_dir": scripts,
            }
        )

    def _succeed(self, document: dict[str, Any]) -> None:
        with self._database.transaction() as session:
            if self.attempt.kind == images.JOB:
                result = BuildResult.model_validate(document)
                image = session.get(Image, self.attempt.subject_id)
                if image is None:
                    raise LostAttemptError
                self._database.exclude_others(session, ARTIFACT_LOCK)
                # The token is checked before anything becomes visible, and in the same transaction.
                attempts.report(session, self.attempt.id, self._token, self._settings.lease_seconds)
                if result.output is not None and result.sha256 is not None:
                    self._artifacts.adopt(result.output, result.sha256)
                images.complete(session, image, result, self._secret, self._settings.download_key_lifetime)
            attempts.finish(session, self.attempt.id, self._token, "done", message="Done")

    def _fail(self, error: str, detail: str | None) -> None:
        with self._database.transaction() as session:
            attempts.finish(
                session, self.attempt.id, self._token, "failed", message="Failed", error=error, detail=detail
            )

    def _end_early(self, cancelled: bool) -> None:
        with self._database.transaction() as session:
            if cancelled:
                attempts.finish(session, self.attempt.id, self._token, "cancelled", message="Cancelled")
            else:
                attempts.hand_back(session, self.attempt.id, self._token)


def remove_scratch(path: Path) -> None:
    """Remove a scratch directory, which may hold files of subordinate users."""
    if path.exists():
        subprocess.run([*_ENGINE, "remove", str(path)], check=False, stdin=subprocess.DEVNULL, capture_output=True)
