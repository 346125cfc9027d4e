"""One trial seen from the parent: the worker's events and its end become a record."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from bench.energy.meter import Meter, energy_metrics
from bench.figures.metrics import derive
from bench.figures.stats import Estimate
from bench.language.plain import first_line
from bench.results.records import Status, Telemetry, Trial
from bench.runner.listener import Listener
from bench.runner.plan import timestamp
from bench.runner.state import CaseState
from bench.suite import MOST_BUDGETS, Case
from bench.system import process
from bench.target import Resolved

_NO_MEMORY = re.compile(
    r"bad_alloc|MemoryError|Cannot allocate memory|out of memory", re.IGNORECASE
)


def job(
    kind: str, case: Case, target: Resolved, state: CaseState, seed: int, meter: Meter
) -> dict[str, Any]:
    """The worker's job as JSON-able data; see bench.worker.trial.Job."""
    return {
        "kind": kind,
        "backend": target.backend,
        "adapter": asdict(target.adapter),
        "options": target.options,
        "device": asdict(target.device),
        "card": asdict(case.card),
        "precision": case.precision,
        "batch": state.batch,
        "axes": dict(case.axes),
        "scenario": case.scenario,
        "measure": asdict(case.measure),
        "threads": target.threads,
        "cores": list(target.device.cores),
        "seed": seed,
        "power": kind == "trial" and meter.device_power,
        "origin_ns": meter.origin_ns,
        "items_per_run": items_per_run(case, state),
        "onnx": state.onnx,
        "reference": state.reference,
    }


def items_per_run(case: Case, state: CaseState) -> int:
    """Items of one inference: the batch, also where a user's own model fixes it."""
    return case.card.batch or state.batch or 1


def run(
    case: Case,
    target: Resolved,
    state: CaseState,
    index: int,
    position: int,
    seed: int,
    meter: Meter,
    listener: Listener,
) -> Trial:
    """Run one trial in a fresh process and judge how it ended."""
    end: dict[str, Any] = {}
    phase = "start"

    def on_event(event: dict[str, Any]) -> None:
        nonlocal phase
        if event["event"] == "phase":
            phase = str(event.get("name"))
            listener.phase(phase)
        elif event["event"] == "estimate":
            with suppress(KeyError, TypeError, ValueError):  # shown, and nothing else
                value, low, high = (float(event[key]) for key in ("value", "low", "high"))
                listener.estimate(case, Estimate(value, low, high, 1), int(event["items"]))
        elif event["event"] == "end":
            end.clear()
            end.update(event)

    started_at = timestamp()
    task = job("trial", case, target, state, seed, meter)
    sampler = meter.watch(seed + position)
    try:
        outcome = process.run(task, on_event, timeout_s(case), target.environment)
    finally:
        recording = sampler.stop()
    fields = end or _died(outcome, phase, case)
    fields.pop("event", None)
    if fields.get("status") not in ("ok", "invalid", "unsupported"):
        fields["stderr_tail"] = outcome.printed or None
    common = {
        "index": index,
        "position": position,
        "started_at": started_at,
        "wall_s": outcome.wall_s,
        "parent_cpu_share": outcome.parent_cpu_s / max(outcome.wall_s, 1e-9),
        "process_id": outcome.pid,
    }
    try:
        trial = Trial.model_validate_json(json.dumps({**fields, **common}))
        trial = judge(trial, case, state)
        if recording.sensors:
            trial = with_energy(trial, meter.telemetry(trial, recording), target.device.id)
        return trial
    except (ValidationError, ValueError, TypeError) as error:
        return Trial.model_validate(
            {
                **common,
                "status": "failed",
                "reason": f"the worker's report is not usable: {first_line(error)}",
                "stderr_tail": outcome.printed or None,
            }
        )


def timeout_s(case: Case) -> float:
    """Most wall time of a trial: the suite's limit, and what its load may take beyond that."""
    measure = case.measure
    extra = (MOST_BUDGETS - 1) * measure.budget_s
    if case.scenario == "sustained":
        extra = measure.sustained_s
    return measure.timeout_s + extra


def judge(trial: Trial, case: Case, state: CaseState) -> Trial:
    """The trial with its metrics and with what its placement means; raises ValueError."""
    if trial.status not in ("ok", "invalid"):
        return trial
    if not trial.series:
        raise ValueError("it holds no samples")
    items = items_per_run(case, state)
    flops = case.card.flops_of(case.card.sizes(items, case.axes))
    figures = derive(trial.series, flops, items, trial.device_event_ns)
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


def _died(outcome: process.Outcome, phase: str, case: Case) -> dict[str, Any]:
    """Status and reason of a worker that ended without reporting."""
    status: Status = "crashed"
    if outcome.timed_out:
        status = "timeout"
        reason = f"no result within {timeout_s(case):.0f} s, in phase {phase}; the worker was ended"
    elif outcome.oversized:
        status = "failed"
        reason = f"the worker was ended in phase {phase}: it sent {outcome.how}"
    elif _NO_MEMORY.search(outcome.printed):
        status = "out-of-memory"
        reason = f"memory ran out in phase {phase}; the worker died of it"
    elif outcome.signal_name == "SIGKILL":
        reason = (
            f"killed by SIGKILL in phase {phase}: by hand, or by the kernel for want of memory "
            "(dmesg tells which)"
        )
    elif outcome.signal_name:
        reason = f"the worker died of {outcome.signal_name} in phase {phase}"
    else:
        reason = (
            f"the worker exited with code {outcome.returncode} in phase {phase} without a result"
        )
    return {"status": status, "reason": reason}


def summarize(trials: Mapping[int, Trial]) -> tuple[Status, str | None]:
    """A case's status from its trials: ok only if every one is."""
    for trial in trials.values():
        if trial.status != "ok":
            return trial.status, trial.reason
    return "ok", None
