"""The scenario: a record of how load is applied, and of what is made of what was seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bench.backend import Session
from bench.bounds import Amount, Count
from bench.scenarios.collect import Load, Observations
from bench.suite import MOST_BUDGETS, Measure

if TYPE_CHECKING:  # a worker is spared what they need
    from bench.results.trial import Metric, Series


@dataclass(frozen=True, slots=True)
class Options:
    """What a suite may state of one scenario, under `[options.NAME]`; a scenario's own come on
    top."""

    trials: Count = 0
    """How often its cases are measured; 0: as often as the suite's others."""

    def __post_init__(self) -> None:
        if not 0 <= self.trials <= 1000:
            raise ValueError("trials must be 1 to 1000")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the worker of one part saw, as figures are computed from it."""

    series: Mapping[str, Series]
    flops_per_item: int | None
    """Of an item of that part; None where its operations are not known."""


def only(parts: Sequence[Seen]) -> Seen:
    """The part of a scenario that has one; raises ValueError for several."""
    if len(parts) != 1:
        raise ValueError(f"it holds {len(parts)} parts, and its scenario has one")
    return parts[0]


@dataclass(frozen=True, slots=True)
class Length:
    """How long a trial measures, in seconds."""

    about_s: Amount
    over_s: Amount
    """What it may take beyond the suite's `timeout_s`."""


def by_budget(measure: Measure, options: Any, power: bool) -> Length:
    """Of a load that goes on until its samples say enough, or the budget is spent; and then for
    its energy, where power is read."""
    del options
    energy_s = measure.energy_s if power else 0.0
    about_s = measure.warmup_s + measure.budget_s + energy_s
    return Length(about_s, (MOST_BUDGETS - 1) * measure.budget_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One way to apply load. A module of this package that holds one as SCENARIO adds it; its name
    is the module's, with `-` for `_`."""

    observe: Callable[[Load, Any], Observations]
    """Drives the session, with the scenario's options; returns a trial's raw observations."""
    figures: Callable[[Sequence[Seen]], dict[str, Metric]]
    """Metrics of a trial by name from what its parts saw: a pure function, so that anyone can
    compute them again. Raises ValueError for series that hold no such samples, and KeyError where
    there is no such series."""
    headline: str
    """The metric that a case is known by: progress and tables show it."""
    tunes: Literal["batch"] | None = None
    """What a search decides before the first trial, where the suite does not state it."""
    options: type[Options] = Options
    length: Callable[[Measure, Any, bool], Length] = by_budget
    needs: type = Session
    """The session it drives; a backend's that is none makes the case unsupported."""
    check_first: bool = False
    """Whether the outputs are checked before the timing, not after it: of a load that changes the
    weights."""
