"""What is known of each case while a run goes on; rebuilt from the journal on resume."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import RootModel, ValidationError

from bench.bounds import Text
from bench.errors import RefusedInput
from bench.language.plain import first_line
from bench.results.record import Record
from bench.results.records import BatchPoint, SearchEnd
from bench.results.trial import Status, Trial
from bench.runner import judge
from bench.runner.plan import Plan, Step

_Changed = RootModel[list[str]]
BATCH_GAIN = 1.03
"""The chosen batch is the smallest whose throughput is within this factor of the best."""


class Search(Record):
    """A batch search as the journal keeps it, also one that was cut short."""

    points: list[BatchPoint]
    end: SearchEnd
    reason: Text | None
    """What cut it short."""


@dataclass(slots=True)
class CaseState:
    """One case's progress."""

    batch: int | None
    """None until the automatic search has chosen."""
    search: Search | None = None
    trials: dict[int, Trial] = field(default_factory=dict)
    settled: tuple[Status, str] | None = None
    """Status and reason of a case that needs no further trials."""
    prepared: bool = False
    """Whether this run has seen to its files; they may be there from an earlier one."""
    onnx: str | None = None
    onnx_sha256: str | None = None
    reference: str | None = None

    @property
    def found(self) -> dict[str, int]:
        """What the search settled; nothing where it is still to choose, or no batch ran."""
        if self.batch is None or self.search is None:
            return {}
        return {"batch": self.batch} if any(p.items_per_s for p in self.search.points) else {}

    def add(self, trial: Trial) -> None:
        """Take a finished trial in; a case that cannot run, or hangs, is not tried again."""
        self.trials[trial.index] = trial
        if trial.status in ("unsupported", "timeout"):
            self.settled = (trial.status, trial.reason or "")


def fresh(plan: Plan) -> dict[str, CaseState]:
    """Nothing done yet."""
    return {case.id: CaseState(case.batch) for case in plan.cases}


def restore(plan: Plan, entries: Iterable[dict[str, Any]]) -> dict[str, CaseState]:
    """The state after the journal's entries; raises RefusedInput for entries that do not fit, and
    for trials of which no worker could have reported."""
    states = fresh(plan)
    planned = set(plan.order)
    cases = {case.id: case for case in plan.cases}
    for number, entry in enumerate(entries, 2):
        try:
            if "resumed" in entry:
                _Changed.model_validate(entry["changed"])
                continue
            case = cases[entry["case"]]
            state = states[case.id]
            if "search" in entry:
                if state.search is not None:
                    raise RefusedInput(f"line {number} of the journal is of a search done before")
                state.search = Search.model_validate(entry["search"])
                state.batch = choose(state.search.points)
                continue
            trial = Trial.model_validate_json(json.dumps(entry["trial"]))
        except (KeyError, TypeError, ValidationError) as error:
            raise RefusedInput(
                f"line {number} of the journal is not a record of this run"
            ) from error
        if Step(case.id, trial.index) not in planned:
            raise RefusedInput(f"line {number} of the journal is of a trial that was not planned")
        if trial.index in state.trials:
            raise RefusedInput(f"line {number} of the journal is of a trial that stands before it")
        try:
            state.add(judge.again(trial, case, state.batch, plan.target(case).device.id))
        except (ValueError, ArithmeticError) as error:
            raise RefusedInput(
                f"line {number} of the journal is of a trial that cannot be: {first_line(error)}"
            ) from error
    return states


def last_ns(states: Mapping[str, CaseState]) -> int:
    """A reading of the run's clock that is after every one in the finished trials."""
    ends = [0]
    for state in states.values():
        for trial in state.trials.values():
            # the sensors read on after the last series, but not after the trial's own end
            rest_ns = round(1e9 * (trial.wall_s or 0.0))
            for part in trial.parts:
                if part.clock is not None and part.clock.source != "simulated":
                    ends += [series.end_ns + rest_ns for series in part.series.values()]
    return max(ends)


def choose(points: Iterable[BatchPoint]) -> int:
    """The smallest batch whose throughput is nearly the best.

    1 if none ran: a trial at batch 1 then gives the case its status and its stderr tail.
    """
    ran = [(point.items_per_s, point.batch) for point in points if point.items_per_s]
    if not ran:
        return 1
    best = max(rate for rate, _ in ran)
    return min(batch for rate, batch in ran if rate * BATCH_GAIN >= best)


def remaining(plan: Plan, states: dict[str, CaseState]) -> list[Step]:
    """Planned trials that have neither run nor been settled, in the planned order."""
    return [
        step
        for step in plan.order
        if states[step.case_id].settled is None and step.index not in states[step.case_id].trials
    ]
