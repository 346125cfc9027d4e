"""Carrying out a plan: every trial, journalled before the next; before a case's first one its
model is prepared and its batch searched."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from types import FrameType
from typing import Any

from bench.energy.meter import Meter
from bench.results.records import BatchPoint
from bench.results.trial import Trial
from bench.runner import parallel, part, preparing, trial
from bench.runner.journal import Journal
from bench.runner.listener import Listener
from bench.runner.part import Worker
from bench.runner.plan import Plan
from bench.runner.state import CaseState, Search, choose, remaining
from bench.runner.trial import Attempt
from bench.suite import Case
from bench.system import process

SEARCH_TIMEOUT_FACTOR = 2.0
"""A batch search may take this many times a trial's limit."""


def execute(
    plan: Plan,
    states: dict[str, CaseState],
    meters: Mapping[str, Meter],
    journal: Journal,
    listener: Listener,
) -> bool:
    """Run what remains of the plan; True when all of it was done, False when told to stop.

    Raises CannotWrite when the journal cannot be written; the state then has the trial that it
    could not take, and everything before is safe.
    """
    cases = {case.id: case for case in plan.cases}
    positions = {step: position for position, step in enumerate(plan.order)}
    running: list[Attempt] = []

    def finish(attempt: Attempt, record: Trial) -> None:
        running.remove(attempt)
        keep(attempt.case, states[attempt.case.id], record, journal)
        listener.trial_finished(attempt.case, record)

    try:
        rest(plan, meters, listener)
        while steps := remaining(plan, states):
            together = next(parallel.rounds(plan, steps))
            if not all(
                _is_ready(plan, cases[step.case_id], states, meters, journal, listener)
                for step in together
            ):
                continue
            done = len(plan.order) - len(steps)
            for number, step in enumerate(together, done):
                case = cases[step.case_id]
                listener.trial_started(case, step.index, number, len(plan.order))
                target, state, meter = plan.target(case), states[case.id], meters[case.target]
                worker = Worker(case, target, state, plan.seed, meter, listener)
                running.append(Attempt(case, [worker], step.index, positions[step]))
            trial.run(list(running), finish)
    except KeyboardInterrupt:
        for attempt in running:
            record = attempt.interrupted()
            states[attempt.case.id].add(record)  # shown, but not journalled: --resume runs it again
            listener.trial_finished(attempt.case, record)
        return False
    return True


def _is_ready(
    plan: Plan,
    case: Case,
    states: Mapping[str, CaseState],
    meters: Mapping[str, Meter],
    journal: Journal,
    listener: Listener,
) -> bool:
    """Whether the case can be measured; where not, what it lacks is made, and nothing else runs."""
    state = states[case.id]
    if not state.prepared:
        preparing.prepare(plan, case.card.name, states, listener)
        return False
    if preparing.mend(plan, case, states, listener):
        return False
    if state.batch is None:
        search(plan, case, state, meters[case.target], journal, listener)
        return False
    return True


def rest(plan: Plan, meters: Mapping[str, Meter], listener: Listener) -> None:
    """Take the idle baseline of every target whose power is read, while nothing runs."""
    for target in plan.targets:
        meter = meters[target.target]
        if meter.device_power:
            idle_s = plan.suite.measure.idle_s
            listener.note(f"reading the idle power of {target.target} for {idle_s:g} s")
            meter.rest(idle_s, plan.seed)


def keep(case: Case, state: CaseState, record: Trial, journal: Journal) -> None:
    """Put a finished trial on disk and into the state; also where the disk does not take it."""
    try:
        journal.append({"case": case.id, "trial": record.model_dump(mode="json")})
    finally:
        state.add(record)


def search(
    plan: Plan,
    case: Case,
    state: CaseState,
    meter: Meter,
    journal: Journal,
    listener: Listener,
) -> None:
    """Choose the case's batch in a process of its own; a crash there keeps the points before it.

    A search that the run's stop cuts short is seen in the results file, and made again on resume.
    """
    target = plan.target(case)
    trying = 1
    points: list[BatchPoint] = []
    end: dict[str, Any] = {}

    def on_event(event: process.Event) -> None:
        nonlocal trying
        if event["event"] == "trying":
            trying = int(event["batch"])
            listener.searching(case, trying)
        elif event["event"] == "batch":
            fields = {key: event[key] for key in ("batch", "items_per_s", "reason")}
            points.append(BatchPoint.model_validate(fields))
        elif event["event"] == "end":
            end.update(event)

    limit = part.timeout_s(case) * SEARCH_TIMEOUT_FACTOR
    job = asdict(part.job(case, target, state, plan.seed, meter, power=False))
    try:
        outcome = process.run("bench.worker.search", job, on_event, limit, target.environment)
    except KeyboardInterrupt:
        stopped = f"the run was stopped while batch {trying} was tried"
        state.search = Search(points=points, end="cut-short", reason=stopped)
        raise
    state.search = _searched(points, trying, end, outcome)
    journal.append({"case": case.id, "search": state.search.model_dump(mode="json")})
    state.batch = choose(points)


def _searched(
    points: list[BatchPoint], trying: int, end: Mapping[str, Any], outcome: process.Outcome
) -> Search:
    """The search's record: why it ended, and at which batch where it did not end by itself."""
    if end.get("status") == "ok":
        return Search(points=points, end=end["stopped_by"], reason=None)
    if end.get("status") == "unsupported":
        return Search(points=points, end="refused", reason=None)
    how = str(end["reason"]) if end else f"the process {outcome.ending}"
    if not any(point.batch == trying for point in points):
        points.append(BatchPoint(batch=trying, items_per_s=None, reason=how))
    return Search(points=points, end="cut-short", reason=f"at batch {trying}: {how}")


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM stop a run the way Ctrl-C does: with everything finished kept."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous: Callable[[int, FrameType | None], object] | int | None
    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
