"""Warming up and stopping, with a clock moved by hand."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from bench.figures.stats import Estimate
from bench.measure import clock
from bench.scenarios import collect
from bench.scenarios.collect import Load, Observed, keep_busy, warm_up

from .loads import MS, fake, load


def observe(one: Load, budget_s: float = 1.0, least: int | None = None) -> Observed:
    def take(first: int, count: int) -> list[int]:
        return clock.latencies(one.session, one.slots, first, count, one.now)

    return collect.collect(take, one, budget_s, one.items_per_run, least)


def wide(number: int) -> float:
    """So noisy that no interval is ever narrow."""
    return MS * float(np.random.default_rng(number).uniform(1, 5))


def test_level_samples_are_warm_after_half_of_the_time() -> None:
    seen = observe(load(warmup_s=0.5))
    assert seen.steady and seen.stopped_by == "confidence"
    assert 0.25e9 <= sum(seen.samples[: seen.warmup]) <= 0.35e9


def test_a_start_that_is_level_for_a_while_is_not_warm_yet() -> None:
    seen = observe(load(lambda number: MS * (3 if number < 60 else 1)))
    assert seen.steady
    assert set(seen.samples[seen.warmup :]) == {MS}


def test_the_warm_up_is_kept_and_marked() -> None:
    def cold(number: int) -> float:
        return MS * (1 + 3 * math.exp(-number / 20))

    one = load(cold, confidence_width=0.01)
    seen = observe(one)
    assert seen.steady
    assert len(seen.samples) == fake(one).runs  # none is left out
    assert seen.samples[0] == 4 * MS
    assert seen.warmup > 40
    assert max(seen.samples[seen.warmup :]) < 1.1 * MS


def test_samples_that_never_level_are_measured_all_the_same() -> None:
    one = load(lambda number: MS * (1 + number / 100), warmup_s=0.5)
    seen = observe(one)
    assert not seen.steady
    assert 0.5e9 <= sum(seen.samples[: seen.warmup]) < 0.6e9
    assert len(seen.samples) > seen.warmup


def test_without_warm_up_time_at_least_one_sample_is_warm_up() -> None:
    samples, steady = warm_up(lambda first, count: [MS] * count, 0.0, lambda: 5)
    assert (samples, steady) == ([MS], False)


def test_work_that_takes_no_time_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "MAX_SAMPLES", 300)
    samples, steady = warm_up(lambda first, count: [*range(first, first + count)], 1.0, lambda: 5)
    assert not steady and 300 <= len(samples) <= 300 + 20_000
    assert observe(load(lambda number: 0)).stopped_by == "samples"


def test_it_stops_when_the_interval_is_narrow() -> None:
    seen = observe(load(lambda number: MS + number % 10, least_s=0.0, least_samples=20))
    measured = len(seen.samples) - seen.warmup
    assert seen.stopped_by == "confidence"
    assert 20 <= measured < 200


def test_it_does_not_stop_before_the_least_time() -> None:
    seen = observe(load(least_s=0.4))
    assert seen.stopped_by == "confidence"
    assert 0.4e9 <= seen.end_ns - seen.start_ns <= 0.6e9


def test_it_does_not_stop_before_the_least_samples() -> None:
    seen = observe(load(least_s=0.0, least_samples=500))
    assert seen.stopped_by == "confidence"
    assert len(seen.samples) - seen.warmup >= 500


def test_it_stops_when_the_budget_is_spent() -> None:
    seen = observe(load(wide), budget_s=2.0)
    assert seen.stopped_by == "budget"
    assert 2.0e9 <= seen.end_ns - seen.start_ns <= 2.3e9


def test_a_budget_below_the_least_time_is_enough() -> None:
    seen = observe(load(least_s=5.0), budget_s=1.0)
    assert seen.stopped_by == "confidence"
    assert seen.end_ns - seen.start_ns <= 1.2e9


def test_one_slow_sample_may_use_up_all_budgets() -> None:
    seen = observe(load(lambda number: 20e9, warmup_s=0.0))
    assert (len(seen.samples), seen.warmup, seen.stopped_by) == (2, 1, "limit")


def test_it_goes_over_its_budget_for_its_least_samples() -> None:
    def slow(number: int) -> float:
        return wide(number) * 20  # 20 to 100 ms

    seen = observe(load(slow, least_samples=25), budget_s=1.0)
    assert seen.stopped_by == "extended"
    assert len(seen.samples) - seen.warmup == 25
    assert seen.end_ns - seen.start_ns > 1.0e9


def test_it_does_not_go_over_its_budget_with_enough_samples() -> None:
    seen = observe(load(lambda number: wide(number) * 10, least_samples=5), budget_s=1.0)
    assert seen.stopped_by == "budget"
    assert seen.end_ns - seen.start_ns <= 1.2e9


def test_what_has_too_few_samples_after_four_budgets_ends() -> None:
    seen = observe(load(lambda number: 300 * MS, least_samples=20), budget_s=1.0)
    assert seen.stopped_by == "limit"
    assert len(seen.samples) - seen.warmup == 14  # 4.2 s: the first past 4 budgets


def test_an_interval_that_is_narrow_by_then_is_why_it_ended() -> None:
    seen = observe(load(lambda number: 100 * MS, least_samples=20), budget_s=1.0)
    assert (len(seen.samples) - seen.warmup, seen.stopped_by) == (20, "confidence")


def test_it_stops_at_a_number_of_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "MAX_SAMPLES", 700)
    seen = observe(load(wide), budget_s=10.0)
    assert seen.stopped_by == "samples"
    assert 700 <= len(seen.samples) - seen.warmup < 1400


def test_the_stamps_enclose_the_measured_samples_alone() -> None:
    seen = observe(load(wide))
    assert seen.end_ns - seen.start_ns == sum(seen.samples[seen.warmup :])


def test_slots_rotate_on_through_warm_up_and_measuring() -> None:
    one = load()
    observe(one)
    slots = [int(call[-1]) for call in fake(one).calls if call.startswith("run")]
    assert all(b == (a + 1) % 4 for a, b in pairwise(slots))


def test_the_estimate_is_reported_on_the_way() -> None:
    told: list[Estimate] = []
    observe(load(wide, report=lambda estimate, items: told.append(estimate)))
    assert len(told) > 3
    assert all(a.n < b.n for a, b in pairwise(told))
    assert all(one.low is not None for one in told)


def test_a_noisy_warm_up_does_not_count_for_the_estimate() -> None:
    told: list[Estimate] = []
    one = load(
        lambda number: MS * (50 if number < 5 else 1),
        report=lambda estimate, items: told.append(estimate),
    )
    seen = observe(one)
    assert {estimate.value for estimate in told} == {MS}
    assert max(estimate.n for estimate in told) <= len(seen.samples) - seen.warmup


def test_a_steady_load_for_energy_lasts_as_long_as_asked() -> None:
    one, silent = load(power=True, items=4, energy_s=6.0), load()

    def take(first: int, count: int) -> list[int]:
        return clock.latencies(one.session, one.slots, first, count, one.now)

    seen = Observed([9 * MS, MS, MS], 1, True, "budget", 4, 0, 1)
    (window,) = keep_busy("latency", take, one, seen)
    length_ns = window.end_ns - window.start_ns
    assert window.name == "latency" and 6.0e9 <= length_ns <= 6.3e9
    assert window.items == 4 * fake(one).runs == 4 * length_ns / MS
    assert keep_busy("latency", take, silent, seen) == []
