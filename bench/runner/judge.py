"""What samples, placement and readings make of a trial: its status, and its figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench import scenarios
from bench.energy.meter import energy_metrics
from bench.figures.metrics import samples
from bench.results.record import Samples
from bench.results.telemetry import Telemetry
from bench.results.trial import Metric, Part, Status, Trial
from bench.suite import Case

MOST_NS = 2**53
"""A trial's clock counts no further."""


def items_per_run(case: Case, batch: int | None) -> int:
    """Items of one inference: the batch, also where a user's own model fixes it."""
    return case.card.batch or batch or 1


def flops_per_item(case: Case, batch: int | None) -> int | None:
    """Operations of one item at the case's axes; None where they are not known."""
    return case.card.flops_of(case.card.sizes(items_per_run(case, batch), case.axes))


def placed(part: Part, case: Case) -> Part:
    """The part with what its placement means; raises ValueError where it measured nothing."""
    if part.status not in ("ok", "invalid"):
        return part
    if not part.series:
        raise ValueError("it holds no samples")
    placement = part.placement
    if placement is None or placement.share >= 1 - case.allow_fallback:
        return part
    total = sum(placement.nodes.values())
    elsewhere = {p: n for p, n in placement.nodes.items() if p != placement.wanted}
    most = max(elsewhere, key=lambda name: elsewhere[name], default="no provider")
    where = "CPU" if most == "CPUExecutionProvider" else most
    reason = (
        f"ran on {where}: {sum(elsewhere.values())} of {total} nodes were not placed on "
        f"{placement.wanted}"
    )
    return part.model_copy(update={"status": "invalid", "reason": reason})


def judge(trial: Trial, case: Case, batch: int | None, device_id: str) -> Trial:
    """The trial with the status and the figures that its parts make; raises ValueError.

    `device_id` is what a single part ran on: its valid energy becomes figures of the trial. That
    of several parts is not added up, since their sensors may read the same board and their windows
    do not end together.
    """
    parts = [placed(part, case) for part in trial.parts]
    status, reason = of_parts(parts)
    metrics: dict[str, Metric] = {}
    if all(part.status in ("ok", "invalid") for part in parts):
        flops = flops_per_item(case, batch)
        metrics = scenarios.derive(case.scenario, parts, [flops] * len(parts))
    if status == "ok" and len(parts) == 1 and parts[0].telemetry is not None:
        metrics |= energy_metrics(parts[0].telemetry, device_id)
    judged = {"parts": parts, "status": status, "reason": reason, "metrics": metrics}
    return trial.model_copy(update=judged)


def of_parts(parts: Sequence[Part]) -> tuple[Status, str | None]:
    """A trial's status from its parts: ok only if each is, else that of the first that is not. Of
    several, the reason says whose it is."""
    for part in parts:
        if part.status != "ok":
            several = len(parts) > 1 and part.reason
            return part.status, f"{part.target}: {part.reason}" if several else part.reason
    return "ok", None


def again(trial: Trial, case: Case, batch: int | None, device_id: str) -> Trial:
    """A trial that was read back, with its status and figures from its parts, whatever it says they
    are.

    Raises ValueError where a worker's report of it would not have been taken.
    """
    if 1e9 * (trial.wall_s or 0.0) >= MOST_NS:
        raise ValueError("it took longer than its clock counts")
    for part in trial.parts:
        for packed in _readings(part.telemetry):
            samples(packed)
    return judge(trial, case, batch, device_id)


def _readings(telemetry: Telemetry | None) -> Iterator[Samples]:
    for sensor in telemetry.sensors if telemetry is not None else ():
        yield from (sensor.stamps_ns, sensor.durations_ns)
        yield from (*sensor.values.values(), *sensor.flags.values())
