"""Cancels, failures, several builds at once, and full disks."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from ingot.services import attempts, images
from ingot.store.tables import Image
from tests.faults.engine import STAGES
from tests.faults.site import Site, eventually


@pytest.mark.parametrize("stage", STAGES)
def test_a_cancel_leaves_nothing_behind(site: Site, stage: str) -> None:
    site.generate("web")
    site.start_worker()
    for earlier in STAGES[: STAGES.index(stage)]:
        site.let_go("web", earlier)
    site.await_stage("web", stage)
    site.cancel("web")
    attempt = site.await_end("web")
    assert (attempt.state, attempt.error) == ("cancelled", None)
    # At the very moment that the cancel is shown, all is gone.
    site.require_nothing_kept("web")


def test_a_cancel_while_waiting_needs_no_worker(site: Site) -> None:
    site.generate("web")
    site.cancel("web")
    assert site.attempt("web").state == "cancelled"
    site.start_worker()
    site.generate("next")
    site.let_go("next")
    site.await_end("next")
    assert not (site.control / "web.started").exists()


def test_an_image_that_is_deleted_while_it_is_built(site: Site) -> None:
    site.generate("web")
    site.start_worker()
    site.let_go("web", "started")
    site.await_stage("web", "packages")
    with site.database.transaction() as session:
        row = session.scalars(select(Image).where(Image.name == "web")).one()
        attempt_id = row.attempt_id
        images.delete(session, [row])
    eventually(lambda: not site.survivors() and not site.scratch(), "its build ends")
    with site.database.transaction(read_only=True) as session:
        assert session.scalars(select(Image)).all() == []
        attempt = session.get(attempts.Attempt, attempt_id)
        assert attempt is not None
        eventually(lambda: _state(site, attempt.id) == "cancelled", "its attempt is cancelled")
    assert site.artifacts() == []


def test_force_starts_anew_and_the_former_build_changes_nothing(site: Site) -> None:
    site.generate("web")
    site.start_worker()
    for stage in STAGES[:-1]:
        site.let_go("web", stage)
    site.await_stage("web", "said")
    with site.database.transaction() as session:
        row = session.scalars(select(Image).where(Image.name == "web")).one()
        former = row.attempt_id
        assert former is not None
        images.regenerate(session, row, force=True)
    site.await_stage("web", "said")
    eventually(lambda: _state(site, former) == "cancelled", "the former build is cancelled")
    site.let_go("web")
    site.await_end("web")
    site.require_finished("web")


def _state(site: Site, attempt_id: int) -> str:
    with site.database.transaction(read_only=True) as session:
        attempt = session.get(attempts.Attempt, attempt_id)
        assert attempt is not None
        return attempt.state


def test_builds_run_at_once_and_the_next_one_says_why_it_waits(site: Site) -> None:
    names = ("one", "two", "three", "four")
    for name in names:
        site.generate(name)
    site.start_worker()
    for name in names[:2]:
        site.await_stage(name, "started")
    with site.database.transaction(read_only=True) as session:
        waiting = [attempts.waiting_message(session, site.attempt(name), 2) for name in names[2:]]
    assert waiting == [
        "Waiting: 2 of 2 builds are running, 0 before this one",
        "Waiting: 2 of 2 builds are running, 1 before this one",
    ]
    for name in reversed(names):
        site.let_go(name)
    for name in names:
        site.await_end(name)
        site.require_finished(name)
    assert len(site.artifacts()) == 4


def test_many_workers_on_one_database_build_each_image_once(any_site: Site) -> None:
    names = [f"image-{number}" for number in range(12)]
    for name in names:
        any_site.generate(name)
        any_site.let_go(name)
    for number in range(3):
        data = any_site.root / f"machine-{number}"
        data.mkdir()
        any_site.start_worker(data)
    for name in names:
        attempt = any_site.await_end(name)
        assert (attempt.state, attempt.number) == ("done", 1)
        assert any_site.package_count(name) == 2
    logs = list(any_site.root.glob("machine-*/logs/attempt-*.log"))
    assert len(logs) == len(names)


def test_the_words_of_a_failed_build_reach_the_database(any_site: Site) -> None:
    any_site.generate("fails")
    any_site.let_go("fails")
    any_site.start_worker()
    attempt = any_site.await_end("fails")
    assert attempt.state == "failed"
    assert attempt.error == "Package nosuch does not exist."
    assert attempt.detail == "apt says:\nE: nosuch"
    any_site.require_nothing_kept("fails")


def test_an_engine_that_is_killed_is_no_secret(site: Site) -> None:
    site.generate("silent")
    site.let_go("silent")
    site.start_worker()
    attempt = site.await_end("silent")
    assert attempt.state == "failed"
    assert attempt.error is not None
    assert "without a word" in attempt.error
    assert "memory" in attempt.error
    assert f"attempt-{attempt.id}.log" in attempt.error


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "data"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_is_named(small_disk: Path, new_site: Callable[..., Site]) -> None:
    site = new_site()
    assert site.data == small_disk
    site.generate("huge")
    site.let_go("huge")
    site.start_worker()
    attempt = site.await_end("huge")
    assert attempt.state == "failed"
    assert attempt.error is not None
    assert "disk is full" in attempt.error
    assert "bytes are free" in attempt.error
    assert site.scratch() == []
    assert site.artifacts() == []

    site.generate("small")
    site.let_go("small")
    assert site.await_end("small").state == "done"
    site.require_finished("small")


def test_no_room_for_the_work_to_begin_is_named_too(small_disk: Path, new_site: Callable[..., Site]) -> None:
    site = new_site()
    site.generate("web")
    site.let_go("web")
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.flush()
    worker = site.start_worker()
    # The database has no room for a single word either: nothing is claimed, nothing is lost.
    site.await_words(worker, "the database is away")
    filler.unlink()
    site.await_end("web")
    site.require_finished("web")
    assert worker.poll() is None
