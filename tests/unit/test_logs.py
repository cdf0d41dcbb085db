"""Log lines are JSON, whatever they are about."""

import asyncio
import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from ingot.logs import RequestLines, timestamp

_PROGRAM = """
import logging
from ingot.logs import Log, set_up_logs

set_up_logs()
log = Log(attempt=7)
log.info("half done: 50%", path="größe", what={1})
log.bind(kind="image").warning("slow")
try:
    password = "a secret"
    raise ValueError("unforeseen")
except ValueError as error:
    log.exception("failed", exc_info=error)
logging.getLogger("library").info("nobody wants to know")
logging.getLogger("library").warning("%s is odd", "this")
"""


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_lines_of_ours_and_of_libraries_are_json() -> None:
    run = subprocess.run([sys.executable, "-c", _PROGRAM], check=True, capture_output=True, text=True)
    assert run.stdout == ""
    first, second, third, fourth = _lines(run.stderr)
    assert first.pop("timestamp")[10] == "T"
    assert first == {"attempt": 7, "path": "größe", "what": "{1}", "event": "half done: 50%", "level": "info"}
    assert (second["kind"], second["attempt"], second["level"]) == ("image", 7, "warning")
    assert "ValueError: unforeseen" in third["exception"]
    assert "a secret" not in third["exception"].replace('password = "a secret"', "")
    assert (fourth["logger"], fourth["event"], fourth["level"]) == ("library", "this is odd", "warning")


def test_a_moment_is_shown_in_utc() -> None:
    assert timestamp(1_000_000_000.25) == "2001-09-09T01:46:40.250000Z"


@pytest.fixture(autouse=True)
def _level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ingot")


def test_lines_of_requests_are_json_whatever_clients_say(capsys: pytest.CaptureFixture[str]) -> None:
    async def note() -> None:
        lines = RequestLines()
        for number in range(100):
            lines.add("GET", '/a"b\n\\', 200 + number, 0.04, "::1", "agent\x00 \x7fé")

    asyncio.run(note())
    lines = _lines(capsys.readouterr().err)
    assert [line["status"] for line in lines] == list(range(200, 300))
    for line in lines:
        assert (line["target"], line["agent"], line["milliseconds"]) == ('/a"b\n\\', "agent\x00 \x7fé", 0)
        assert (line["event"], line["level"], line["timestamp"][-1]) == ("request", "info", "Z")


def test_lines_of_one_turn_are_written_together_and_in_pieces_that_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    class Stream:
        def write(self, text: str) -> None:
            written.append(text)

        def flush(self) -> None:
            pass

    async def note() -> None:
        lines = RequestLines()
        for number in (2, 100):
            for _ in range(number):
                lines.add("GET", "/some/where", 200, 1.0, "::1", "agent")
            assert len("".join(written).splitlines()) < number
            await asyncio.sleep(0)

    monkeypatch.setattr(sys, "stderr", Stream())
    asyncio.run(note())
    assert written[0].count("\n") == 2
    assert sum(text.count("\n") for text in written) == 102
    assert len(written) < 12
    assert all(len(text) <= 4096 and text.endswith("\n") for text in written)
