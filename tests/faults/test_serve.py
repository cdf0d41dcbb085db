"""`ingot serve` as people and machines treat it."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from tests.faults.engine import STAGES
from tests.faults.site import Site, eventually


def _start(site: Site, port: int = 0) -> "tuple[subprocess.Popen[bytes], str]":
    server, address = site.start_server(port)
    base = f"{address}/api"
    eventually(lambda: _answers(base), "the server answers")
    return server, base


def _answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/status").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("stage", ["started", "install"])
def test_a_killed_server_takes_its_builds_along_and_the_next_one_resumes(site: Site, stage: str) -> None:
    site.generate("web")
    server, _ = _start(site)
    for earlier in STAGES[: STAGES.index(stage)]:
        site.let_go("web", earlier)
    site.await_stage("web", stage)
    server.kill()
    server.wait()
    eventually(lambda: not site.survivors(), "worker and build end with the server")
    assert site.image("web").sha256 is None
    assert site.artifacts() == []

    site.let_go("web")
    _start(site)
    assert site.await_end("web").state == "done"
    site.require_finished("web")


@pytest.mark.parametrize("processes", [1, 2])
def test_a_server_that_ends_has_noted_every_request(site: Site, processes: int) -> None:
    server = site.start("ingot", "serve", "--port", "0", "--processes", str(processes))
    match = re.search(r"(http://127\.0\.0\.1:\d+)/api", site.await_words(server, "/docs"))
    assert match
    base = f"{match[1]}/api"
    eventually(lambda: _answers(base), "the server answers")
    with httpx.Client() as client:
        for number in range(20):
            assert client.get(f"{base}/status", headers={"User-Agent": f"the {number}th"}).status_code == 200
    server.terminate()
    assert server.wait() == 0
    said = site.await_words(server, "server ended")
    assert all(f'"the {number}th"' in said for number in range(20))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_asked_to_stop_ends_cleanly(site: Site, number: signal.Signals) -> None:
    site.generate("web")
    server, _ = _start(site)
    site.await_stage("web", "started")
    server.send_signal(number)
    assert server.wait() == 0
    assert "Traceback" not in site.await_words(server, "server ended")
    assert site.attempt("web").state == "queued"
    site.require_nothing_kept("web")


def test_a_dead_worker_is_replaced(site: Site) -> None:
    site.generate("web")
    server, base = _start(site)
    site.await_stage("web", "started")
    worker = next(process for process in site.survivors() if b"ingot.jobs.worker" in _command(process))
    os.kill(worker, signal.SIGKILL)
    site.let_go("web")
    assert site.await_end("web").number == 2
    site.require_finished("web")
    assert server.poll() is None
    assert _answers(base)


def test_a_worker_that_hangs_is_replaced(new_site: Callable[..., Site]) -> None:
    site = new_site(lease_seconds=2)
    site.generate("web")
    _start(site)
    site.await_stage("web", "started")
    worker = next(process for process in site.survivors() if b"ingot.jobs.worker" in _command(process))
    os.kill(worker, signal.SIGSTOP)
    site.await_stage("web", "started")
    site.let_go("web")
    assert site.await_end("web").number == 2
    site.require_finished("web")


def _command(process: int) -> bytes:
    return Path(f"/proc/{process}/cmdline").read_bytes()


def test_the_password_is_made_up_once_and_works(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("INGOT_")}
    data = tmp_path / "data"
    argv = ["-m", "ingot", "serve", "--port", "0", "--data-dir", str(data)]
    environment |= {"INGOT_PACKAGES_MAX_AGE": "86400", "INGOT_MIRRORS": '{"debian": "http://127.0.0.1:9"}'}
    outputs, errors = [], []
    for _ in range(2):
        with (tmp_path / "out").open("w+") as out, (tmp_path / "err").open("w+") as err:
            server = subprocess.Popen(
                [sys.executable, *argv], env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
            try:
                eventually(lambda: "/docs" in (tmp_path / "out").read_text(), "the server introduces itself")
                said = (tmp_path / "out").read_text()
                base = re.search(r"http://127\.0\.0\.1:(\d+)/api", said)
                assert base
                eventually(lambda url=base[0]: _answers(url), "the server answers")
                if not outputs:
                    password = re.search(r"Password\s+(\S+)", said)
                    assert password
                    answer = httpx.get(f"{base[0]}/users/root", auth=("root", password[1]))
                    assert answer.status_code == 200
            finally:
                server.terminate()
                assert server.wait() == 0
            outputs.append((tmp_path / "out").read_text())
            errors.append((tmp_path / "err").read_text())
    assert "Password" not in outputs[1]
    assert password[1] not in "".join(errors)
    assert data.stat().st_mode & 0o777 == 0o700
    assert password[1].encode() not in (data / "ingot.db").read_bytes()


def _fails(*argv: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ingot", "serve", *argv],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = _fails("--port", str(port), "--data-dir", str(tmp_path / "data"))
    assert f"127.0.0.1:{port}" in said
    assert "--port" in said


def test_a_data_directory_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = _fails("--port", "0", "--data-dir", str(tmp_path / "file" / "data"))
    assert str(tmp_path / "file" / "data") in said
    assert "--data-dir" in said


def test_a_database_of_another_version_is_named_and_left_alone(site: Site) -> None:
    with site.database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999_from_the_future'"))
    said = _fails("--port", "0", "--data-dir", str(site.data))
    assert "another version of Ingot" in said
    with site.database.transaction(read_only=True) as session:
        assert session.scalar(text("SELECT version_num FROM alembic_version")) == "9999_from_the_future"


def test_a_database_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "ingot.db").write_text("this is no database, and it is long enough to be looked at as one" * 20)
    said = _fails("--port", "0", "--data-dir", str(tmp_path))
    assert "ingot.db" in said
    assert "cannot be used" in said


def test_a_database_server_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    url = "postgresql+psycopg://ingot:hush@127.0.0.1:9/ingot"
    said = _fails("--port", "0", "--data-dir", str(tmp_path), INGOT_DATABASE_URL=url)
    assert "127.0.0.1:9" in said
    assert "INGOT_DATABASE_URL" in said
    assert "hush" not in said
