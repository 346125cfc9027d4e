"""The clock: one monotonic nanosecond counter, its cost known, and the timed loops.

Every loop that stamps work is in this file, so that its overhead can be read, measured and
tested in one place. Nothing is allocated, looked up or decided between two stamps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice, pairwise

from bench.backend import Session
from bench.clocks import host

Now = Callable[[], int]
"""A monotonic clock in nanoseconds."""

now_ns: Now = host.now_ns


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """What the clock itself costs; stored with every trial."""

    source: str
    resolution_ns: int
    cost_ns: float


def characterize(now: Now = now_ns, source: str = "perf_counter_ns") -> ClockFacts:
    """Smallest step seen between two readings, and the median cost of one reading."""
    steps: set[int] = set()
    costs = []
    for _ in range(21):
        stamps = [now() for _ in range(200)]
        steps.update(b - a for a, b in pairwise(stamps) if b > a)
        costs.append((stamps[-1] - stamps[0]) / 199)
    return ClockFacts(source, min(steps, default=0), sorted(costs)[10])


def latencies(session: Session, slots: int, first: int, count: int, now: Now) -> list[int]:
    """Nanoseconds of `count` single inferences, host to host, rotating over the slots from `first`.

    One latency runs from inputs ready in host memory to outputs ready in host memory: `fetch`
    returns only when everything it waits for is done, so nothing is in flight at either stamp.
    """
    stage, run, fetch = session.stage, session.run, session.fetch
    out: list[int] = []
    append = out.append
    for slot in islice(cycle(range(slots)), first % slots, first % slots + count):
        start = now()
        stage(slot)
        run(slot)
        fetch()
        append(now() - start)
    return out


def queued(session: Session, slots: int, count: int, now: Now) -> int:
    """Nanoseconds of `count` runs enqueued back to back on staged inputs, until all are done."""
    run = session.run
    rotation = list(islice(cycle(range(slots)), count))
    session.synchronize()
    start = now()
    for slot in rotation:
        run(slot)
    session.synchronize()
    return now() - start


def end_to_end(session: Session, slots: int, count: int, now: Now) -> int:
    """Nanoseconds of `count` runs one after the other, with staging and fetching."""
    stage, run, fetch = session.stage, session.run, session.fetch
    rotation = list(islice(cycle(range(slots)), count))
    session.synchronize()
    start = now()
    for slot in rotation:
        stage(slot)
        run(slot)
        fetch()
    return now() - start
