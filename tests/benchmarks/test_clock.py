"""What the timed loop costs: on nothing at all, and on a model of about 2 ms."""

from __future__ import annotations

from statistics import median

import numpy as np
import torch

from bench.backend import Session
from bench.measure import clock, overhead
from bench.model import Arrays
from tests.benchmarks.conftest import Report, alternate, paired_ratio


def test_no_op(report: Report) -> None:
    facts = overhead.measure()
    wall = facts["timed_iteration_ns"] - facts["bare_iteration_ns"]
    said = facts["timed_reported_ns"] - facts["bare_reported_ns"]
    bare = f"bare loop {facts['bare_iteration_ns']:.0f} ns"
    report("no-op, wall an iteration above a bare loop", f"{wall:+.0f} ns", bare, "<= 500 ns")
    bare = f"bare loop {facts['bare_reported_ns']:.0f} ns"
    report("no-op, reported above a bare loop", f"{said:+.0f} ns", bare, "<= 300 ns")


class Plain(Session):
    """A torch module on the CPU behind the contract, with nothing else in the way."""

    def __init__(self, module: torch.nn.Module, inputs: list[torch.Tensor]) -> None:
        self.module, self.inputs = module, inputs
        self.out = torch.empty(0)

    def stage(self, slot: int) -> None: ...
    def synchronize(self) -> None: ...
    def close(self) -> None: ...

    def run(self, slot: int) -> None:
        self.out = self.module(self.inputs[slot])

    def fetch(self) -> Arrays:
        return {"out": self.out}


def test_two_millisecond_model(report: Report) -> None:
    torch.set_num_threads(1)
    size = 1024
    module = torch.nn.Sequential(*(torch.nn.Linear(size, size) for _ in range(4))).eval()
    inputs = [
        torch.from_numpy(np.random.default_rng(s).random((24, size), np.float32)) for s in range(4)
    ]
    session = Plain(module, inputs)
    runs = 5

    def ours() -> float:
        return median(clock.latencies(session, 4, 0, runs, clock.now_ns))

    def bare() -> float:
        found = []
        for number in range(runs):
            start = clock.now_ns()
            module(inputs[number % 4])
            found.append(clock.now_ns() - start)
        return median(found)

    with torch.inference_mode():
        alternate([ours, bare], 5)
        timed, by_hand = alternate([ours, bare], 400)
    report(
        f"median of a {median(by_hand) / 1e6:.1f} ms model, against a bare loop",
        f"x{paired_ratio(timed, by_hand):.4f}",
        "x1",
        "within 0.3 %",
    )
