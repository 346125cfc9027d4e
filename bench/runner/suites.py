"""Planning: a suite is read, overridden by the command line, and made into cases on targets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from bench import registry
from bench import scenarios as known
from bench.axes import Axes
from bench.errors import UsageError
from bench.model import PRECISIONS, ModelCard
from bench.runner import options
from bench.settings import toml
from bench.suite import Case, Group, Suite


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
    options.check(suite, path)
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
        if name not in known.names():
            raise registry.unknown("scenario", name, known.names())
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
                least_s=min(measure.least_s, budget_s),
            )
        if trials is not None:
            suite = replace(suite, trials=trials)
        stated = options.override(suite, trials, budget_s)
        return replace(suite, cases=groups, measure=measure, options=stated)
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
                    options=options.of_case(suite, scenario),
                    batch=batch,
                    axes=axes,
                    measure=suite.measure,
                    allow_fallback=group.allow_fallback,
                )
                found.setdefault(case.id, case)
    return list(found.values())


def _batch(card: ModelCard, scenario: str) -> int | None:
    """The batch where none was asked for; None: the search decides."""
    return card.batch or (None if known.get(scenario).tunes == "batch" else 1)


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
