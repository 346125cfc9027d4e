"""One part of a trial seen from the parent: its worker's events and its end become a record."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from bench.energy.meter import Meter
from bench.figures.stats import Estimate
from bench.language.plain import first_line
from bench.results.trial import Part, Status
from bench.runner import options
from bench.runner.crew import Task
from bench.runner.judge import items_per_run, placed
from bench.runner.listener import Listener
from bench.runner.state import CaseState
from bench.sensor import Recording
from bench.suite import Case
from bench.system.outcome import Outcome
from bench.system.process import Event
from bench.target import Resolved
from bench.worker.session import Job


def job(
    case: Case, target: Resolved, state: CaseState, seed: int, meter: Meter, power: bool
) -> Job:
    """What the worker is asked for."""
    return Job(
        backend=target.backend,
        adapter=target.adapter,
        options=dict(target.options),
        device=target.device,
        card=case.card,
        precision=case.precision,
        batch=state.batch,
        axes=case.axes,
        scenario=case.scenario,
        scenario_options=case.options,
        measure=case.measure,
        threads=target.threads,
        cores=target.device.cores,
        seed=seed,
        power=power,
        origin_ns=meter.origin_ns,
        items_per_run=items_per_run(case, state.batch),
        onnx=state.onnx,
        reference=state.reference,
    )


def timeout_s(case: Case) -> float:
    """Most wall time of a worker: the suite's limit, and what its load may take beyond that."""
    return case.measure.timeout_s + options.length(case).over_s


class Worker:
    """A worker that is to run, or runs: its report so far, and the sensors beside it."""

    def __init__(
        self,
        case: Case,
        target: Resolved,
        state: CaseState,
        seed: int,
        meter: Meter,
        listener: Listener,
    ) -> None:
        self.case = case
        self.target = target
        self.state = state
        self._seed = seed
        self._meter = meter
        self._listener = listener
        self._end: dict[str, Any] = {}
        self._phase = "start"

    def task(
        self, stack: ExitStack, position: int, on_end: Callable[[Part, Outcome], None]
    ) -> Task:
        """What the crew is to do; the sensors are read from now on, at most until `stack` closes.
        `on_end` is given the record when it has ended."""
        sampler = self._meter.watch(self._seed + position)
        running = stack.enter_context(ExitStack())
        running.callback(sampler.stop)

        def ended(outcome: Outcome) -> None:
            running.pop_all()
            on_end(self._record(outcome, sampler.stop()), outcome)

        power = self._meter.device_power
        task = job(self.case, self.target, self.state, self._seed, self._meter, power)
        return Task(
            module="bench.worker.trial",
            job=asdict(task),
            limit_s=timeout_s(self.case),
            env=self.target.environment,
            on_event=self._on_event,
            on_end=ended,
        )

    def _on_event(self, event: Event) -> None:
        if event["event"] == "phase":
            self._phase = str(event.get("name"))
            self._listener.phase(self.case, self._phase)
        elif event["event"] == "estimate":
            with suppress(KeyError, TypeError, ValueError):  # shown, and nothing else
                value, low, high = (float(event[key]) for key in ("value", "low", "high"))
                estimate = Estimate(value, low, high, 1)
                self._listener.estimate(self.case, estimate, int(event["items"]))
        elif event["event"] == "end":
            self._end = event

    def _record(self, outcome: Outcome, recording: Recording) -> Part:
        """Judge how it ended."""
        fields = self._end or _died(outcome, self._phase, self.case)
        fields.pop("event", None)
        if fields.get("status") not in ("ok", "invalid", "unsupported"):
            fields["stderr_tail"] = outcome.printed or None
        common = {"target": self.target.target, "process_id": outcome.pid}
        try:
            part = Part.model_validate_json(json.dumps({**fields, **common}))
            part = placed(part, self.case)
            if recording.sensors:
                telemetry = self._meter.telemetry(part, recording)
                part = part.model_copy(update={"telemetry": telemetry})
            return part
        except (ValidationError, ValueError, TypeError) as error:
            return Part.model_validate(
                {
                    **common,
                    "status": "failed",
                    "reason": unusable(error),
                    "stderr_tail": outcome.printed or None,
                }
            )


def unusable(error: Exception) -> str:
    """Why nothing can be made of what a worker reported."""
    return f"the worker's report is not usable: {first_line(error)}"


def _died(outcome: Outcome, phase: str, case: Case) -> dict[str, Any]:
    """Status and reason of a worker that ended without reporting."""
    status: Status = "crashed"
    if outcome.timed_out:
        status = "timeout"
        reason = f"no result within {timeout_s(case):.0f} s, in phase {phase}; the worker was ended"
    elif outcome.oversized:
        status = "failed"
        reason = f"the worker was ended in phase {phase}: it sent {outcome.how}"
    elif outcome.lacked_memory:
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
