"""An iteration that does nothing, in other harnesses: what each adds to a bare loop.

Runs those that are installed: `pip install mlcommons-loadgen optimum-benchmark pyperf`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from bench.measure import clock, overhead
from tests.benchmarks.conftest import Report, alternate

ITERATIONS = 20_000


def bare() -> float:
    """Nanoseconds an iteration of a hand-written loop: stamp, call, append."""
    run, now = overhead.NoOp().run, time.perf_counter_ns
    found: list[int] = []
    start = now()
    for _ in range(ITERATIONS):
        before = now()
        run(0)
        found.append(now() - before)
    return (now() - start) / ITERATIONS


def hetbench() -> float:
    """The same through the timed loop, with staging and fetching."""
    session = overhead.NoOp()
    start = time.perf_counter_ns()
    clock.latencies(session, 4, 0, ITERATIONS, clock.now_ns)
    return (time.perf_counter_ns() - start) / ITERATIONS


def compare(name: str, theirs: Callable[[], float], report: Report, rounds: int = 11) -> None:
    """Report what hetbench and the other add to a bare loop, alternated."""
    values = alternate([hetbench, theirs, bare], rounds)
    ours, other, plain = (median(one) for one in values)
    report(
        f"no-op above a bare loop, against {name}",
        f"{ours - plain:+.0f} ns",
        f"{name} {other - plain:+.0f} ns",
        "",
    )


def test_pytest_benchmark(benchmark: Any, report: Report) -> None:
    run = overhead.NoOp().run
    start = time.perf_counter_ns()
    benchmark.pedantic(run, args=(0,), rounds=ITERATIONS, iterations=1)
    theirs = (time.perf_counter_ns() - start) / ITERATIONS
    plain, ours = bare(), hetbench()
    report(
        "no-op above a bare loop, against pytest-benchmark",
        f"{ours - plain:+.0f} ns",
        f"pytest-benchmark {theirs - plain:+.0f} ns",
        "",
    )


def test_optimum_benchmark(report: Report) -> None:
    latency = pytest.importorskip("optimum_benchmark.trackers.latency")

    def theirs() -> float:
        run = overhead.NoOp().run
        tracker = latency.LatencySessionTracker("cpu", "pytorch")
        start = time.perf_counter_ns()
        with tracker.session():
            while tracker.count() < ITERATIONS:
                with tracker.track():
                    run(0)
        return (time.perf_counter_ns() - start) / ITERATIONS

    compare("optimum-benchmark", theirs, report, 5)


def test_loadgen(report: Report, tmp_path: Path) -> None:
    loadgen = pytest.importorskip("mlperf_loadgen")

    def theirs() -> float:
        def issue(samples: list[Any]) -> None:
            loadgen.QuerySamplesComplete(
                [loadgen.QuerySampleResponse(one.id, 0, 0) for one in samples]
            )

        settings = loadgen.TestSettings()
        settings.scenario = loadgen.TestScenario.SingleStream
        settings.mode = loadgen.TestMode.PerformanceOnly
        settings.min_duration_ms = 0
        settings.min_query_count = settings.max_query_count = ITERATIONS
        output = loadgen.LogOutputSettings()
        output.outdir = str(tmp_path)
        logs = loadgen.LogSettings()
        logs.log_output = output
        sut = loadgen.ConstructSUT(issue, lambda: None)
        qsl = loadgen.ConstructQSL(64, 64, lambda samples: None, lambda samples: None)
        start = time.perf_counter_ns()
        loadgen.StartTestWithLogSettings(sut, qsl, settings, logs)
        elapsed = time.perf_counter_ns() - start
        loadgen.DestroyQSL(qsl)
        loadgen.DestroySUT(sut)
        return elapsed / ITERATIONS

    compare("LoadGen SingleStream", theirs, report, 5)
