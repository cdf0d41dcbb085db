"""How long the stages of builds take, over all builds: a histogram for the operator."""

from bisect import bisect_left
from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.store.tables import StageTiming

#: Upper bounds in seconds; the last bucket has no bound.
BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0)


def observe(session: Session, timings: Mapping[str, float]) -> None:
    """Count the stages of one build."""
    for stage in sorted(timings):
        row = session.get(StageTiming, stage, with_for_update=True)
        if row is None:
            row = StageTiming(stage=stage, seconds=0.0, counts=[0] * (len(BOUNDS) + 1))
            session.add(row)
        counts = list(row.counts)
        counts[bisect_left(BOUNDS, timings[stage])] += 1
        row.counts, row.seconds = counts, row.seconds + timings[stage]
    session.flush()


def all_stages(session: Session) -> list[StageTiming]:
    """Every stage that there was."""
    return list(session.scalars(select(StageTiming).order_by(StageTiming.stage)))
