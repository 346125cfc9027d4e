"""Taking up a run again: with nothing that acts from its journal, and on what it began on.

A journal may come from anywhere. What a run imports and executes is named by its model cards and
adapters; those of this installation take their place, and whatever is not as it was is listed.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from bench import __version__, registry
from bench.adapter import Adapter
from bench.devices import discover
from bench.errors import RefusedInput
from bench.model import ModelCard
from bench.runner.plan import Plan
from bench.system import environment
from bench.system.cache import file_digest
from bench.target import Resolved, Target

MACHINE = (
    *("hostname", "architecture", "product", "cpu_model", "sockets", "physical_cores"),
    *("logical_cores", "usable_cores", "os", "kernel", "libc", "python", "git_commit"),
)
"""Fields of the environment that are of one machine and its software, not of the moment."""


def renew(plan: Plan, adapters: Mapping[str, Adapter]) -> tuple[Plan, list[str]]:
    """The plan with the cards, adapters and devices that are here, and what is not as it was.

    Raises RefusedInput for what is not here at all, and what `discover` raises.
    """
    changed = list(_machine(plan))
    cards = {case.card.name: case.card for case in plan.cases}
    for name, before in cards.items():
        cards[name] = _card(plan, before)
        if different := [f.name for f in fields(before) if _differ(before, cards[name], f.name)]:
            changed.append(f"the card of the model {name} differs in {', '.join(different)}")
    targets = _targets(plan, adapters)
    for was, now in zip(plan.targets, targets, strict=True):
        changed += _target(was, now)
    cases = tuple(replace(case, card=cards[case.card.name]) for case in plan.cases)
    return replace(plan, targets=tuple(targets), cases=cases), changed


def _card(plan: Plan, card: ModelCard) -> ModelCard:
    """The card of this name that is installed; of a person's own model, the checked card itself."""
    if not plan.onnx:
        if card.name not in registry.models():
            raise RefusedInput(f"the run measures the model {card.name!r}, which is not here")
        return registry.models()[card.name]
    if card.family or card.module:
        raise RefusedInput(f"the run measures {card.name!r}, which is not of its ONNX file")
    path = Path(plan.onnx)
    try:
        plain = stat.S_ISREG(path.stat().st_mode)
        same = plain and card.source == f"sha256 {file_digest(path)}"
    except (OSError, ValueError) as error:
        raise RefusedInput(f"the run's model {path} cannot be read: {error}") from error
    if not same:
        raise RefusedInput(f"{path} is not the file any more that the run began with")
    return card


def _targets(plan: Plan, adapters: Mapping[str, Adapter]) -> list[Resolved]:
    for target in plan.targets:
        if target.adapter.name not in adapters:
            raise RefusedInput(
                f"{target.target} was measured with the adapter {target.adapter.name!r}, which is "
                "not known here; name its file with --adapter"
            )
    targets = [Target.parse(target.target) for target in plan.targets]
    resolved = discover.resolve(targets, adapters.values())
    for was, now in zip(plan.targets, resolved, strict=True):
        if now.target != was.target:
            raise RefusedInput(f"the target {was.target!r} of the journal is written {now.target}")
    return resolved


def _target(was: Resolved, now: Resolved) -> Iterator[str]:
    """What is not as it was of one target."""
    name = was.target
    pairs: dict[str, tuple[Any, Any]] = {
        f"the device of {name}": (was.device.name, now.device.name),
        f"the identity of {name}": (was.device.uuid, now.device.uuid),
        f"the adapter of {name}": (was.adapter.name, now.adapter.name),
        f"the thread count of {name}": (was.threads, now.threads),
    }
    for package in {**was.versions, **now.versions}:
        pairs[f"the version of {package} for {name}"] = (
            was.versions.get(package),
            now.versions.get(package),
        )
    yield from _differences(pairs)
    if was.adapter.name == now.adapter.name and was.adapter != now.adapter:
        yield f"the adapter {was.adapter.name} is not the one the run began with"


def _machine(plan: Plan) -> Iterator[str]:
    """What is not as it was of the machine and the software on it."""
    before, now = plan.environment, environment.collect()
    if before.hostname != now.hostname:  # as its user had it stored, hashed or not
        now = environment.collect(show_hostname=True)
    pairs: dict[str, tuple[Any, Any]] = {"hetbench": (plan.hetbench_version, __version__)}
    pairs |= {name: (getattr(before, name), getattr(now, name)) for name in MACHINE}
    for name in {**before.packages, **now.packages}:
        pairs[f"the package {name}"] = before.packages.get(name), now.packages.get(name)
    yield from _differences(pairs)


def _differences(pairs: Mapping[str, tuple[Any, Any]]) -> Iterator[str]:
    for what, (before, now) in pairs.items():
        if before != now:
            yield f"{what} was {_shown(before)} and is {_shown(now)}"


def _differ(one: ModelCard, other: ModelCard, name: str) -> bool:
    return bool(getattr(one, name) != getattr(other, name))


def _shown(value: Any) -> str:
    return "absent" if value is None else str(value)[:200]
