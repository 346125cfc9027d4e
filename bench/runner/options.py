"""What a suite states of a scenario, and what follows from it for its cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

from bench import registry, scenarios
from bench.settings import toml
from bench.suite import Case, Suite
from bench.suite import Options as Stated

if TYPE_CHECKING:  # a list of suites needs no scenario, and none of what they import
    from bench.scenarios.scenario import Length, Options


def of(suite: Suite, scenario: str, path: Path) -> Options:
    """The options of a scenario: what the suite states, which was read from `path`, and defaults.

    Raises RefusedInput.
    """
    stated = suite.options.get(scenario, {})
    return toml.convert(scenarios.get(scenario).options, stated, path, ("options", scenario))


def check(suite: Suite, path: Path) -> None:
    """Raises RefusedInput where the suite states what no scenario knows."""
    for index, group in enumerate(suite.cases):
        for place, name in enumerate(group.scenarios):
            if name not in scenarios.names():
                error = registry.unknown("scenario", name, scenarios.names())
                raise toml.problem(path, ("cases", index, "scenarios", place), str(error))
    for name in suite.options:
        if name not in scenarios.names():
            error = registry.unknown("scenario", name, scenarios.names())
            raise toml.problem(path, ("options", name), str(error))
        of(suite, name, path)


def override(suite: Suite, trials: int | None, budget_s: float | None) -> Mapping[str, Stated]:
    """The suite's options with a number of trials for every scenario, and the budget as the length
    of a load of a set time."""
    found = {}
    for name in scenarios.names():
        stated = dict(suite.options.get(name, {}))
        if trials is not None:
            stated["trials"] = trials
        if budget_s is not None and any(
            field.name == "length_s" for field in fields(scenarios.get(name).options)
        ):
            stated["length_s"] = budget_s
        if stated:
            found[name] = stated
    return found


def of_case(suite: Suite, scenario: str) -> Stated:
    """What a case keeps of its scenario's options: all but the number of its trials."""
    table = asdict(of(suite, scenario, Path(suite.name)))
    del table["trials"]
    return table


def trials(suite: Suite, scenario: str) -> int:
    """How often a case of the scenario is measured."""
    return of(suite, scenario, Path(suite.name)).trials or suite.trials


def length(case: Case, power: bool = False) -> Length:
    """How long a trial of the case measures; `power` when power is read.

    Raises ValueError for a case that no plan of ours holds, as a journal may.
    """
    if case.scenario not in scenarios.names():
        raise ValueError(f"there is no scenario {case.scenario!r}")
    scenario = scenarios.get(case.scenario)
    stated = toml.convert(scenario.options, dict(case.options), Path("the plan"))
    return scenario.length(case.measure, stated, power)
