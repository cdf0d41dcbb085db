"""Metrics that live in the database: what workers did, on whichever machine."""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector

from ingot.services import stage_timings
from ingot.store.database import Database


class StageSeconds(Collector):
    """How long the stages of builds took."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> list[HistogramMetricFamily]:
        """What there is, without asking the database."""
        return [_family()]

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """The histogram of each stage."""
        family = _family()
        with self._database.transaction(read_only=True) as session:
            for row in stage_timings.all_stages(session):
                bounds = [*map(str, stage_timings.BOUNDS), "+Inf"]
                family.add_metric([row.stage], list(zip(bounds, accumulate(row.counts), strict=True)), row.seconds)
        yield family


def _family() -> HistogramMetricFamily:
    return HistogramMetricFamily("ingot_build_stage_seconds", "Time that stages of builds took", labels=["stage"])
