"""What every scenario shares: warm up until steady, then sample until the answer is good enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from bench.backend import Session
from bench.figures import stats
from bench.measure.clock import Now
from bench.suite import MOST_BUDGETS, Measure

MAX_SAMPLES = 1_000_000
CHUNKS = 10
"""The stop rule is looked at about this often in a trial, never between two stamps."""
LEAST_WARMUP = 0.5
"""Share of the warm-up's time that is always spent: a slow start can be level for a while."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a scenario is given: a loaded session and how long to drive it."""

    session: Session
    slots: int
    """Number of input slots to rotate over; further slots of the session are not for timing."""
    items_per_run: int
    measure: Measure
    now: Now
    power: bool
    """Whether a power sensor is reading, so that a long steady window is worth its time."""
    report: Callable[[stats.Estimate, int], None]
    """Told the current estimate of a sample's nanoseconds and the items in one, for the progress
    display."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Samples of one kind in nanoseconds, the warm-up first and kept."""

    samples: list[int]
    warmup: int
    steady: bool
    stopped_by: str
    items_per_sample: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Steady:
    """A stretch of steady load between two stamps, for energy."""

    name: str
    start_ns: int
    end_ns: int
    items: int


@dataclass(frozen=True, slots=True)
class Observations:
    """Everything a scenario saw."""

    series: dict[str, Observed]
    windows: list[Steady] = field(default_factory=list)


Take = Callable[[int, int], list[int]]
"""(first sample's number, how many) -> nanoseconds of each."""


def warm_up(take: Take, limit_s: float, now: Now) -> tuple[list[int], bool]:
    """Samples until they are level and half the limit is spent; at least one.

    Ends when the limit is spent, or at MAX_SAMPLES, also without. Returns them and whether they
    were level.
    """
    samples: list[int] = []
    start = now()
    while True:
        samples += take(len(samples), _chunk(samples, limit_s))
        recent = np.asarray(samples[-max(stats.LEAST_STEADY, len(samples) // 2) :])
        spent = (now() - start) / (limit_s * 1e9) if limit_s else 1.0
        if spent >= LEAST_WARMUP and stats.is_steady(recent):
            return samples, True
        if spent >= 1 or len(samples) >= MAX_SAMPLES:
            return samples, False


def collect(
    take: Take,
    load: Load,
    budget_s: float,
    items_per_sample: int,
    least_samples: int | None = None,
) -> Observed:
    """Warm up, then sample until the median's interval is narrow enough or the budget is spent.

    With fewer than the least samples by then it goes on until it has them, or MOST_BUDGETS.
    """
    measure, now = load.measure, load.now
    samples, steady = warm_up(take, measure.warmup_s, now)
    warmup = len(samples)
    least = measure.least_samples if least_samples is None else least_samples
    next_look = least
    over = False
    start = now()
    while True:
        samples += take(len(samples), _chunk(samples[-100:], budget_s))
        elapsed_s = (now() - start) / 1e9
        n = len(samples) - warmup
        stopped_by = ""
        if n >= next_look:  # sorting costs, so look each time the sample has grown by a tenth
            next_look = n + max(1, n // 10)
            estimate = stats.median(np.asarray(samples[warmup:]))
            if estimate is not None:
                load.report(estimate, items_per_sample)
                narrow = estimate.relative_width <= measure.confidence_width
                if narrow and elapsed_s >= min(measure.least_s, budget_s):
                    stopped_by = "confidence"
        if elapsed_s >= budget_s and n >= least:
            stopped_by = stopped_by or ("extended" if over else "budget")
        elif elapsed_s >= budget_s * MOST_BUDGETS:
            stopped_by = "limit"
        elif n >= MAX_SAMPLES:
            stopped_by = stopped_by or "samples"
        if stopped_by:
            return Observed(samples, warmup, steady, stopped_by, items_per_sample, start, now())
        over = elapsed_s >= budget_s


def keep_busy(name: str, take: Take, load: Load, seen: Observed) -> list[Steady]:
    """Steady load for the energy of a series that was `seen`; none where no power is read."""
    if not load.power:
        return []
    now = load.now
    typical = float(np.median(seen.samples[seen.warmup :]))
    count = max(1, int(0.2e9 / max(typical, 1)))
    start = now()
    taken = 0
    while now() - start < load.measure.energy_s * 1e9:
        taken += len(take(taken, count))
    return [Steady(name, start, now(), taken * seen.items_per_sample)]


def _chunk(samples: list[int], budget_s: float) -> int:
    """How many samples fill a tenth of the budget, at the speed of the last ones."""
    if not samples:
        return 1
    typical = max(float(np.median(samples[-100:])), 1.0)
    return int(min(max(budget_s * 1e9 / CHUNKS / typical, 1), 20_000))
