"""A session that does nothing but write down what is asked of it, and a clock moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bench.backend import Session
from bench.model import Arrays


@dataclass
class ManualClock:
    """Nanoseconds that pass only when told to."""

    now: int = 1_000_000_000

    def __call__(self) -> int:
        return self.now

    def advance(self, ns: float) -> None:
        self.now += int(ns)


@dataclass
class FakeSession(Session):
    """Queues runs like an accelerator: `run` returns at once, waiting is where time passes."""

    clock: ManualClock = field(default_factory=ManualClock)
    run_ns: Callable[[int], float] = lambda number: 1_000_000
    """Duration of the run of this number, counted from 0."""
    stage_ns: int = 0
    fetch_ns: int = 0
    calls: list[str] = field(default_factory=list)
    runs: int = 0
    pending: list[float] = field(default_factory=list)

    def stage(self, slot: int) -> None:
        self.calls.append(f"stage {slot}")
        self.clock.advance(self.stage_ns)

    def run(self, slot: int) -> None:
        self.calls.append(f"run {slot}")
        self.pending.append(self.run_ns(self.runs))
        self.runs += 1

    def synchronize(self) -> None:
        self.calls.append("synchronize")
        self._wait()

    def fetch(self) -> Arrays:
        self.calls.append("fetch")
        self._wait()
        self.clock.advance(self.fetch_ns)
        return {}

    def close(self) -> None:
        self.calls.append("close")

    def _wait(self) -> None:
        self.clock.advance(sum(self.pending))
        self.pending.clear()
