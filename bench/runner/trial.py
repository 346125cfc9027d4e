"""One trial seen from the parent: the worker's events and its end become a record."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from bench.energy.meter import Meter
from bench.figures.stats import Estimate
from bench.language.plain import first_line
from bench.results.trial import Status, Trial
from bench.runner import crew, options
from bench.runner.crew import Part
from bench.runner.judge import items_per_run, judge, with_energy
from bench.runner.listener import Listener
from bench.runner.state import CaseState
from bench.sensor import Recording
from bench.suite import Case
from bench.system import process
from bench.system.utc import timestamp
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


class Attempt:
    """One trial that is to run, or runs: its worker's report so far, and the sensors beside it."""

    def __init__(
        self,
        case: Case,
        target: Resolved,
        state: CaseState,
        index: int,
        position: int,
        seed: int,
        meter: Meter,
        listener: Listener,
    ) -> None:
        self.case = case
        self.index = index
        self.started_at = timestamp()
        self._target = target
        self._state = state
        self._position = position
        self._seed = seed
        self._meter = meter
        self._listener = listener
        self._end: dict[str, Any] = {}
        self._phase = "start"

    def part(self, stack: ExitStack, keep: Callable[[Attempt, Trial], None]) -> Part:
        """Its share of the crew; its sensors are read from now on, at most until `stack` closes.
        `keep` is given the record when it has ended."""
        sampler = self._meter.watch(self._seed + self._position)
        running = stack.enter_context(ExitStack())
        running.callback(sampler.stop)

        def on_end(outcome: process.Outcome) -> None:
            running.pop_all()
            keep(self, self._record(outcome, sampler.stop()))

        case, target = self.case, self._target
        task = job(case, target, self._state, self._seed, self._meter, self._meter.device_power)
        return Part(
            module="bench.worker.trial",
            job=asdict(task),
            limit_s=timeout_s(case),
            env=target.environment,
            on_event=self._on_event,
            on_end=on_end,
        )

    def _on_event(self, event: process.Event) -> None:
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

    def _record(self, outcome: process.Outcome, recording: Recording) -> Trial:
        """Judge how it ended."""
        fields = self._end or _died(outcome, self._phase, self.case)
        fields.pop("event", None)
        if fields.get("status") not in ("ok", "invalid", "unsupported"):
            fields["stderr_tail"] = outcome.printed or None
        common = {
            "index": self.index,
            "position": self._position,
            "started_at": self.started_at,
            "wall_s": outcome.wall_s,
            "parent_cpu_share": outcome.parent_cpu_s / max(outcome.wall_s, 1e-9),
            "process_id": outcome.pid,
        }
        try:
            trial = Trial.model_validate_json(json.dumps({**fields, **common}))
            trial = judge(trial, self.case, self._state.batch)
            if recording.sensors:
                telemetry = self._meter.telemetry(trial, recording)
                trial = with_energy(trial, telemetry, self._target.device.id)
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

    def interrupted(self) -> Trial:
        """The record of a trial that the run's stop cut short."""
        return Trial(
            index=self.index,
            position=None,
            status="interrupted",
            reason="the run was stopped during this trial",
            started_at=self.started_at,
            wall_s=None,
        )


def run(attempts: Sequence[Attempt], keep: Callable[[Attempt, Trial], None]) -> None:
    """Run the trials at the same time, each in a fresh process; `keep` is given each record as its
    trial ends. Raises what `keep` raises, after every process was ended."""
    with ExitStack() as stack:
        crew.run([attempt.part(stack, keep) for attempt in attempts])


def timeout_s(case: Case) -> float:
    """Most wall time of a trial: the suite's limit, and what its load may take beyond that."""
    return case.measure.timeout_s + options.length(case).over_s


def _died(outcome: process.Outcome, phase: str, case: Case) -> dict[str, Any]:
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


def summarize(trials: Mapping[int, Trial]) -> tuple[Status, str | None]:
    """A case's status from its trials: ok only if every one is, invalid if any one is."""
    for trial in sorted(trials.values(), key=lambda one: one.status != "invalid"):
        if trial.status != "ok":
            return trial.status, trial.reason
    return "ok", None
