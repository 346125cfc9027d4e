"""What is known of a run: built up trial by trial, and again from the journal."""

from __future__ import annotations

from typing import Any

import pytest

from bench.errors import RefusedInput
from bench.results.records import BatchPoint
from bench.results.trial import Metric, Trial
from bench.runner.judge import judge
from bench.runner.plan import Plan, Step
from bench.runner.state import Search, choose, fresh, remaining, restore

from .. import examples
from ..examples import samples, series
from .plans import make

KINDS = ("latency", "round", "end_to_end_round")
"""Of the scenarios of the plans here."""


def trial(index: int, **fields: Any) -> Trial:
    """A trial of one part, which may be of any of them."""
    ended = {key: fields[key] for key in ("status", "reason") if key in fields}
    part = examples.part(series=dict.fromkeys(KINDS, examples.timed(index)), **ended)
    return examples.trial(index, parts=[part], **fields)


@pytest.fixture
def plan() -> Plan:
    return make(trials=3)


def measured(plan: Plan, step: Step, **fields: Any) -> Trial:
    """The trial of the step, with the figures of its case."""
    case = next(case for case in plan.cases if case.id == step.case_id)
    return judge(trial(step.index, **fields), case, case.batch, plan.target(case).device.id)


def entry(step: Step, **fields: Any) -> dict[str, Any]:
    return {"case": step.case_id, "trial": trial(step.index, **fields).model_dump(mode="json")}


def test_at_first_everything_remains_in_the_planned_order(plan: Plan) -> None:
    states = fresh(plan)
    assert remaining(plan, states) == list(plan.order)
    batches = {case.scenario: states[case.id].batch for case in plan.cases}
    assert batches == {"single-stream": 1, "offline": None}


def test_what_is_journalled_need_not_run_again(plan: Plan) -> None:
    states = restore(plan, [entry(step) for step in plan.order[:5]])
    assert remaining(plan, states) == list(plan.order[5:])
    done = states[plan.order[0].case_id].trials[plan.order[0].index]
    assert done == measured(plan, plan.order[0])


def test_restoring_gives_the_state_that_was_built_up(plan: Plan) -> None:
    built = fresh(plan)
    built[plan.order[0].case_id].add(measured(plan, plan.order[0]))
    assert restore(plan, [entry(plan.order[0])]) == built


@pytest.mark.parametrize("status", ["unsupported", "timeout"])
def test_a_case_that_cannot_run_or_hangs_is_not_tried_again(plan: Plan, status: str) -> None:
    step = plan.order[0]
    states = restore(plan, [entry(step, status=status, reason="why")])
    assert states[step.case_id].settled == (status, "why")
    assert all(left.case_id != step.case_id for left in remaining(plan, states))


@pytest.mark.parametrize("status", ["failed", "crashed", "out-of-memory", "invalid"])
def test_other_ends_leave_the_other_trials_their_chance(plan: Plan, status: str) -> None:
    states = restore(plan, [entry(plan.order[0], status=status, reason="why")])
    assert remaining(plan, states) == list(plan.order[1:])


def point(batch: int, rate: float | None) -> BatchPoint:
    return BatchPoint(batch=batch, items_per_s=rate, reason=None if rate else "no memory")


@pytest.mark.parametrize(
    ("points", "chosen"),
    [
        ([], 1),
        ([(1, None)], 1),
        ([(1, 100)], 1),
        ([(1, 100), (2, 190), (4, 200), (8, 201), (16, None)], 4),
        ([(1, 100), (2, 102.9), (4, 99)], 1),
        ([(1, 100), (2, 104), (4, 99)], 2),
        ([(1, 100), (2, 50), (4, 1000)], 4),
    ],
)
def test_the_smallest_batch_that_is_nearly_the_best(
    points: list[tuple[int, float | None]], chosen: int
) -> None:
    assert choose(point(batch, rate) for batch, rate in points) == chosen


def test_a_searched_batch_is_restored(plan: Plan) -> None:
    case = next(case for case in plan.cases if case.batch is None)
    points = [point(1, 100), point(2, 190), point(4, None)]
    search = Search(points=points, end="memory", reason=None)
    found = {"case": case.id, "search": search.model_dump(mode="json")}
    restored = restore(plan, [found])[case.id]
    assert (restored.batch, restored.search) == (2, search)


def test_a_case_whose_search_found_nothing_is_tried_at_batch_one(plan: Plan) -> None:
    case = next(case for case in plan.cases if case.batch is None)
    search = Search(points=[point(1, None)], end="cut-short", reason="at batch 1: why")
    found = {"case": case.id, "search": search.model_dump(mode="json")}
    assert restore(plan, [found])[case.id].batch == 1


def of(plan: Plan, **fields: Any) -> dict[str, Any]:
    return {**entry(plan.order[0]), **fields}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"case": "resnet8/fp32/b1/single-stream/torch@cpu:9"}, "is not a record of this run"),
        ({"case": None}, "is not a record of this run"),
        ({"case": ["a"]}, "is not a record of this run"),
        ({"trial": None}, "is not a record of this run"),
        ({"trial": {"status": "ok"}}, "is not a record of this run"),
        ({"search": 7}, "is not a record of this run"),
        ({"search": [{"batch": "many"}]}, "is not a record of this run"),
        ({"search": {"points": [], "end": "well", "reason": None}}, "is not a record of this run"),
        ({"trial": trial(7).model_dump(mode="json")}, "is of a trial that was not planned"),
    ],
)
def test_entries_of_another_run_are_refused(plan: Plan, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(RefusedInput) as refused:
        restore(plan, [entry(plan.order[1]), of(plan, **fields)])
    assert str(refused.value) == f"line 3 of the journal {said}"


def test_a_trial_or_search_that_stands_twice_is_refused(plan: Plan) -> None:
    with pytest.raises(RefusedInput, match="line 3 of the journal is of a trial that stands bef"):
        restore(plan, [entry(plan.order[0]), entry(plan.order[0])])
    case = next(case for case in plan.cases if case.batch is None)
    found = {
        "case": case.id,
        "search": {
            "points": [point(1, 100).model_dump(mode="json")],
            "end": "level",
            "reason": None,
        },
    }
    with pytest.raises(RefusedInput, match="line 3 of the journal is of a search done before"):
        restore(plan, [found, found])


@pytest.mark.parametrize("changed", [None, 7, [7], {"a": 1}])
def test_a_resumption_says_what_changed(plan: Plan, changed: object) -> None:
    fine = {"resumed": "2026-01-02T03:04:05+00:00", "changed": ["x"]}
    with pytest.raises(RefusedInput, match="line 4 of the journal is not a record of this run"):
        restore(plan, [entry(plan.order[0]), fine, {**fine, "changed": changed}])


def test_figures_are_those_of_the_samples_whatever_a_journal_says(plan: Plan) -> None:
    step = plan.order[0]
    forged = entry(step, metrics={"latency_p50_ns": Metric(value=-1e308, n=3)})
    (done,) = restore(plan, [forged])[step.case_id].trials.values()
    assert done == measured(plan, step)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"wall_s": 1e308}, "it took longer than its clock counts"),
        ({"parts": []}, "it holds 0 parts, and its scenario has one"),
        ({"series": {}}, "it holds no samples"),
        ({"series": {"latency": series([5, -5])}}, "one that took no time"),
        ({"series": {"latency": series([5], samples=samples([5.0, float("nan")]))}}, "no time"),
        (
            {"series": {"latency": series([5], samples=samples([5]).model_copy(update={"n": 2}))}},
            "samples are not a complete stream",
        ),
    ],
)
def test_a_trial_that_cannot_be_is_refused(plan: Plan, fields: dict[str, Any], said: str) -> None:
    step = next(step for step in plan.order if "single-stream" in step.case_id)
    done = trial(step.index)
    if "series" in fields:
        fields = {"parts": [done.parts[0].model_copy(update=fields)]}
    done = done.model_copy(update=fields)
    forged = {"case": step.case_id, "trial": done.model_dump(mode="json")}
    with pytest.raises(RefusedInput, match="line 2 of the journal is of a trial that ca") as error:
        restore(plan, [forged])
    assert said in str(error.value)
