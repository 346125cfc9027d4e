"""How long a run says that it will take."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.runner.duration import Duration, estimate
from bench.runner.plan import Plan

from .plans import make


def plan(**measure: float) -> Plan:
    """Two cases of three trials with a fixed batch."""
    made = make(3, scenarios=["single-stream"])
    cases = [replace(case, measure=replace(case.measure, **measure)) for case in made.cases]
    return replace(made, cases=tuple(cases))


def test_every_second_of_budget_counts_once_a_trial() -> None:
    short, long = plan(budget_s=1, warmup_s=1), plan(budget_s=11, warmup_s=3)
    a, b = estimate(short, short.order, ()), estimate(long, long.order, ())
    assert (a.cases, a.trials) == (2, 6)
    assert b.about_s - a.about_s == pytest.approx(6 * 12)
    # each is ended at its time limit, which lets it go three budgets over its own
    assert (a.at_most_s, b.at_most_s) == (6 * (120 + 3 * 1), 6 * (120 + 3 * 11))


def test_what_is_done_already_is_not_counted() -> None:
    made = plan()
    rest = estimate(made, made.order[4:], ())
    assert (rest.cases, rest.trials) == (2, 2)
    assert rest.about_s == pytest.approx(estimate(made, made.order, ()).about_s / 3)


def test_power_takes_a_longer_load_and_an_idle_baseline() -> None:
    made = plan(energy_s=10)
    target = made.targets[0].target
    more = estimate(made, made.order, [target]).about_s - estimate(made, made.order, ()).about_s
    assert more == pytest.approx(3 * 10 + made.suite.measure.idle_s)


def test_a_sustained_load_takes_what_it_is_told_to() -> None:
    made = make(None, scenarios=["sustained"])
    assert len(made.order) == 2
    found = estimate(made, made.order, ())
    assert 2 * 600 < found.about_s < 2 * 630
    assert found.at_most_s == 2 * (600 + 120) + 2 * 2 * 720  # and the searches of two batches


def test_a_simulated_device_does_not_take_our_time() -> None:
    made = plan(budget_s=3600)
    targets = tuple(replace(target, simulated=True) for target in made.targets)
    assert estimate(replace(made, targets=targets), made.order, ()).about_s < 60
    slow = tuple(
        replace(target, device=replace(target.device, properties={"time": "wall"}))
        for target in targets
    )
    assert estimate(replace(made, targets=slow), made.order, ()).about_s > 3600


@pytest.mark.parametrize(
    ("about_s", "at_most_s", "words"),
    [
        (44.6, 89, "about 45 s, at most 89 s"),
        (718, 4320, "about 12 min, at most 72 min"),
        (3600, 120_000, "about 60 min, at most 33 h 20 min"),
    ],
)
def test_it_is_said_in_units_that_fit(about_s: float, at_most_s: float, words: str) -> None:
    said = str(Duration(18, 54, about_s, at_most_s))
    assert said.startswith(f"cases: 18, trials: 54; takes {words}")
