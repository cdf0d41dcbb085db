"""What happens at the end of an attempt when the database does not play along."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from ingot.jobs.job import JobError
from ingot.jobs.runner import Outcome, Runner
from ingot.services import appliances, artifacts, attempts, images, os_profiles
from ingot.settings import Settings
from ingot.store.artifacts import LocalArtifacts
from ingot.store.database import Database
from ingot.store.tables import Attempt, Distribution, Image, User

CONTENT = b"a disk"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Flaky(Database):
    """A database that goes away at some commits, after the transaction's work was done."""

    failures = 0

    @contextmanager
    def transaction(self, *, read_only: bool = False) -> Iterator[Session]:
        with super().transaction(read_only=read_only) as session:
            yield session
            if self.failures and not read_only:
                type(self).failures -= 1
                raise OperationalError("COMMIT", {}, Exception("the server closed the connection"))


@pytest.fixture
def runner(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Runner:
    monkeypatch.setattr("ingot.jobs.runner._RETRY_SECONDS", 0.01)
    with database.transaction() as session:
        owner = session.scalars(select(User)).one()
        distribution = session.scalars(select(Distribution)).first()
        assert distribution is not None
        appliance = appliances.create(
            session, owner, name="web", version="1", description="", distribution_id=distribution.id
        )
        os_profiles.create(session, appliance, distribution.profiles[0].id)
        images.generate(session, appliance, format_name="raw", compress=True, simulated=False, overrides=None)
    with database.transaction() as session:
        attempt = attempts.claim(session, "worker", 20, ("generate",))
    assert attempt is not None
    settings = Settings(data_dir=tmp_path)
    runner = Runner(attempt, Flaky(database.url), LocalArtifacts(tmp_path / "artifacts"), settings, b"secret")
    runner.scratch.mkdir(parents=True)
    (runner.scratch / "image").write_bytes(CONTENT)
    return runner


def _result() -> dict[str, Any]:
    return {
        "output": "/somewhere",
        "sha256": SHA256,
        "size": len(CONTENT),
        "installed_size": 1,
        "disk_size": 1,
        "packages": [{"name": "bash", "version": "1", "arch": "amd64", "size": 1}],
        "timings": {},
    }


def _image(database: Database) -> Image:
    with database.transaction(read_only=True) as session:
        return session.scalars(select(Image)).one()


def test_a_commit_that_fails_is_tried_again(runner: Runner, database: Database, tmp_path: Path) -> None:
    Flaky.failures = 2
    runner._settle(Outcome("done", result=_result()))
    image = _image(database)
    assert image.attempt is not None
    assert (image.attempt.state, image.sha256) == ("done", SHA256)
    assert LocalArtifacts(tmp_path / "artifacts").path(SHA256).read_bytes() == CONTENT


def test_nothing_is_visible_when_the_commit_never_came(runner: Runner, database: Database) -> None:
    Flaky.failures = 1
    runner.stopping.set()
    with pytest.raises(OperationalError):
        runner._settle(Outcome("done", result=_result()))
    image = _image(database)
    assert image.attempt is not None
    assert (image.attempt.state, image.sha256) == ("running", None)


def test_a_content_without_anything_that_refers_to_it_is_swept_later(
    runner: Runner, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Flaky.failures = 1
    runner.stopping.set()
    with pytest.raises(OperationalError):
        runner._settle(Outcome("done", result=_result()))
    store = LocalArtifacts(tmp_path / "artifacts")
    artifacts.sweep_unreferenced(database, store, SHA256[:2])
    assert store.path(SHA256).exists(), "what is so young may be on its way into the database"
    monkeypatch.setattr("ingot.services.artifacts._UNREFERENCED_SECONDS", -1)
    artifacts.sweep_unreferenced(database, store, "00" if SHA256[:2] != "00" else "01")
    assert store.path(SHA256).exists()
    artifacts.sweep_unreferenced(database, store, SHA256[:2])
    assert not store.path(SHA256).exists()


def test_what_is_used_is_not_swept(
    runner: Runner, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner._settle(Outcome("done", result=_result()))
    monkeypatch.setattr("ingot.services.artifacts._UNREFERENCED_SECONDS", -1)
    store = LocalArtifacts(tmp_path / "artifacts")
    artifacts.sweep_unreferenced(database, store, SHA256[:2])
    assert store.path(SHA256).exists()


def test_a_cancel_in_the_last_moment_is_honoured(runner: Runner, database: Database, tmp_path: Path) -> None:
    with database.transaction() as session:
        images.cancel(session, session.scalars(select(Image)).one())
    runner._settle(Outcome("done", result=_result()))
    image = _image(database)
    assert image.attempt is not None
    assert (image.attempt.state, image.sha256) == ("cancelled", None)
    assert not LocalArtifacts(tmp_path / "artifacts").path(SHA256).exists()


@pytest.mark.parametrize("content", [None, b"", b"a disk that is too long"])
def test_a_result_that_is_not_there_is_a_failure(runner: Runner, content: bytes | None) -> None:
    file = runner.scratch / "image"
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with pytest.raises(JobError, match="not there"):
        runner._job.check(runner._place, _result())


def test_a_lost_attempt_shows_nothing(runner: Runner, database: Database, tmp_path: Path) -> None:
    with database.transaction() as session:
        session.scalars(select(Attempt)).one().token = "somebody else's"
    with pytest.raises(attempts.LostAttemptError):
        runner._settle(Outcome("done", result=_result()))
    assert _image(database).sha256 is None
    assert not LocalArtifacts(tmp_path / "artifacts").path(SHA256).exists()
