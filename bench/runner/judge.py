"""What a trial's samples, placement and readings make of it: its figures, and whether it counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench import scenarios
from bench.energy.meter import energy_metrics
from bench.figures.metrics import samples
from bench.results.record import Samples
from bench.results.telemetry import Telemetry
from bench.results.trial import Trial
from bench.suite import Case

MOST_NS = 2**53
"""A trial's clock counts no further."""


def items_per_run(case: Case, batch: int | None) -> int:
    """Items of one inference: the batch, also where a user's own model fixes it."""
    return case.card.batch or batch or 1


def judge(trial: Trial, case: Case, batch: int | None) -> Trial:
    """The trial with its metrics and with what its placement means; raises ValueError."""
    if trial.status not in ("ok", "invalid"):
        return trial
    if not trial.series:
        raise ValueError("it holds no samples")
    items = items_per_run(case, batch)
    flops = case.card.flops_of(case.card.sizes(items, case.axes))
    figures = scenarios.derive(case.scenario, trial, flops)
    changes: dict[str, Any] = {"metrics": figures}
    placement = trial.placement
    if placement is not None and placement.share < 1 - case.allow_fallback:
        total = sum(placement.nodes.values())
        elsewhere = {p: n for p, n in placement.nodes.items() if p != placement.wanted}
        most = max(elsewhere, key=lambda name: elsewhere[name], default="no provider")
        where = "CPU" if most == "CPUExecutionProvider" else most
        changes["status"] = "invalid"
        changes["reason"] = (
            f"ran on {where}: {sum(elsewhere.values())} of {total} nodes were not placed on "
            f"{placement.wanted}"
        )
    return trial.model_copy(update=changes)


def with_energy(trial: Trial, telemetry: Telemetry, device_id: str) -> Trial:
    """The trial with what its sensors read, and the valid figures of its own device as metrics."""
    figures = energy_metrics(telemetry, device_id) if trial.status == "ok" else {}
    metrics = {**trial.metrics, **figures}
    return trial.model_copy(update={"telemetry": telemetry, "metrics": metrics})


def again(trial: Trial, case: Case, batch: int | None, device_id: str) -> Trial:
    """A trial that was read back, with its figures from its samples, whatever it says they are.

    Raises ValueError where a worker's report of it would not have been taken.
    """
    if 1e9 * (trial.wall_s or 0.0) >= MOST_NS:
        raise ValueError("it took longer than its clock counts")
    for packed in _readings(trial.telemetry):
        samples(packed)
    judged = judge(trial.model_copy(update={"metrics": {}}), case, batch)
    return judged if judged.telemetry is None else with_energy(judged, judged.telemetry, device_id)


def _readings(telemetry: Telemetry | None) -> Iterator[Samples]:
    for sensor in telemetry.sensors if telemetry is not None else ():
        yield from (sensor.stamps_ns, sensor.durations_ns)
        yield from (*sensor.values.values(), *sensor.flags.values())
