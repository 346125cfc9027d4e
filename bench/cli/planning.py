"""What `hetbench run` was asked for becomes a plan, or a refusal that says what to give instead."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli import common
from bench.language.translate import tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.adapter import Adapter
    from bench.errors import UsageError
    from bench.model import ModelCard
    from bench.runner.plan import Plan
    from bench.suite import Suite
    from bench.target import Resolved


@dataclass(frozen=True, slots=True)
class Asked:
    """The options that settle what is measured, and how; empty or None: as the suite says."""

    suite: str
    targets: list[str]
    models: list[str]
    scenarios: list[str]
    precisions: list[str]
    batches: list[int]
    axes: list[str]
    trials: int | None
    budget_s: float | None
    seed: int
    onnx: Path | None
    shapes: list[str]
    adapters: list[str]
    trust_adapter: bool
    show_hostname: bool
    parallel: bool


def make(asked: Asked) -> Plan:
    """The plan of a run that has not begun; raises UsageError, RefusedInput or Unavailable."""
    from bench.runner import plan, suites
    from bench.system import environment

    cards = _own_models(asked.onnx, asked.shapes, asked.axes)
    precisions = asked.precisions
    if cards and not precisions:
        precisions = [cards[0].precisions[0]]  # the one it was saved in
    chosen = suites.override(
        suites.load(asked.suite),
        asked.models,
        asked.scenarios,
        precisions,
        asked.batches,
        asked.trials,
        asked.budget_s,
        asked.axes,
    )
    adapters = common.adapters(asked.adapters, asked.trust_adapter)
    targets = _targets(asked.targets, adapters, cards)
    cases = suites.cases(chosen, [one.target for one in targets], cards)
    if not cases:
        raise _nothing(chosen, targets)
    return plan.make(
        chosen,
        targets,
        cases,
        asked.seed,
        environment.collect(asked.show_hostname),
        str(asked.onnx.resolve()) if asked.onnx else "",
        asked.parallel,
    )


def check_combination(asked: Asked) -> None:
    """Raises UsageError for options of which one would do nothing."""
    from bench.errors import UsageError

    if asked.onnx is None and asked.shapes:
        raise UsageError("--shape belongs to --onnx; name the ONNX file too")
    if asked.onnx is not None and asked.models:
        raise UsageError("--model and --onnx exclude each other; give one of them")


def show(plan: Plan, json: bool) -> None:
    """The cases, and how long they would take."""
    from bench.energy.meter import Meter
    from bench.runner import duration, parallel
    from bench.runner.run import powered

    parallel.check(plan)
    meters = {target.target: Meter(target, 0, not plan.parallel) for target in plan.targets}
    takes = duration.estimate(plan, plan.order, powered(meters))
    rows = [(case.id, case.version) for case in plan.cases]
    if json:
        cases = [{"id": name, "version": version} for name, version in rows]
        common.print_json({**asdict(takes), "cases": cases})
        return
    common.print_table([tr("case"), tr("version")], rows)
    common.say(str(takes))


def _own_models(onnx: Path | None, shapes: list[str], axes: list[str]) -> list[ModelCard]:
    """The card of the person's own model, if there is one; raises RefusedInput or UsageError."""
    from bench.errors import UsageError
    from bench.runner import own_model

    if onnx is None:
        return []
    if axes:
        raise UsageError("--axis is for models of the zoo; give an ONNX file its --shape")
    return [own_model.inspect(onnx, shapes)]


def _targets(
    texts: Sequence[str], adapters: Sequence[Adapter], own: Sequence[ModelCard]
) -> list[Resolved]:
    """The named targets, or every real one, of a person's own model every one that can run it;
    raises Unavailable when there is none."""
    from bench.devices import discover
    from bench.errors import Unavailable
    from bench.target import Target

    if texts:
        resolved = discover.resolve([Target.parse(text) for text in texts], adapters)
    else:
        resolved = discover.defaults(adapters, "onnx" if own else "")
    if not resolved:
        if own:
            raise Unavailable(
                "no target that runs an ONNX file was found here; 'hetbench devices --all' says why"
            )
        raise Unavailable("no target was found here; 'hetbench devices --all' says why")
    return list({one.target: one for one in resolved}.values())


def _nothing(suite: Suite, targets: Sequence[Resolved]) -> UsageError:
    """Why no case is left to measure: zero cases are no success."""
    from bench.errors import UsageError

    backends = sorted({name for group in suite.cases for name in group.backends})
    if backends and all(group.backends for group in suite.cases):
        return UsageError(
            f"nothing to measure: the suite {suite.name!r} is for the backends "
            f"{', '.join(backends)}, and of no target here: "
            f"{', '.join(target.target for target in targets)}"
        )
    return UsageError(f"nothing to measure: the suite {suite.name!r} lists no case")
