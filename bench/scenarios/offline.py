"""`offline`: all work is there from the start; what counts is items over time.

Two figures that are never derived from each other: `round` has its inputs on the device and its
runs queued back to back; `end_to_end_round` stages and fetches every run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.measure import clock
from bench.scenarios.collect import Load, Observations, Take, collect, keep_busy
from bench.scenarios.scenario import Options, Scenario, Seen, only

if TYPE_CHECKING:
    from bench.results.trial import Metric

ROUND_S = 0.05
"""Least length of a round: long enough that its two synchronizations do not show."""
END_TO_END_SHARE = 0.3
"""Share of the budget for the end-to-end figure."""
LEAST_ROUNDS = 6
"""A round is already a mean of many runs."""


def observe(load: Load, options: Options) -> Observations:
    """Series `round` and `end_to_end_round`: nanoseconds of rounds of several runs each."""
    del options
    session, slots, measure = load.session, load.slots, load.measure
    runs = runs_per_round(load)
    items = runs * load.items_per_run

    def resident(first: int, count: int) -> list[int]:
        del first
        return [clock.queued(session, slots, runs, load.now) for _ in range(count)]

    def with_transfers(first: int, count: int) -> list[int]:
        del first
        return [clock.end_to_end(session, slots, runs, load.now) for _ in range(count)]

    share = measure.budget_s * END_TO_END_SHARE
    stage_all(load)
    seen = collect(resident, load, measure.budget_s - share, items, LEAST_ROUNDS)
    windows = keep_busy("round", resident, load, seen)
    transfers: Take = with_transfers
    outside = collect(transfers, load, share, items, LEAST_ROUNDS)
    return Observations({"round": seen, "end_to_end_round": outside}, windows)


def stage_all(load: Load) -> None:
    """Put every timing slot's input on the device."""
    for slot in range(load.slots):
        load.session.stage(slot)
    load.session.synchronize()


def runs_per_round(load: Load) -> int:
    """How many runs fill a round, from one timed run after a first that warms."""
    stage_all(load)
    clock.queued(load.session, load.slots, 1, load.now)
    once = max(clock.queued(load.session, load.slots, 1, load.now), 1)
    return min(math.ceil(ROUND_S * 1e9 / once), 10_000)


def figures(parts: Sequence[Seen]) -> dict[str, Metric]:
    """Items over time, on inputs that lie on the device and from host to host."""
    from bench.figures import metrics  # of the parent: a worker is spared what it needs

    seen = only(parts)
    return {
        **metrics.throughput("throughput", seen.series["round"]),
        **metrics.throughput("throughput_end_to_end", seen.series["end_to_end_round"]),
        **metrics.achieved(seen.series["round"], seen.flops_per_item),
    }


SCENARIO = Scenario(
    observe=observe, figures=figures, headline="throughput_items_per_s", tunes="batch"
)
