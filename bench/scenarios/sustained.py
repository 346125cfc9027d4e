"""`sustained`: steady load for a set time; shows cards that throttle when they get hot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.bounds import Amount, Count
from bench.measure import clock
from bench.scenarios import offline, scenario
from bench.scenarios.collect import Load, Observations, Observed, Steady, warm_up
from bench.scenarios.scenario import Length, Scenario, Seen, only
from bench.suite import Measure

if TYPE_CHECKING:
    from bench.results.trial import Metric

MAX_ROUNDS = 100_000
WARMUP_SHARE = 0.1
"""Most of the load's length that its warm-up may take."""


@dataclass(frozen=True, slots=True)
class Options(scenario.Options):
    """It takes as long as it is told to, so one trial is the default."""

    trials: Count = 1
    length_s: Amount = 600.0
    """Length of the load."""

    def __post_init__(self) -> None:
        scenario.Options.__post_init__(self)
        if not 0 < self.length_s <= 86_400:
            raise ValueError("length_s must be above 0 and at most a day")


def observe(load: Load, options: Options) -> Observations:
    """Series `round`: nanoseconds of rounds in the order run, none left out.

    Warm-up is short on purpose: the first minute is what the last one is compared with.
    """
    session, slots, now = load.session, load.slots, load.now
    duration_ns = options.length_s * 1e9
    runs = offline.runs_per_round(load)
    longest = duration_ns / MAX_ROUNDS  # a long run gets longer rounds, so that all can be kept
    once = max(clock.queued(session, slots, runs, now), 1)
    runs = max(runs, int(runs * longest / once))

    def take(first: int, count: int) -> list[int]:
        del first
        return [clock.queued(session, slots, runs, now) for _ in range(count)]

    samples, steady = warm_up(take, _warmup_s(load.measure, options), now)
    warmup = len(samples)
    start = now()
    while now() - start < duration_ns:
        samples += take(len(samples), 1)
    end = now()
    items = runs * load.items_per_run
    seen = Observed(samples, warmup, steady, "time", items, start, end)
    window = Steady("round", start, end, (len(samples) - warmup) * items)
    return Observations({"round": seen}, [window])


def figures(parts: Sequence[Seen]) -> dict[str, Metric]:
    """Items over time, at first and at last. What is left at the end is what a case is known by: a
    median over all of it would rank a device that throttles by its first minutes."""
    from bench.figures import metrics  # of the parent: a worker is spared what it needs

    seen = only(parts)
    rounds = seen.series["round"]
    return {
        **metrics.throughput("throughput", rounds),
        **metrics.over_time(rounds),
        **metrics.achieved(rounds, seen.flops_per_item),
    }


def length(measure: Measure, options: Options, power: bool) -> Length:
    """The time that was asked for; energy is read over that very load."""
    del power
    return Length(options.length_s + _warmup_s(measure, options), options.length_s)


def _warmup_s(measure: Measure, options: Options) -> float:
    return min(measure.warmup_s, options.length_s * WARMUP_SHARE)


SCENARIO = Scenario(
    observe=observe,
    figures=figures,
    headline="throughput_last_items_per_s",
    tunes="batch",
    options=Options,
    length=length,
)
