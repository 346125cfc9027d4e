"""What the timed loop costs beside a bare one, on a session that does nothing."""

from __future__ import annotations

from statistics import median

from bench.backend import Session
from bench.measure import clock
from bench.model import Arrays

ITERATIONS = 20_000
ROUNDS = 11


class NoOp(Session):
    """Does nothing at all."""

    def stage(self, slot: int) -> None: ...
    def run(self, slot: int) -> None: ...
    def synchronize(self) -> None: ...
    def close(self) -> None: ...

    def fetch(self) -> Arrays:
        return {}


def measure() -> dict[str, float]:
    """Medians over alternated rounds, in nanoseconds an iteration.

    The bare loop is what one writes by hand: stamp, call, append. `reported` is the median of
    what each loop says the nothing took.
    """
    session = NoOp()
    facts = clock.characterize()
    bare_wall, bare_said, timed_wall, timed_said = [], [], [], []
    for _ in range(ROUNDS):
        start = clock.now_ns()
        said = _bare(session, ITERATIONS)
        bare_wall.append((clock.now_ns() - start) / ITERATIONS)
        bare_said.append(median(said))
        start = clock.now_ns()
        said = clock.latencies(session, 4, 0, ITERATIONS, clock.now_ns)
        timed_wall.append((clock.now_ns() - start) / ITERATIONS)
        timed_said.append(median(said))
    return {
        "clock_resolution_ns": facts.resolution_ns,
        "clock_cost_ns": facts.cost_ns,
        "bare_iteration_ns": median(bare_wall),
        "timed_iteration_ns": median(timed_wall),
        "bare_reported_ns": median(bare_said),
        "timed_reported_ns": median(timed_said),
    }


def _bare(session: NoOp, count: int) -> list[int]:
    run, now = session.run, clock.now_ns
    out: list[int] = []
    append = out.append
    for _ in range(count):
        start = now()
        run(0)
        append(now() - start)
    return out
