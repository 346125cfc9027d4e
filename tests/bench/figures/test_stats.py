"""Statistics against exact distributions, published figures and simulation."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from numpy.random import Generator, default_rng
from scipy import stats as exact

from bench.figures import stats
from bench.figures.stats import Estimate, slope
from tests.offenders import assert_none


@pytest.mark.parametrize(
    ("p", "n"), [(0.9, 44), (0.95, 90), (0.99, 459), (0.999, 4603)], ids=lambda v: str(v)
)
def test_least_samples_are_those_of_mlperf_early_stopping(p: float, n: int) -> None:
    assert stats.least_samples(p) == n
    assert 1 - p**n >= 0.99 > 1 - p ** (n - 1)


def tightest(n: int, p: float, confidence: float) -> bool:
    """Whether the ranks are those of the binomial, which counts the samples below the quantile."""
    below = exact.binom(n, p)
    tail = (1 - confidence) / 2
    ranks = stats.interval_ranks(n, p, confidence)
    if ranks is None:  # then no order statistic bounds one of the two sides
        return bool(below.cdf(0) > tail or below.cdf(n - 1) < 1 - tail)
    low, high = ranks
    # P[N < low] <= tail and P[N >= high] <= tail, and neither for the next rank inwards
    slack = 1e-9
    return bool(
        1 <= low <= high <= n
        and below.cdf(low - 1) <= tail + slack
        and below.cdf(low) > tail - slack
        and below.sf(high - 1) <= tail + slack
        and below.sf(high - 2) > tail - slack
    )


def test_ranks_are_the_tightest_the_binomial_allows() -> None:
    numbers = [*range(1, 40), 100, 459, 1000, 4603, 200_000]
    grid = product(numbers, [0.5, 0.9, 0.99, 0.999], [0.9, 0.95, 0.99])
    assert_none(place for place in grid if not tightest(*place))


def test_ranks_of_large_samples_are_found_fast_and_right() -> None:
    low, high = stats.interval_ranks(4_000_000, 0.99) or (0, 0)
    assert exact.binom(4_000_000, 0.99).cdf(high - 1) - exact.binom(4_000_000, 0.99).cdf(
        low - 1
    ) == pytest.approx(0.95, abs=1e-3)


@pytest.mark.parametrize(("p", "n"), [(0.5, 25), (0.5, 400), (0.9, 100), (0.99, 1000)])
def test_intervals_cover_the_quantile_as_often_as_they_say(p: float, n: int) -> None:
    random = default_rng(7)
    true = -math.log(1 - p)  # of the standard exponential
    trials = 2000
    hits = 0
    for _ in range(trials):
        found = stats.percentile(random.exponential(size=n), p)
        assert found is not None and found.low is not None and found.high is not None
        hits += found.low <= true < found.high
    # 0.95 or a little more (ranks are whole), less four standard errors of the simulation
    assert hits / trials >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / trials)
    assert hits / trials <= 0.99


def test_a_percentile_is_the_nearest_rank() -> None:
    samples = np.arange(1, 1001, dtype=np.int64)
    default_rng(1).shuffle(samples)
    values = [stats.percentile(samples, p) for p in (0.5, 0.9, 0.99)]
    assert [found.value for found in values if found] == [500, 900, 990]
    assert stats.median(np.array([3, 1, 2])) == Estimate(2, None, None, 3)
    assert stats.median(np.array([4, 1, 2, 3])) == Estimate(2, None, None, 4)


def test_a_percentile_the_sample_cannot_bound_is_not_reported() -> None:
    assert stats.percentile(np.ones(458), 0.99) is None
    assert stats.percentile(np.ones(459), 0.99) is not None
    assert stats.median(np.array([], dtype=np.int64)) is None


def test_the_middle_needs_six_samples_for_an_interval() -> None:
    five, six = stats.median(np.arange(5)), stats.median(np.arange(6))
    assert five is not None and (five.low, five.high) == (None, None)
    assert six is not None and (six.low, six.high) == (0, 5)


def test_samples_are_left_in_their_order() -> None:
    samples = np.array([5, 1, 4, 2, 3, 9, 8, 7, 6, 0])
    stats.median(samples)
    assert samples.tolist() == [5, 1, 4, 2, 3, 9, 8, 7, 6, 0]


def test_relative_width() -> None:
    assert Estimate(100, 90, 115, 9).relative_width == pytest.approx(0.25)
    assert Estimate(100, None, None, 3).relative_width == math.inf
    assert Estimate(0, -1, 1, 9).relative_width == math.inf


def noisy(random: Generator, n: int, spread: float) -> stats.Samples:
    return 1e6 * (1 + spread * random.standard_normal(n))


@pytest.mark.parametrize("n", [20, 100, 1000])
@pytest.mark.parametrize("spread", [0.001, 0.05, 0.2])
def test_a_level_series_is_steady_however_noisy(n: int, spread: float) -> None:
    random = default_rng(11)
    steady = sum(stats.is_steady(noisy(random, n, spread)) for _ in range(300))
    assert steady >= 0.9 * 300


@pytest.mark.parametrize("n", [20, 100, 1000])
def test_a_falling_series_is_not_steady(n: int) -> None:
    random = default_rng(12)
    falling = np.linspace(1.3, 1.0, n)
    steady = sum(stats.is_steady(noisy(random, n, 0.03) * falling) for _ in range(300))
    assert steady <= 0.02 * 300


def test_a_step_in_the_middle_is_not_steady() -> None:
    random = default_rng(13)
    step = np.where(np.arange(100) < 50, 1.0, 1.1)
    assert not any(stats.is_steady(noisy(random, 100, 0.02) * step) for _ in range(100))


def test_a_change_within_one_percent_is_steady_without_any_noise() -> None:
    assert stats.is_steady(np.repeat([1000, 1009], 50))
    assert not stats.is_steady(np.repeat([1000, 1020], 50))


def test_an_outlier_does_not_hide_steadiness() -> None:
    samples = np.full(100, 1000)
    samples[[3, 40, 77]] = 50_000
    assert stats.is_steady(samples)


def test_steadiness_needs_eight_samples() -> None:
    assert not stats.is_steady(np.full(7, 1000))
    assert stats.is_steady(np.full(8, 1000))


@pytest.mark.parametrize("n", [8, 9, 10, 11, 20, 21, 50])
def test_a_slope_without_noise_is_never_steady(n: int) -> None:
    assert not stats.is_steady(np.linspace(2, 1, n))
    assert not stats.is_steady(np.linspace(1, 2, n))
    assert not stats.is_steady(np.exp(-np.arange(n) / n))


def test_geometric_mean_has_the_t_interval_of_the_logarithms() -> None:
    values = [1.05e6, 0.98e6, 1.01e6, 1.12e6, 0.95e6]
    logs = np.log(values)
    low, high = exact.t.interval(0.95, df=4, loc=logs.mean(), scale=exact.sem(logs))
    found = stats.geometric_mean(values)
    assert found.value == pytest.approx(exact.gmean(values), rel=1e-12)
    assert found.low == pytest.approx(math.exp(low), rel=1e-12)
    assert found.high == pytest.approx(math.exp(high), rel=1e-12)
    assert found.n == 5


@pytest.mark.parametrize("n", [1, 2, 3, 7])
@pytest.mark.parametrize("value", [10.0, 1234567.0, 0.1, 3e-9])
def test_the_mean_of_equal_values_is_exactly_that_value(value: float, n: int) -> None:
    found = stats.geometric_mean([value] * n)
    assert found.value == value
    assert found.low is None or found.low <= value <= (found.high or 0)


def test_two_trials_say_nothing_of_the_spread() -> None:
    found = stats.geometric_mean([4.0, 9.0])
    assert found == Estimate(pytest.approx(6.0), None, None, 2)


@pytest.mark.parametrize("values", [[], [1.0, 0.0], [1.0, -2.0], [1.0, math.nan], [1.0, math.inf]])
def test_no_geometric_mean_of_what_is_not_positive_and_finite(values: list[float]) -> None:
    with pytest.raises(ValueError, match="positive finite"):
        stats.geometric_mean(values)


def test_a_slope_is_not_moved_by_a_few_wild_points() -> None:
    assert slope([(1, 10), (2, 20), (3, 30), (4, 40), (5, 4000)]) == 10
    assert slope([(4, 40), (1, 10), (3, 30), (2, 20)]) == 10
    level = [(run, 1000) for run in range(0, 500, 25)]
    assert slope([*level, (500, 10**9)]) == 0
    assert slope((run, 1000 + 7 * run) for run in range(0, 500, 25)) == 7
