"""Seeing to a model's prepared files before its first trial, in processes of their own.

A model is prepared when the first of its cases is due, so that a long suite starts at once; never
while a trial measures.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from bench.errors import CannotWrite, HetbenchError
from bench.results.trial import Status
from bench.runner import part
from bench.runner.listener import Listener
from bench.runner.plan import Plan
from bench.runner.state import CaseState
from bench.suite import Case
from bench.system import cache, process
from bench.target import Resolved

AT_ONCE = 2
CASE_TIMEOUT_S = 600.0
"""Most time that one case of the zoo is prepared."""
MAX_REASON = 2_000

Events = queue.Queue[tuple[list[Case], process.Event | process.Outcome | HetbenchError]]


def prepare(plan: Plan, model: str, states: Mapping[str, CaseState], listener: Listener) -> None:
    """Give every case of the model its prepared files, or settle it with the reason for none.

    One child per backend, adapter and options, two at once; they share files through locks in
    the cache folder, as other runs do.
    """
    groups: dict[str, list[Case]] = {}
    for case in plan.cases:
        if case.card.name == model and states[case.id].settled is None:
            target = plan.target(case)
            software = f"{target.backend}/{target.adapter.name}/{target.options}"
            groups.setdefault(software, []).append(case)
    cache.sweep()
    events: Events = queue.Queue()
    waiting = list(groups.values())
    running = 0
    done: set[str] = set()
    total = sum(len(cases) for cases in waiting)
    while waiting or running:
        while waiting and running < AT_ONCE:
            cases = waiting.pop(0)
            threading.Thread(target=_child, args=(plan, cases, events), daemon=True).start()
            running += 1
        cases, event = events.get()
        if isinstance(event, HetbenchError):
            raise event
        if isinstance(event, process.Outcome):
            running -= 1
            rest = [case for case in cases if case.id not in done]
            _settle_rest(rest, states, event, limit_s(plan, cases[0]))
            done.update(case.id for case in cases)
        elif event["event"] == "preparing":
            listener.preparing(len(done), total, str(event.get("what")))
        elif event["event"] == "note":
            listener.note(str(event.get("text"))[:MAX_REASON])
        elif event["event"] == "prepared":
            done.add(event["case"])
            _take(states[event["case"]], event)
            listener.preparing(len(done), total, "")


def _take(state: CaseState, event: process.Event) -> None:
    """What a child, in which foreign code runs, made of one case; raises HetbenchError."""
    state.prepared = True
    files = [event.get(key) for key in ("onnx", "onnx_sha256", "reference")]
    state.onnx, state.onnx_sha256, state.reference = (
        None if file is None else str(file) for file in files
    )
    reason = str(event.get("reason"))[:MAX_REASON]
    if event.get("status") == "disk":
        raise CannotWrite(reason)
    status: Status = next((s for s in get_args(Status) if s == event.get("status")), "failed")
    if status != "ok":
        state.settled = (status, reason)


def mend(plan: Plan, case: Case, states: Mapping[str, CaseState], listener: Listener) -> bool:
    """Have the case's prepared files made again where they are damaged since they were prepared.

    Asked before every trial; True when they were. Raises HetbenchError when what was made again is
    damaged too.
    """
    state = states[case.id]
    if (name := _damaged(state)) is None:
        return False
    listener.note(cache.remark(name))
    prepare(plan, case.card.name, states, listener)
    if (name := _damaged(state)) is not None:
        raise HetbenchError(
            f"the prepared file {name} was damaged as soon as it was made; look after the disk, or "
            "set HETBENCH_CACHE to a folder on another one"
        )
    return True


def _damaged(state: CaseState) -> str | None:
    """Name of a file of the case that is not what was prepared."""
    for path in (Path(name) for name in (state.onnx, state.reference) if name is not None):
        try:
            intact = cache.intact(path)
        except OSError:  # the child that makes it again says why it cannot be read
            intact = False
        if not intact:
            return path.name
    return None


def limit_s(plan: Plan, case: Case) -> float:
    """Most time that a case may be prepared. A person's own model gets that of a trial, which
    runs it more often than its preparing does."""
    return part.timeout_s(case) if plan.onnx else CASE_TIMEOUT_S


def _child(plan: Plan, cases: list[Case], events: Events) -> None:
    target = plan.target(cases[0])
    job: dict[str, Any] = {
        "backend": target.backend,
        "adapter": asdict(target.adapter),
        "options": target.options,
        "seed": plan.seed,
        "source": plan.onnx,
        "cases": [_request(case, plan.target(case)) for case in cases],
    }
    limit = limit_s(plan, cases[0])
    left = {case.id for case in cases}

    def on_event(place: int, event: process.Event) -> None:
        if event["event"] == "prepared":
            if (name := str(event.get("case"))) not in left:
                return  # of foreign code
            left.remove(name)
            child.allow(limit)
            event = {**event, "case": name}
        events.put((cases, event))

    try:
        child = process.start("bench.worker.prepare", job, limit, target.environment)
        (outcome,) = process.follow([child], on_event)
    except HetbenchError as error:  # no process is to be had; the main thread must not wait
        events.put((cases, error))
    else:
        events.put((cases, outcome))


def _request(case: Case, target: Resolved) -> dict[str, Any]:
    return {
        "id": case.id,
        "card": asdict(case.card),
        "precision": case.precision,
        "batch": case.batch,
        "axes": dict(case.axes),
        "device": asdict(target.device),
    }


def _settle_rest(
    cases: Sequence[Case],
    states: Mapping[str, CaseState],
    outcome: process.Outcome,
    limit: float,
) -> None:
    """A child that died leaves its cases with a named end, not without one."""
    status: Status = "crashed"
    if outcome.timed_out:
        status = "timeout"
        reason = f"preparing the model did not end within {limit:.0f} s and was ended"
    elif outcome.lacked_memory:
        status = "out-of-memory"
        reason = "memory ran out while the model was prepared; free memory, or use a smaller model"
    elif outcome.last_line:
        reason = f"preparing the model {outcome.ending}: {outcome.last_line}"
    else:
        reason = f"preparing the model {outcome.ending}"
    for case in cases:
        states[case.id].settled = (status, reason)
