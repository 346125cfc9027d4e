"""`single-stream`: the next inference is issued when the last one's outputs are on the host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.measure import clock
from bench.scenarios.collect import Load, Observations, collect, keep_busy
from bench.scenarios.scenario import Options, Scenario, Seen, only

if TYPE_CHECKING:
    from bench.results.trial import Metric


def observe(load: Load, options: Options) -> Observations:
    """Series `latency`: host-to-host nanoseconds of single inferences."""
    del options
    session, slots, now = load.session, load.slots, load.now

    def take(first: int, count: int) -> list[int]:
        return clock.latencies(session, slots, first, count, now)

    session.synchronize()
    seen = collect(take, load, load.measure.budget_s, load.items_per_run)
    return Observations({"latency": seen}, keep_busy("latency", take, load, seen))


def figures(parts: Sequence[Seen]) -> dict[str, Metric]:
    """Percentiles of the latency."""
    from bench.figures import metrics  # of the parent: a worker is spared what it needs

    seen = only(parts)
    return metrics.latency(seen.series["latency"], seen.flops_per_item)


SCENARIO = Scenario(observe=observe, figures=figures, headline="latency_p50_ns")
