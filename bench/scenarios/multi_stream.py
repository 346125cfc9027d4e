"""`multi-stream`: queries of several inferences each; the next is issued when all outputs of the
last one are on the host, as of a car with eight cameras.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.bounds import Count
from bench.measure import clock
from bench.scenarios import scenario
from bench.scenarios.collect import Load, Observations, collect, keep_busy
from bench.scenarios.scenario import Scenario, Seen, only

if TYPE_CHECKING:
    from bench.results.trial import Metric


@dataclass(frozen=True, slots=True)
class Options(scenario.Options):
    """How large a query is."""

    streams: Count = 8
    """Inferences in one query."""

    def __post_init__(self) -> None:
        scenario.Options.__post_init__(self)
        if not 1 <= self.streams <= 1000:
            raise ValueError("streams must be 1 to 1000")


def observe(load: Load, options: Options) -> Observations:
    """Series `query`: host-to-host nanoseconds of queries."""
    items = options.streams * load.items_per_run

    def take(first: int, count: int) -> list[int]:
        del first
        return [
            clock.end_to_end(load.session, load.slots, options.streams, load.now)
            for _ in range(count)
        ]

    seen = collect(take, load, load.measure.budget_s, items)
    return Observations({"query": seen}, keep_busy("query", take, load, seen))


def figures(parts: Sequence[Seen]) -> dict[str, Metric]:
    """Percentiles of a query's latency."""
    from bench.figures import metrics  # of the parent: a worker is spared what it needs

    seen = only(parts)
    return metrics.latency(seen.series["query"], seen.flops_per_item)


SCENARIO = Scenario(observe=observe, figures=figures, headline="latency_p50_ns", options=Options)
