"""Where the run's clock stands when a run is taken up."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from bench.results.trial import Clock
from bench.runner import run, state

from ..examples import part, series, trial
from . import plans

DAY_NS = 86_400 * 10**9


def begun(ago: timedelta) -> run.Plan:
    return replace(plans.make(), started_at=(datetime.now(timezone.utc) - ago).isoformat())


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is up for five seconds."""
    monkeypatch.setattr(time, "monotonic_ns", lambda: 5 * 10**9)


def test_it_goes_on_at_the_wall_clocks_time_since_the_beginning() -> None:
    now_ns = 5 * 10**9 - run._origin_ns(begun(timedelta(days=3)), last_ns=7)
    assert now_ns == pytest.approx(3 * DAY_NS, abs=10**10)


@pytest.mark.parametrize("days", [-1, 31, 20_000])
def test_a_wall_clock_that_was_set_back_or_leapt_is_not_believed(days: int) -> None:
    assert 5 * 10**9 - run._origin_ns(begun(timedelta(days=days)), last_ns=7) == 7


def test_it_is_never_before_a_stamp_that_is_there() -> None:
    now_ns = 5 * 10**9 - run._origin_ns(begun(timedelta(hours=1)), last_ns=2 * DAY_NS)
    assert now_ns == 2 * DAY_NS


def test_the_last_stamp_counts_the_rest_of_its_trial_and_no_simulated_time() -> None:
    plan = plans.make()
    states = state.fresh(plan)
    assert state.last_ns(states) == 0
    host, device = (
        Clock(source=source, resolution_ns=1, cost_ns=1.0)
        for source in ("perf_counter_ns", "simulated")
    )
    early = {"latency": series([10], end_ns=500)}
    late = {"latency": series([10], end_ns=10**15)}
    one = next(iter(states.values()))
    one.add(trial(0, wall_s=2.0, parts=[part(clock=host, series=early), part(clock=device)]))
    one.add(trial(1, parts=[part(clock=device, series=late)]))
    assert state.last_ns(states) == 2 * 10**9 + 500
