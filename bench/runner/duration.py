"""How long a run will take, said before it starts: a long one is not to be begun by mistake."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bench.runner import options, parallel, part
from bench.runner.execute import SEARCH_TIMEOUT_FACTOR
from bench.runner.plan import Plan, Step
from bench.suite import Case

START_S = 2.0
"""Of a trial before and after it measures: process, imports, compiling, checking the outputs."""
PARAMETERS_PER_S = 2e7
"""How fast weights are made, loaded and run for the check, roughly, on a CPU."""
SEARCH_S = 5.0
"""Of a batch search, beside its start: about ten sizes of half a second."""


@dataclass(frozen=True, slots=True)
class Duration:
    """What a plan takes from here on; preparing each model for the first time comes on top."""

    cases: int
    trials: int
    about_s: float
    """Every trial spends its whole budget."""
    at_most_s: float
    """Every trial and search runs into its time limit."""

    def __str__(self) -> str:
        return (
            f"cases: {self.cases}, trials: {self.trials}; takes about {_words(self.about_s)}, "
            f"at most {_words(self.at_most_s)}, and the first preparation of each model"
        )


def estimate(plan: Plan, steps: Sequence[Step], powered: Collection[str]) -> Duration:
    """For the steps still to be done; `powered` names the targets whose power is read."""
    cases = {case.id: case for case in plan.cases}
    simulated = {
        target.target
        for target in plan.targets
        if target.simulated and target.device.properties.get("time") != "wall"
    }
    due = {step.case_id for step in steps}
    idle_s = plan.suite.measure.idle_s * len(powered)
    about_s = at_most_s = idle_s
    for name in due:
        case = cases[name]
        if case.batch is None:
            about_s += _start_s(case) + SEARCH_S
            at_most_s += part.timeout_s(case) * SEARCH_TIMEOUT_FACTOR
    for together in parallel.rounds(plan, steps):
        chosen = [cases[step.case_id] for step in together]
        at_most_s += max(part.timeout_s(case) for case in chosen)
        about_s += max(
            _start_s(case)
            # a simulated device's time is not ours, unless it keeps to the wall clock
            + (0 if case.target in simulated else _measuring_s(case, case.target in powered))
            for case in chosen
        )
    return Duration(len(due), len(steps), about_s, at_most_s)


def _start_s(case: Case) -> float:
    return START_S + case.card.parameters / PARAMETERS_PER_S


def _measuring_s(case: Case, power: bool) -> float:
    return options.length(case, power).about_s


def _words(seconds: float) -> str:
    """`45 s`, `12 min` or `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
