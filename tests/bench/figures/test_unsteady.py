"""Which figures do not repeat from trial to trial, and how often a sound one is accused."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from bench import scenarios
from bench.figures.metrics import summarize
from bench.figures.unsteady import bound, two_states
from bench.results.trial import Metric
from bench.suite import BOUNDS, Suite

from ..examples import results

MS = 1e6
P50 = "latency_p50_ns"


def trials(*values: float, name: str = P50) -> list[dict[str, Metric]]:
    return [{name: Metric(value=value, n=50)} for value in values]


def why(*values: float, name: str = P50, **bounds: float) -> str | None:
    return summarize(trials(*values, name=name), {**BOUNDS, **bounds})[name].unsteady


def test_an_interval_wider_than_the_bound_is_unsteady() -> None:
    found = summarize(trials(1 * MS, 1.2 * MS, 1.4 * MS))[P50]
    assert found.low is not None and found.high is not None
    width = (found.high - found.low) / found.value
    assert found.unsteady == (
        f"the interval between trials is {width:.0%} of the value wide; at most 30% is steady"
    )
    assert why(1 * MS, 1.2 * MS, 1.4 * MS, latency_p50_ns=width * 1.001) is None
    assert why(1 * MS, 1.2 * MS, 1.4 * MS, latency_p50_ns=width * 0.999) is not None


@pytest.mark.parametrize("values", [(1.0,), (1.0, 9.0), (1.0, 1e9)])
def test_one_or_two_trials_are_never_unsteady(values: tuple[float, ...]) -> None:
    assert why(*values) is None


def test_a_tail_may_spread_further_than_a_median() -> None:
    spread = (1 * MS, 1.2 * MS, 1.4 * MS)
    assert why(*spread) is not None
    assert why(*spread, name="latency_p99_ns") is None
    assert why(*spread, name="throughput_items_per_s") is not None
    assert why(*spread, name="joules_per_item") is not None


def test_a_change_in_percent_has_no_interval_and_is_not_unsteady() -> None:
    assert why(-5.0, 30.0, 80.0, name="throughput_drop_percent") is None


def test_two_states_are_named_with_their_levels() -> None:
    values = (1.1 * MS, 1.9 * MS, 1.1 * MS, 1.9 * MS, 1.1 * MS)
    assert why(*values) == "two states: 1.10 ms in 3 trials, 1.90 ms in 2"
    assert why(*values, latency_p50_ns=100.0) is not None  # however wide the suite lets it be
    rates = (305.0, 801.0, 800.0, 304.0, 305.0)
    assert why(*rates, name="throughput_items_per_s") == (
        "two states: 305 items/s in 3 trials, 800 items/s in 2"
    )


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([1, 1, 2, 2], True),
        ([1, 1, 1.04, 1.04], False),  # nearer than 5 %
        ([1, 1, 1.06, 1.06], True),
        ([1, 1, 1, 2], False),  # one stray trial is no state; its interval tells of it
        ([1, 2], False),
        ([1, 1, 2], False),
        ([1, 1.05, 2, 2.1], True),
        ([1, 1.2, 2, 2.4], False),  # the groups are not tight
        ([1, 1.5, 2, 2.5, 3, 3.5, 4], False),
        ([1.00, 1.02, 1.04, 1.06, 1.5, 1.52, 1.54, 1.56], True),
    ],
)
def test_what_two_states_are(values: list[float], found: bool) -> None:
    assert (two_states(values) is not None) == found
    assert two_states(values[::-1]) == two_states(values)


def test_every_level_is_the_geometric_mean_of_its_trials() -> None:
    found = two_states([8.0, 1.0, 8.1, 1.01, 1.02])
    assert found is not None
    (low, few), (high, many) = found
    assert (few, many) == (3, 2)
    assert low == pytest.approx((1.0 * 1.01 * 1.02) ** (1 / 3))
    assert high == pytest.approx(math.sqrt(8.0 * 8.1))


SPREADS: dict[str, Callable[[np.random.Generator, int], NDArray[np.float64]]] = {
    "normal, 2 %": lambda random, n: random.normal(1, 0.02, n),
    "normal, 10 %": lambda random, n: random.normal(1, 0.1, n),
    "log-normal, 10 %": lambda random, n: random.lognormal(0, 0.1, n),
    "log-normal, factor e": lambda random, n: random.lognormal(0, 1, n),
}


def test_one_state_is_taken_for_two_in_about_one_set_of_a_hundred() -> None:
    sets = 2000
    rates = {}
    for spread, draw in SPREADS.items():
        for n in (*range(3, 13), 15, 20, 30):
            random = np.random.default_rng(n)
            alarms = sum(two_states(draw(random, n).tolist()) is not None for _ in range(sets))
            rates[spread, n] = alarms / sets
    assert {of: rate for of, rate in rates.items() if rate > 0.016} == {}


def test_two_states_are_found_in_noise() -> None:
    random = np.random.default_rng(1)
    levels = np.array([1.1, 1.1, 1.9, 1.1, 1.9, 1.9, 1.1, 1.9])
    found = [
        two_states((levels * random.lognormal(0, 0.02, len(levels))).tolist()) for _ in range(500)
    ]
    assert sum(one is not None for one in found) > 490


def test_the_most_exact_name_decides() -> None:
    bounds = {"*": 0.3, "latency*": 0.4, "latency_p9*": 0.5, "latency_p99_ns": 0.6}
    expected = {
        "throughput_items_per_s": 0.3,
        "latency_p50_ns": 0.4,
        "latency_p90_ns": 0.5,
        "latency_p99_ns": 0.6,
    }
    assert {name: bound(name, bounds) for name in expected} == expected
    assert bound("power_w", {"latency*": 0.4}) == math.inf


@pytest.mark.parametrize(
    "wrong",
    [
        {"": 0.3},
        {"l*y": 0.3},
        {"x": 1.0},
        {"*": 0.0},
        {"*": math.nan},
        {"*": math.inf},
        {"*": -1.0},
    ],
)
def test_a_wrong_bound_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="bound"):
        Suite("mine", 1, (), bounds=wrong)


def test_more_trials_do_not_make_them_alike() -> None:
    three_states = [1.0, 1.3, 1.7] * 4
    found = why(*three_states)
    assert found is not None and "trials spread over" in found
    assert why(*[1.0, 1.02, 0.98] * 4) is None


def test_the_headline_decides() -> None:
    wide = {P50: trials(1.0, 1.0, 1.0)[0][P50], "latency_p99_ns": Metric(value=1.0, n=9)}
    far = {P50: wide[P50], "latency_p99_ns": Metric(value=90.0, n=9)}
    case = results().cases[0].model_copy(update={"summary": summarize([wide, far, far])})
    assert case.summary["latency_p99_ns"].unsteady and not scenarios.is_unsteady(case)
    spread = case.model_copy(update={"summary": summarize(trials(1.0, 9.0, 1.0))})
    assert scenarios.is_unsteady(spread)
    assert scenarios.headline(spread) == (P50, spread.summary[P50])
    for unknown in ({"scenario": "of another version"}, {"summary": {}}):
        bare = spread.model_copy(update=unknown)
        assert scenarios.headline(bare)[1] is None and not scenarios.is_unsteady(bare)


def test_the_default_bounds_are_within_their_own_rules() -> None:
    Suite("mine", 1, (), bounds=BOUNDS)
    assert "*" in BOUNDS
