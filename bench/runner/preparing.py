"""Seeing to a model's prepared files before its first trial, in processes of their own.

A model is prepared when the first of its cases is due, so that a long suite starts at once; never
while a trial measures.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bench import process
from bench.discover import Resolved
from bench.errors import CannotWrite, HetbenchError
from bench.results import Status
from bench.runner.listener import Listener
from bench.runner.plan import Plan
from bench.runner.state import CaseState
from bench.suite import Case

AT_ONCE = 2
CASE_TIMEOUT_S = 600.0

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
            listener.preparing(len(done), total, str(event["what"]))
        elif event["event"] == "prepared":
            done.add(event["case"])
            state = states[event["case"]]
            state.prepared = True
            state.onnx, state.onnx_sha256 = event["onnx"], event["onnx_sha256"]
            state.reference = event["reference"]
            if event["status"] == "disk":
                raise CannotWrite(event["reason"])
            if event["status"] != "ok":
                state.settled = (event["status"], event["reason"])
            listener.preparing(len(done), total, "")


def _child(
    plan: Plan,
    cases: list[Case],
    events: Events,
) -> None:
    target = plan.target(cases[0])
    job: dict[str, Any] = {
        "kind": "prepare",
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
            job, lambda event: events.put((cases, event)), timeout_s, target.environment
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
        "device": asdict(target.device),
    }


def _settle_rest(
    cases: list[Case], states: Mapping[str, CaseState], outcome: process.Outcome
) -> None:
    """A child that died leaves its cases with a named end, not without one."""
    if outcome.timed_out:
        how = "did not end in time"
    else:
        how = f"ended with {outcome.signal_name or f'exit code {outcome.returncode}'}"
    last = (outcome.printed.splitlines() or [""])[-1][:300]
    for case in cases:
        status: Status = "timeout" if outcome.timed_out else "crashed"
        states[case.id].settled = (status, f"preparing the model {how}: {last}")
