"""`single-stream`: the next inference is issued when the last one's outputs are on the host."""

from __future__ import annotations

import numpy as np

from bench.measure import clock
from bench.scenarios.collect import Load, Observations, Steady, collect, keep_busy


def observe(load: Load) -> Observations:
    """Series `latency`: host-to-host nanoseconds of single inferences."""
    session, slots, now = load.session, load.slots, load.now

    def take(first: int, count: int) -> list[int]:
        return clock.latencies(session, slots, first, count, now)

    session.synchronize()
    seen = collect(take, load, load.measure.budget_s, load.items_per_run)
    windows = []
    if load.power:
        typical = float(np.median(seen.samples[seen.warmup :]))
        start, end, runs = keep_busy(take, load.measure.energy_s, load, typical)
        windows.append(Steady("latency", start, end, runs * load.items_per_run))
    return Observations({"latency": seen}, windows)
