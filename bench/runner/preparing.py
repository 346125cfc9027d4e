"""Seeing to a model's prepared files before its first trial, in processes of their own.

A model is prepared when the first of its cases is due, so that a long suite starts at once; never
while a trial measures.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from bench.errors import CannotWrite, HetbenchError
from bench.results.trial import Status
from bench.runner.listener import Listener
from bench.runner.plan import Plan
from bench.runner.state import CaseState
from bench.suite import Case
from bench.system import cache, process
from bench.target import Resolved

AT_ONCE = 2
CASE_TIMEOUT_S = 600.0
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
            _settle_rest([case for case in cases if case.id not in done], states, event)
            done.update(case.id for case in cases)
        elif event["event"] == "preparing":
            listener.preparing(len(done), total, str(event.get("what")))
        elif event["event"] == "note":
            listener.note(str(event.get("text"))[:MAX_REASON])
        elif event["event"] == "prepared" and event.get("case") in [case.id for case in cases]:
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


def _child(
    plan: Plan,
    cases: list[Case],
    events: Events,
) -> None:
    target = plan.target(cases[0])
    job: dict[str, Any] = {
        "backend": target.backend,
        "adapter": asdict(target.adapter),
        "options": target.options,
        "seed": plan.seed,
        "source": plan.onnx,
        "cases": [_request(case, plan.target(case)) for case in cases],
    }
    timeout_s = CASE_TIMEOUT_S * len(cases)
    try:
        outcome = process.run(
            "bench.worker.prepare",
            job,
            lambda event: events.put((cases, event)),
            timeout_s,
            target.environment,
        )
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
    cases: list[Case], states: Mapping[str, CaseState], outcome: process.Outcome
) -> None:
    """A child that died leaves its cases with a named end, not without one."""
    status: Status = "timeout" if outcome.timed_out else "crashed"
    for case in cases:
        reason = f"preparing the model {outcome.ending}: {outcome.last_line}"
        states[case.id].settled = (status, reason)
