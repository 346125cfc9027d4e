"""`sustained`: steady load for a set time; shows cards that throttle when they get hot."""

from __future__ import annotations

from bench.measure import clock
from bench.scenarios import offline
from bench.scenarios.collect import Load, Observations, Observed, Steady, warm_up

MAX_ROUNDS = 100_000


def observe(load: Load) -> Observations:
    """Series `round`: nanoseconds of rounds in the order run, none left out.

    Warm-up is short on purpose: the first minute is what the last one is compared with.
    """
    session, slots, now = load.session, load.slots, load.now
    duration_ns = load.measure.sustained_s * 1e9
    runs = offline.runs_per_round(load)
    longest = duration_ns / MAX_ROUNDS  # a long run gets longer rounds, so that all can be kept
    once = max(clock.queued(session, slots, runs, now), 1)
    runs = max(runs, int(runs * longest / once))

    def take(first: int, count: int) -> list[int]:
        del first
        return [clock.queued(session, slots, runs, now) for _ in range(count)]

    samples, steady = warm_up(take, min(load.measure.warmup_s, load.measure.sustained_s / 10), now)
    warmup = len(samples)
    start = now()
    while now() - start < duration_ns:
        samples += take(len(samples), 1)
    end = now()
    items = runs * load.items_per_run
    seen = Observed(samples, warmup, steady, "time", items, start, end)
    window = Steady("round", start, end, (len(samples) - warmup) * items)
    return Observations({"round": seen}, [window])
