"""Plans: every trial once, interleaved, the same for the same seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from bench.runner import plan, suites

from .plans import make, target


def test_every_case_has_every_trial_once() -> None:
    made = make(trials=5)
    assert len(made.cases) == 4
    assert Counter(made.order) == {
        plan.Step(case.id, index): 1 for case in made.cases for index in range(5)
    }


def test_cases_are_interleaved() -> None:
    made = make(trials=5)
    for start in range(0, 20, 4):  # each block holds each case once
        block = made.order[start : start + 4]
        assert {step.case_id for step in block} == {case.id for case in made.cases}
        assert {step.index for step in block} == {start // 4}


def test_the_seed_decides_the_order() -> None:
    assert make(trials=9, seed=1).order == make(trials=9, seed=1).order
    assert make(trials=9, seed=1).order != make(trials=9, seed=2).order
    blocks = {tuple(step.case_id for step in make(trials=9).order[i : i + 4]) for i in (0, 4, 8)}
    assert len(blocks) > 1  # shuffled anew in every round


def test_a_plan_knows_when_it_was_made_and_on_what() -> None:
    made, again = make(), make()
    assert made.run_id != again.run_id
    age = datetime.now(timezone.utc) - datetime.fromisoformat(made.started_at)
    assert timedelta(0) <= age < timedelta(minutes=1)
    assert made.target(made.cases[0]).target == made.cases[0].target
    assert str(made.order[0]) == f"{made.order[0].case_id}#0"


def test_a_sustained_case_is_done_once_beside_others_done_more_often() -> None:
    chosen = suites.load("smoke")
    chosen = replace(suites.override(chosen, scenarios=["offline", "sustained"]), trials=3)
    cases = suites.cases(chosen, [target().target])
    made = plan.make(chosen, [target()], cases, 0, {})
    times = Counter(step.case_id.split("/")[3] for step in made.order)
    assert times == {"offline": 3, "sustained": 1}


MADE = make()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"run_id": "x"}, "UUID"),
        ({"started_at": "../../x"}, "isoformat"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"order": (*MADE.order, MADE.order[0])}, "a trial stands twice"),
        ({"order": (plan.Step("none", 0),)}, "of a case that is not there"),
        ({"order": (plan.Step(MADE.cases[0].id, -1),)}, "of a case that is not there"),
        ({"targets": MADE.targets[:1]}, "of a target that is not there"),
        ({"targets": (*MADE.targets, MADE.targets[0])}, "stands twice"),
        ({"cases": (*MADE.cases, MADE.cases[0])}, "stands twice"),
    ],
)
def test_a_plan_that_does_not_hold_together(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(MADE, **fields)
