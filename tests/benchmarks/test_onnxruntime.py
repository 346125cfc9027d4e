"""The onnxruntime backend against a hand-written ONNX Runtime loop: same file, same threads."""

from __future__ import annotations

import time

import numpy as np
import onnxruntime as ort
import pytest

from bench import registry
from bench.measure import clock, inputs
from bench.worker import prepare
from bench.workload import Slot, Workload
from tests.benchmarks.conftest import Report, alternate, paired_ratio

SLOTS = 4


@pytest.mark.parametrize("name", ["resnet8", "mobilenetv3-small", "resnet50"])
def test_against_a_hand_written_loop(name: str, report: Report) -> None:
    card = registry.model(name)
    path = prepare.onnx_file(card, "fp32", card.sizes(), "")
    threads = 1  # with more, the other session's idle threads spin on this one's cores
    axes = card.sizes()
    slots = [slot.arrays for slot in inputs.slots(card.inputs, axes, SLOTS, "benchmark")]
    backend = registry.backend("onnxruntime")(registry.adapters()["cpu"], {})
    (device,) = backend.devices()
    workload = Workload(card, "fp32", axes, onnx=path)
    ours = backend.load(workload, device, [Slot(dict(one), axes) for one in slots], threads)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_free_dimension_override_by_name("batch", 1)
    theirs = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    outputs = [out.name for out in theirs.get_outputs()]
    runs = _runs(theirs, outputs, slots)

    def our_latency() -> float:
        clock.latencies(ours, SLOTS, 0, 1, clock.now_ns)
        return float(np.median(clock.latencies(ours, SLOTS, 0, runs, clock.now_ns)))

    def their_latency() -> float:
        theirs.run(outputs, slots[0])
        found = []
        for number in range(runs):
            start = time.perf_counter_ns()
            theirs.run(outputs, slots[number % SLOTS])
            found.append(time.perf_counter_ns() - start)
        return float(np.median(found))

    def our_rate() -> float:
        clock.queued(ours, SLOTS, 1, clock.now_ns)
        return runs / clock.queued(ours, SLOTS, runs, clock.now_ns)

    def their_rate() -> float:
        theirs.run(outputs, slots[0])
        start = time.perf_counter_ns()
        for number in range(runs):
            theirs.run(outputs, slots[number % SLOTS])
        return runs / (time.perf_counter_ns() - start)

    sides = [our_latency, their_latency, our_rate, their_rate]
    alternate(sides, 2)
    latency, bare_latency, rate, bare_rate = alternate(sides, 20)
    report(
        f"{name}, latency against a hand-written loop",
        f"x{paired_ratio(latency, bare_latency):.3f}",
        f"{np.median(bare_latency) / 1e6:.3f} ms",
        "<= 1.01",
    )
    report(
        f"{name}, items/s against a hand-written loop",
        f"x{paired_ratio(rate, bare_rate):.3f}",
        f"{np.median(bare_rate) * 1e9:.1f}/s",
        ">= 0.99",
    )


def _runs(
    session: ort.InferenceSession, outputs: list[str], slots: list[dict[str, np.ndarray]]
) -> int:
    """Runs that take about 0.2 s."""
    session.run(outputs, slots[0])
    start = time.perf_counter()
    session.run(outputs, slots[0])
    return max(3, int(0.2 / (time.perf_counter() - start)))
