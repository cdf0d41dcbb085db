"""Workers that die, hang or stop while they build."""

import signal
import subprocess
import time
from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from ingot.store.tables import Attempt
from tests.faults.engine import STAGES
from tests.faults.postgres import Postgres
from tests.faults.site import Site, eventually


def _freeze(site: Site, worker: "subprocess.Popen[bytes]") -> None:
    """Stop a worker, but not in the middle of a transaction: what that has locked would stay locked."""
    while True:
        worker.send_signal(signal.SIGSTOP)
        try:
            with site.database.transaction() as session:
                session.execute(select(Attempt.id).with_for_update(nowait=True))
        except OperationalError:
            worker.send_signal(signal.SIGCONT)
            time.sleep(0.05)
        else:
            return


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_worker_loses_nothing(site: Site, stage: str) -> None:
    site.generate("web")
    worker = site.start_worker()
    for earlier in STAGES[: STAGES.index(stage)]:
        site.let_go("web", earlier)
    site.await_stage("web", stage)
    worker.kill()
    worker.wait()
    eventually(lambda: not site.survivors(), "the build ends with its worker")
    assert site.image("web").sha256 is None
    assert site.artifacts() == []

    site.let_go("web")
    site.start_worker()
    assert site.await_end("web").number == 2
    site.require_finished("web")
    assert len(site.artifacts()) == 1


def test_a_killed_worker_loses_nothing_on_any_database(any_site: Site) -> None:
    any_site.generate("web")
    worker = any_site.start_worker()
    any_site.let_go("web", "started")
    any_site.await_stage("web", "packages")
    worker.kill()
    worker.wait()
    any_site.let_go("web")
    any_site.start_worker()
    assert any_site.await_end("web").number == 2
    any_site.require_finished("web")


def test_a_build_that_kills_every_worker_fails_with_the_reason(site: Site) -> None:
    site.generate("web")
    site.let_go("web", "started")
    for _ in range(3):
        worker = site.start_worker()
        site.await_stage("web", "packages")
        eventually(lambda: site.attempt("web").percentage == 10, "the progress is known")
        worker.kill()
        worker.wait()
    site.start_worker()
    attempt = site.await_end("web")
    assert attempt.state == "failed"
    assert attempt.error is not None
    assert "lost 3 times" in attempt.error
    assert "Downloading packages" in attempt.error
    eventually(lambda: not site.scratch(), "its files are gone")
    site.require_nothing_kept("web")


def test_a_worker_that_is_asked_to_stop_hands_its_work_back(site: Site) -> None:
    site.generate("web")
    worker = site.start_worker()
    site.let_go("web", "started")
    site.let_go("web", "packages")
    site.await_stage("web", "install")
    worker.terminate()
    assert worker.wait() == 0
    assert site.attempt("web").state == "queued"
    site.require_nothing_kept("web")

    site.let_go("web")
    site.start_worker()
    assert site.await_end("web").number == 1
    site.require_finished("web")


def test_a_worker_that_waits_for_another_one_can_be_stopped(site: Site) -> None:
    first = site.start_worker()
    site.generate("web")
    site.await_stage("web", "started")
    second = site.start_worker()
    site.await_words(second, "waiting for its end")
    second.terminate()
    assert second.wait() == 0
    assert first.poll() is None
    site.let_go("web")
    assert site.await_end("web").number == 1


def test_a_worker_that_slept_too_long_changes_nothing(new_site: Callable[..., Site], postgres: Postgres) -> None:
    """Fencing: two machines; the first one sleeps through its lease with a finished build in its hands."""
    site = new_site(postgres.new_database("fencing"), lease_seconds=2)
    elsewhere = site.root / "elsewhere"
    elsewhere.mkdir()
    site.generate("web")
    stale = site.start_worker(elsewhere)
    for stage in STAGES[:-1]:
        site.let_go("web", stage)
    site.await_stage("web", "said")
    _freeze(site, stale)

    site.start_worker()
    site.await_stage("web", "said")
    assert site.attempt("web").number == 2
    site.let_go("web")
    site.await_end("web")
    site.require_finished("web")

    stale.send_signal(signal.SIGCONT)
    eventually(lambda: not site.scratch(elsewhere), "the stale worker throws its files away")
    site.require_finished("web")
    assert site.artifacts(elsewhere) == []
    assert stale.poll() is None


def test_a_database_that_is_away_costs_no_build(new_site: Callable[..., Site], postgres: Postgres) -> None:
    site = new_site(postgres.new_database("restart"))
    site.generate("web")
    worker = site.start_worker()
    site.let_go("web", "started")
    site.let_go("web", "packages")
    site.await_stage("web", "install")
    postgres.stop()
    try:
        site.let_go("web")
        eventually((site.control / "web.said").exists, "the build goes on")
    finally:
        postgres.start()
    assert site.await_end("web").number == 1
    site.require_finished("web")
    assert worker.poll() is None


def test_a_cancel_outlives_the_worker_that_should_have_done_it(site: Site) -> None:
    site.generate("web")
    worker = site.start_worker()
    site.await_stage("web", "started")
    _freeze(site, worker)
    site.cancel("web")
    worker.kill()
    worker.wait()
    site.start_worker()
    assert site.await_end("web").state == "cancelled"
    eventually(lambda: not site.scratch(), "its files are gone")
    site.require_nothing_kept("web")
