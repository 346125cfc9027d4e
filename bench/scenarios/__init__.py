"""Scenarios: how load is applied to a session. One a module, found by its name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.results.records import Case, Summary
    from bench.results.trial import Metric, Part
    from bench.scenarios.scenario import Scenario

_SHARED = {"collect", "scenario"}
"""Modules that are no scenario."""


@cache
def names() -> tuple[str, ...]:
    """Every scenario's name, sorted; imports none of them."""
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name.replace("_", "-") for name in modules if name not in _SHARED))


def get(name: str) -> Scenario:
    """The scenario of the name; raises KeyError for one that is not there."""
    if name not in names():
        raise KeyError(name)
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    scenario: Scenario = module.SCENARIO
    return scenario


def derive(
    name: str, parts: Sequence[Part], flops_per_item: Sequence[int | None]
) -> dict[str, Metric]:
    """Every metric that follows from the samples of a trial's parts, and the FLOPs of an item of
    each. The device's own events are a figure of the trial where it has one part.

    Raises ValueError where it holds no samples, or others than the scenario's.
    """
    from bench.figures import metrics
    from bench.scenarios.scenario import Seen

    if name not in names():
        raise ValueError(f"there is no scenario {name!r}")
    pairs = zip(parts, flops_per_item, strict=True)
    try:
        found = get(name).figures([Seen(part.series, flops) for part, flops in pairs])
    except KeyError as error:
        raise ValueError(f"it holds no series {error}") from error
    return found | metrics.device_events(parts[0].device_event_ns if len(parts) == 1 else None)


def headline(case: Case) -> tuple[str, Summary | None]:
    """The metric that a case is known by, and its figure, None where it has none. The name is empty
    for a scenario that this version does not know, as a file of another may hold."""
    name = get(case.scenario).headline if case.scenario in names() else ""
    return name, case.summary.get(name)


def is_unsteady(case: Case) -> bool:
    """Whether the figure that a case is known by cannot be relied on."""
    _, found = headline(case)
    return found is not None and found.unsteady is not None
