"""Suites: versioned lists of cases, and the planning of cases out of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

from bench import registry
from bench.axes import Axes, label
from bench.bounds import Amount, Count, Share
from bench.digest import digest
from bench.errors import UsageError
from bench.model import PRECISIONS, ModelCard, Precision
from bench.settings import toml

MEASURE_RULES = 1
"""Raised when a change of the measuring rules makes results incomparable with older ones."""

MOST_BUDGETS = 4.0
"""A trial with fewer than its least samples at the end of its budget goes on to this many."""

BOUNDS: Mapping[str, float] = {
    "*": 0.3,
    "latency_p90_ns": 0.5,
    "latency_p99_ns": 1.0,
    "latency_p999_ns": 2.0,
    "peak_power_w": 0.5,
    "idle_power_w": 0.5,
}
"""Metric, or the beginning of its name and `*` -> greatest width of its interval between trials,
(high - low) / value. What a suite states goes before these."""

ScenarioName = Literal["single-stream", "offline", "sustained"]
SCENARIOS: tuple[ScenarioName, ...] = ("single-stream", "offline", "sustained")


@dataclass(frozen=True, slots=True)
class Measure:
    """How long and how exactly a trial measures."""

    budget_s: Amount = 3.0
    """Most measuring time of one trial, warm-up and fidelity not counted; up to MOST_BUDGETS of
    them where a trial would end with fewer than its least samples."""
    least_s: Amount = 0.5
    """Least measuring time, however exact the samples are before."""
    least_samples: Count = 20
    """Fewest latencies of a trial; of throughput, whose samples are rounds of many runs, the
    scenario says how many."""
    confidence_width: Share = 0.02
    """Stop when the interval of the median is this narrow, as a share of the median."""
    warmup_s: Amount = 1.0
    """Most warm-up time; measuring starts anyway, and `steady` says false."""
    slots: Count = 4
    """Distinct input sets that are rotated."""
    timeout_s: Amount = 120.0
    """A trial that has not ended by then is killed; loading and compiling count. What a trial
    may go over its budget, and the length of a sustained load, are added."""
    sustained_s: Amount = 600.0
    """Length of the scenario `sustained`."""
    energy_s: Amount = 6.0
    """Length of the steady load that energy is read over, where a power sensor is readable."""
    idle_s: Amount = 10.0
    """Length of the idle baseline before the first trial, where a power sensor is readable."""

    def __post_init__(self) -> None:
        for name in ("budget_s", "timeout_s", "sustained_s"):
            if not 0 < getattr(self, name) <= 86_400:
                raise ValueError(f"{name} must be above 0 and at most a day")
        for name in ("least_s", "warmup_s", "energy_s", "idle_s"):
            if not 0 <= getattr(self, name) <= 86_400:
                raise ValueError(f"{name} must be from 0 to a day")
        if not 0 < self.confidence_width <= 1:
            raise ValueError("confidence_width must be above 0 and at most 1")
        if not 1 <= self.least_samples <= 1_000_000:
            raise ValueError("least_samples must be 1 to 1000000")
        if not 1 <= self.slots <= 64:
            raise ValueError("slots must be 1 to 64")


@dataclass(frozen=True, slots=True)
class Group:
    """Cases that are the product of the lists in it."""

    models: tuple[str, ...]
    scenarios: tuple[ScenarioName, ...]
    precisions: tuple[Precision, ...] = ("fp32",)
    batches: tuple[int, ...] = ()
    """Fixed batch sizes; empty: 1 for single-stream, searched for the others."""
    axes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Sizes of models' axes, such as `{ sequence = [128, 512] }`; a model without the axis is
    measured as it is, one with it at each size in place of the published one."""
    backends: tuple[str, ...] = ()
    """Backends the group is meant for; empty: every one."""
    allow_fallback: float = 0.0
    """Share of nodes that may run elsewhere than on the target's provider."""

    def __post_init__(self) -> None:
        if any(not 1 <= batch <= 65_536 for batch in self.batches):
            raise ValueError("a batch is 1 to 65536")
        if not 0 <= self.allow_fallback < 1:
            raise ValueError("allow_fallback is a share from 0 up to, not including, 1")


@dataclass(frozen=True, slots=True)
class Suite:
    """A versioned list of cases."""

    name: str
    version: int
    cases: tuple[Group, ...]
    title: str = ""
    title_zh: str = ""
    trials: int = 3
    sustained_trials: int = 1
    """Trials of the scenario `sustained`, which takes as long as it is told to."""
    measure: Measure = field(default_factory=Measure)
    bounds: Mapping[str, float] = field(default_factory=dict)
    """Metric, or the beginning of its name and `*` -> greatest relative width of its interval
    between trials; what is not stated is as in BOUNDS."""

    def __post_init__(self) -> None:
        if not 1 <= self.trials <= 1000:
            raise ValueError("trials must be 1 to 1000")
        _check_bounds(self.bounds)
        # all of them, so that they are part of the digest and of the results file
        object.__setattr__(self, "bounds", {**BOUNDS, **self.bounds})
        if not 1 <= self.sustained_trials <= 1000:
            raise ValueError("sustained_trials must be 1 to 1000")

    @property
    def digest(self) -> str:
        """Identifies the exact content, whatever the file looked like."""
        return digest(asdict(self), 12)

    def trials_of(self, scenario: ScenarioName) -> int:
        """How often a case of the scenario is measured."""
        return self.sustained_trials if scenario == "sustained" else self.trials


@dataclass(frozen=True, slots=True)
class Case:
    """One workload x scenario x target, before anything ran."""

    target: str
    card: ModelCard
    precision: Precision
    scenario: ScenarioName
    batch: int | None
    """None: the automatic search decides."""
    axes: Axes
    """Sizes of the model's axes but the batch."""
    measure: Measure
    allow_fallback: float

    @property
    def id(self) -> str:
        """Never depends on order; the same case has the same id in every run."""
        sizes = label(self.batch, self.axes)
        return f"{self.card.name}/{self.precision}/{sizes}/{self.scenario}/{self.target}"

    @property
    def version(self) -> str:
        """Digest of what is measured, and by which rules."""
        card = asdict(self.card)
        measure = asdict(self.measure)
        for key in ("title", "published", "module", "axes"):  # axes: what else it could be run at
            del card[key]
        if self.card.family:  # of a person's own model the source is its digest
            del card["source"]
        for key in ("timeout_s", "idle_s"):  # safety limits, not part of what is measured
            del measure[key]
        measure["allow_fallback"] = self.allow_fallback
        axes = dict(self.axes)
        parts = [MEASURE_RULES, card, self.precision, self.scenario, self.batch, axes, measure]
        return digest(parts, 12)


def _check_bounds(bounds: Mapping[str, float]) -> None:
    """Raises ValueError for what is no table of bounds."""
    for key, width in bounds.items():
        if not key or "*" in key[:-1]:
            raise ValueError(
                f"the bound {key!r} must be a metric's name, or the beginning of one and *"
            )
        if not 0 < width <= 1000:
            raise ValueError(f"the bound of {key} must be above 0 and at most 1000")


def load(name: str) -> Suite:
    """A shipped suite by name, or any by its path; raises UsageError or RefusedInput."""
    path = Path(name) if name.endswith(".toml") else registry.suites().get(name)
    if path is None:
        raise registry.unknown("suite", name, registry.suites())
    suite = toml.load(Suite, path)
    for index, group in enumerate(suite.cases):
        for place, model in enumerate(group.models):
            if model not in registry.models():
                error = registry.unknown("model", model, registry.models())
                raise toml.problem(path, ("cases", index, "models", place), str(error))
        problem = _refused([group], group.axes)
        if problem:
            raise toml.problem(path, ("cases", index, "axes"), problem)
    return suite


def override(
    suite: Suite,
    models: Sequence[str] = (),
    scenarios: Sequence[str] = (),
    precisions: Sequence[str] = (),
    batches: Sequence[int] = (),
    trials: int | None = None,
    budget_s: float | None = None,
    axes: Sequence[str] = (),
) -> Suite:
    """The suite with the lists a person named on the command line put in place of its own.

    `axes` are written `sequence=512`. Raises UsageError.
    """
    for name in models:
        registry.model(name)
    for name in scenarios:
        if name not in SCENARIOS:
            raise registry.unknown("scenario", name, SCENARIOS)
    for name in precisions:
        if name not in PRECISIONS:
            raise registry.unknown("precision", name, PRECISIONS)
    changes: dict[str, Any] = {}
    if models:
        changes["models"] = tuple(models)
    if scenarios:
        changes["scenarios"] = tuple(scenarios)
    if precisions:
        changes["precisions"] = tuple(precisions)
    if batches:
        changes["batches"] = tuple(batches)
    asked = _parse(axes)
    try:
        groups = tuple(
            replace(group, **changes, axes={**group.axes, **asked}) for group in suite.cases
        )
        problem = _refused(groups, asked)
        if problem:
            raise UsageError(problem)
        measure = suite.measure
        if budget_s is not None:
            measure = replace(
                measure,
                budget_s=budget_s,
                sustained_s=budget_s,
                least_s=min(measure.least_s, budget_s),
            )
        if trials is not None:
            suite = replace(suite, trials=trials, sustained_trials=trials)
        return replace(suite, cases=groups, measure=measure)
    except ValueError as error:
        raise UsageError(f"{error}") from error


def cases(suite: Suite, targets: Sequence[str], cards: Sequence[ModelCard] = ()) -> list[Case]:
    """Every case of the suite on every target, each once, in the suite's order.

    `cards` puts a person's own models in place of the suite's.
    """
    found: dict[str, Case] = {}
    for group in suite.cases:
        chosen = cards or [registry.model(name) for name in group.models]
        for card, precision, scenario in product(chosen, group.precisions, group.scenarios):
            batches = group.batches or (_batch(card, scenario),)
            for batch, axes, target in product(batches, _sizes(card, group.axes), targets):
                if group.backends and _backend(target) not in group.backends:
                    continue
                case = Case(
                    target=target,
                    card=card,
                    precision=precision,
                    scenario=scenario,
                    batch=batch,
                    axes=axes,
                    measure=suite.measure,
                    allow_fallback=group.allow_fallback,
                )
                found.setdefault(case.id, case)
    return list(found.values())


def _batch(card: ModelCard, scenario: str) -> int | None:
    """The batch where none was asked for; None: the search decides."""
    return card.batch or (1 if scenario == "single-stream" else None)


def _backend(target: str) -> str:
    return target.split("@")[0].split("+")[0]


def _sizes(card: ModelCard, asked: Mapping[str, Sequence[int]]) -> list[Axes]:
    """The product of the sizes asked for of the card's axes, the published ones of the others."""
    choices = [asked.get(name, (axis.default,)) for name, axis in card.axes.items()]
    return [dict(zip(card.axes, sizes, strict=True)) for sizes in product(*choices)]


def _parse(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Sizes by axis of `sequence=512`; raises UsageError."""
    found: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, _, size = text.partition("=")
        if not re.fullmatch(r"[0-9]{1,7}", size):
            raise UsageError(f"{text!r} is not the size of an axis; write it as sequence=512")
        found[name] = (*found.get(name, ()), int(size))
    return found


def _refused(groups: Sequence[Group], needed: Iterable[str]) -> str | None:
    """Why the groups' models cannot be measured at their sizes; None: they can.

    Some model must have each of the `needed` axes; every model that has an axis must allow its
    sizes.
    """
    known = {
        axis for group in groups for name in group.models for axis in registry.model(name).axes
    }
    for name in needed:
        if name not in known:
            others = ", ".join(sorted(known)) or "none but the batch"
            return f"no chosen model has an axis {name!r}; they have {others}"
    for group in groups:
        for card in map(registry.model, group.models):
            for name, axis in card.axes.items():
                for size in group.axes.get(name, ()):
                    if not axis.allows(size):
                        return f"the {name} of {card.name} can be {axis}, and not {size}"
    return None
