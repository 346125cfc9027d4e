"""The timed loops: what they call, in which order, and what lies between two stamps."""

from __future__ import annotations

import time
from itertools import count

import pytest

from bench.measure import clock, overhead

from ..fakes import FakeSession


def test_a_latency_is_staging_running_and_fetching() -> None:
    session = FakeSession(run_ns=lambda number: 1000 + number, stage_ns=100, fetch_ns=10)
    assert clock.latencies(session, 4, 0, 5, session.clock) == [1110, 1111, 1112, 1113, 1114]


def test_a_latency_ends_with_the_outputs_on_the_host() -> None:
    session = FakeSession()
    clock.latencies(session, 2, 0, 2, session.clock)
    assert session.calls == ["stage 0", "run 0", "fetch", "stage 1", "run 1", "fetch"]


@pytest.mark.parametrize(("first", "slots"), [(0, "0120"), (1, "1201"), (2, "2012"), (300, "0120")])
def test_the_slots_rotate_on_from_one_call_to_the_next(first: int, slots: str) -> None:
    session = FakeSession()
    clock.latencies(session, 3, first, 4, session.clock)
    assert "".join(call[-1] for call in session.calls if call.startswith("run")) == slots


def test_between_two_stamps_stands_one_inference() -> None:
    session = FakeSession()

    def now() -> int:
        session.calls.append("now")
        return session.clock()

    clock.latencies(session, 1, 0, 2, now)
    assert session.calls == ["now", "stage 0", "run 0", "fetch", "now"] * 2


def test_queued_runs_start_and_end_with_an_idle_device() -> None:
    session = FakeSession()

    def now() -> int:
        session.calls.append("now")
        return session.clock()

    assert clock.queued(session, 2, 3, now) == 3_000_000
    runs = ["run 0", "run 1", "run 0"]
    assert session.calls == ["synchronize", "now", *runs, "synchronize", "now"]


def test_work_left_in_the_queue_is_not_counted() -> None:
    session = FakeSession(run_ns=lambda number: 500)
    session.run(0)
    assert clock.queued(session, 1, 2, session.clock) == 1000
    session.run(0)
    assert clock.end_to_end(session, 1, 2, session.clock) == 1000


def test_end_to_end_stages_and_fetches_every_run() -> None:
    session = FakeSession(run_ns=lambda number: 1000, stage_ns=100, fetch_ns=10)
    assert clock.end_to_end(session, 2, 3, session.clock) == 3 * 1110
    each = [f"{word}{slot}" for slot in "010" for word in ("stage ", "run ")]
    calls = [call for call in session.calls if call not in ("fetch", "synchronize")]
    assert calls == each
    assert session.calls[0] == "synchronize" and session.calls.count("fetch") == 3


def test_nothing_is_asked_for_nothing() -> None:
    session = FakeSession()
    assert clock.latencies(session, 4, 0, 0, session.clock) == []
    assert clock.queued(session, 4, 0, session.clock) == 0


def test_the_clock_tells_its_resolution_and_its_cost() -> None:
    ticks = count(0, 30)
    facts = clock.characterize(lambda: next(ticks) // 100 * 100, "ticks of 100 ns")
    assert facts.source == "ticks of 100 ns"
    assert facts.resolution_ns == 100
    assert facts.cost_ns == pytest.approx(30, abs=1)


def test_a_clock_that_stands_still_has_no_resolution() -> None:
    assert clock.characterize(lambda: 7, "stopped") == clock.ClockFacts("stopped", 0, 0.0)


def test_the_real_clock_is_characterized() -> None:
    facts = clock.characterize()
    assert facts.source == "perf_counter_ns"
    assert facts.resolution_ns >= 1
    assert facts.cost_ns > 0


def test_stamps_compare_with_those_of_sensors() -> None:
    before = time.monotonic_ns()
    stamp = clock.now_ns()
    assert before <= stamp <= time.monotonic_ns()


def test_the_overhead_of_the_loop_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "ITERATIONS", 50)
    monkeypatch.setattr(overhead, "ROUNDS", 3)
    figures = overhead.measure()
    assert figures.pop("clock_resolution_ns") >= 1
    assert figures.keys() == {
        "clock_cost_ns",
        *(f"{loop}_{what}_ns" for loop in ("bare", "timed") for what in ("iteration", "reported")),
    }
    assert all(value > 0 for value in figures.values())
