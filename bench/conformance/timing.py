"""Checks of time: synchronize waits for all of the work, and the work is not impossibly fast."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.backend import Session
from bench.conformance.context import Context, infer, tiled
from bench.conformance.verdict import Found, failed, passed, skipped
from bench.figures.stats import slope
from bench.measure import clock
from bench.measure.clock import Now

LADDER = (8, 64, 512, 4096)
"""Batches tried until the device's work outlasts the enqueuing of it."""
LONG_NS = 3_000_000
"""A run this long is work enough, whether the device queues or not."""
STEP_NS = 20_000_000
"""Length of the shortest of the queues."""
STEPS = (1, 2, 3, 4)
MOST_RUNS = 16
"""Of the shortest queue, so that even a device that leaks a MiB a run does little harm."""
ROUNDS = 5
ATTEMPTS = 3
"""A busy machine may spoil a measurement; a device that does not wait never passes one."""

RISE = 0.4
"""Least rise from the shortest to the longest queue, as a share of the longest's time: 0.75 where
time is in proportion to the runs, 0 where synchronize waits for a fixed time."""
SKIPPED = 0.05
"""A queued run that takes less than this share of a single inference is not being computed."""
LEFT = 0.1
"""Most of the work that may be left after synchronize, as a share of it."""
SHORT = 0.3
"""Least time to synchronize, as a share of the time until the outputs are there without it."""


@dataclass(frozen=True, slots=True)
class Times:
    """The least nanoseconds seen of each thing."""

    queued: dict[int, int]
    """Number of runs -> until synchronize returned."""
    left: int
    """`fetch` after the longest queue and synchronize."""
    copy: int
    """`fetch` after a single run and synchronize."""
    fetched: int
    """The longest queue until fetch returned, without synchronize."""
    single: int
    """One inference from host to host."""

    @property
    def most(self) -> int:
        """Runs of the longest queue."""
        return max(self.queued)


def sync_waits(context: Context) -> Found:
    """Queued runs take time in proportion, and nothing is left to do after synchronize."""
    with _loaded(context) as (session, batch):
        for attempt in range(ATTEMPTS):
            times = measure(session, context.now)
            problem = _problem(times)
            if problem is None:
                each = slope(times.queued.items()) / 1e6
                return passed(
                    f"{times.most} queued runs of batch {batch} took {each:.3g} ms each, in "
                    f"proportion, and left {max(times.left - times.copy, 0) / 1e6:.2g} ms to fetch"
                )
            if attempt + 1 == ATTEMPTS:
                return failed(problem)
    raise AssertionError("unreachable: the last attempt returns")


def throughput_limit(context: Context) -> Found:
    """Operations a second are below the device's peak."""
    job = context.job
    if job.peak_flops is None:
        return skipped(job.peak_reason)
    flops = job.probe.flops_of(job.probe.sizes())
    if not flops:
        return skipped(f"the operations of {job.probe.name} are not known")
    with _loaded(context) as (session, batch):
        runs = _shortest(session, context.now) * max(STEPS)
        least = min(_until_fetched(session, runs, context.now) for _ in range(ROUNDS))
    rate = flops * batch * runs / (least / 1e9)
    share = rate / job.peak_flops
    said = (
        f"{rate / 1e12:.3g} TFLOP/s at batch {batch}, {share:.2%} of the datasheet's "
        f"{job.peak_flops / 1e12:.4g}"
    )
    if share > 1:
        return failed(f"{said}: an error in the measurement, or work that was not done")
    return passed(said)


def busy(context: Context) -> Found:
    """Keep the device busy and say from when to when: the load that sensors are checked under."""
    with _loaded(context) as (session, _):
        runs = _shortest(session, context.now)
        context.emit("busy", stamp_ns=time.monotonic_ns())
        end = time.monotonic() + context.job.busy_s
        while time.monotonic() < end:
            clock.queued(session, 2, runs, context.now)
        context.emit("idle", stamp_ns=time.monotonic_ns())
    return passed(f"the device was kept busy for {context.job.busy_s:g} s")


def measure(session: Session, now: Now) -> Times:
    """All times of a session with two staged slots, interleaved, the least of several rounds."""
    shortest = _shortest(session, now)
    sizes = [step * shortest for step in STEPS]
    queued: dict[int, int] = {}
    others: dict[str, list[int]] = defaultdict(list)
    for _ in range(ROUNDS):
        for size in sizes:
            taken = clock.queued(session, 2, size, now)
            queued[size] = min(queued.get(size, taken), taken)
        others["left"].append(_fetch(session, now))
        clock.queued(session, 2, 1, now)
        others["copy"].append(_fetch(session, now))
        others["fetched"].append(_until_fetched(session, sizes[-1], now))
        others["single"] += clock.latencies(session, 2, 0, 2, now)
    return Times(queued, **{name: min(taken) for name, taken in others.items()})


def _problem(times: Times) -> str | None:
    """What speaks against a synchronize that waits; None: nothing."""
    whole = times.queued[times.most]
    left = times.left - times.copy
    if left > LEFT * times.fetched:
        return (
            f"synchronize returned with {left / 1e6:.3g} ms of work left to do, where the longest "
            f"queue takes {times.fetched / 1e6:.3g} ms"
        )
    if whole + times.left < SHORT * times.fetched:
        return (
            f"{times.most} runs take {whole / 1e6:.3g} ms with synchronize and "
            f"{times.fetched / 1e6:.3g} ms without"
        )
    each = slope(times.queued.items())
    if each < SKIPPED * times.single:
        return (
            f"a queued run takes {each / 1e3:.3g} us and a single inference "
            f"{times.single / 1e3:.3g} us: queued runs are not computed"
        )
    rise = each * (times.most - min(times.queued))
    if rise < RISE * whole:
        return (
            f"queued runs do not take time in proportion: {min(times.queued)} take "
            f"{min(times.queued.values()) / 1e6:.3g} ms and {times.most} take {whole / 1e6:.3g} ms"
        )
    return None


@contextmanager
def _loaded(context: Context) -> Iterator[tuple[Session, int]]:
    """The probe model at the smallest batch whose work outlasts its enqueuing."""
    card = context.job.probe
    sizes = [card.batch] if card.batch else list(LADDER)
    sizes = [s for s in sizes if s == sizes[0] or _supported(context, s)]
    items = context.draw(card, sizes[0], 2, "timing")
    for batch in sizes:
        slots = [tiled(one, batch) for one in items]
        with context.probe_session(slots) as session:
            for slot in (0, 1, 0):
                infer(session, slot)
            if batch == sizes[-1] or _is_busy(session, context.now):
                yield session, batch
                return


def _supported(context: Context, batch: int) -> bool:
    workload = context.workload(context.job.probe, context.job.precision, batch)
    return context.backend.supports(workload, context.job.device) is None


def _is_busy(session: Session, now: Now) -> bool:
    best = None
    for _ in range(ROUNDS):
        start = now()
        session.run(0)
        enqueued = now() - start
        session.fetch()
        whole = now() - start
        if best is None or whole < best[1]:
            best = enqueued, whole
    assert best is not None
    return best[1] >= LONG_NS or best[0] <= 0.5 * best[1]


def _shortest(session: Session, now: Now) -> int:
    """Runs of the shortest queue."""
    once = min(_until_fetched(session, 2, now) for _ in range(3)) / 2
    return int(min(max(STEP_NS / max(once, 1), 1), MOST_RUNS))


def _until_fetched(session: Session, runs: int, now: Now) -> int:
    """Nanoseconds of queued runs until the outputs of the last are on the host."""
    session.fetch()
    start = now()
    for run in range(runs):
        session.run(run % 2)
    session.fetch()
    return now() - start


def _fetch(session: Session, now: Now) -> int:
    start = now()
    session.fetch()
    return now() - start
