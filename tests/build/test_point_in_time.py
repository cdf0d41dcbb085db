"""Builds with the packages of a point in time, from the real package lists."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from ingot.build.errors import BuildError
from ingot.build.request import BuildRequest, BuildResult
from ingot.build.template import Template
from tests.build.engine import run_engine

pytestmark = pytest.mark.build


@pytest.fixture
def simulate(
    template: Callable[[str], Template], cache: Path, tmp_path: Path
) -> Callable[[dt.datetime | None], BuildResult]:
    """Resolve the test's template at a moment."""

    def run(moment: dt.datetime | None) -> BuildResult:
        plain = template("12").model_copy(update={"config": ()})
        machine = plain.model_copy(update={"os": plain.os.model_copy(update={"update_to": moment})})
        work = tmp_path / f"{moment and moment.year}"
        work.mkdir()
        return run_engine(
            BuildRequest(template=machine, simulate=True, output=work / "image", scratch=work, cache=cache)
        )

    return run


def test_the_present_moment_is_the_present(simulate: Callable[[dt.datetime | None], BuildResult]) -> None:
    """And the manifest is the same: it names packages, not the way that they were found."""
    now, today = simulate(None), simulate(dt.datetime.now(dt.UTC))
    assert today.packages == now.packages
    assert today.identity == now.identity


def test_a_moment_that_nobody_has_seen_is_refused(simulate: Callable[[dt.datetime | None], BuildResult]) -> None:
    with pytest.raises(BuildError, match=r"2001-01-01 00:00 UTC lies before the first snapshot.*known here since 20"):
        simulate(dt.datetime(2001, 1, 1, tzinfo=dt.UTC))
