"""Asking backends, in child processes, which devices the ways of adapters lead to.

Foreign code runs there: what hangs, crashes or says nonsense is the reason of one way, and of no
other.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench import registry
from bench.bounds import fits
from bench.device import Device
from bench.devices import smi
from bench.errors import HetbenchError, RefusedInput
from bench.settings import patterns, toml
from bench.system import process
from bench.target import CHILD_ENV, Candidate, Found
from bench.way import Way

PROBE_TIMEOUT_S = 60.0
MAX_REASON = 2_000


def ask(candidates: Sequence[Candidate], timeout_s: float = PROBE_TIMEOUT_S) -> list[Found]:
    """Each candidate's answer, in the same order: asked in as few processes as are safe, all at
    once; then the vendors' tools, which of their cards the devices are."""
    answers: dict[int, Found] = {}
    groups: dict[str, list[int]] = {}
    for index, candidate in enumerate(candidates):
        missing = _missing_module(candidate.way)
        if missing:
            answers[index] = _absent(candidate, missing)
        else:
            groups.setdefault(_group(candidate), []).append(index)

    def ask_group(indices: list[int]) -> None:
        answers.update(_ask(candidates, indices, timeout_s))

    threads = [
        threading.Thread(target=ask_group, args=(indices,), daemon=True)
        for indices in groups.values()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [
        replace(answer, devices=tuple(smi.join(answer.devices, answer.candidate.adapter)))
        for answer in _settle_claims([answers[index] for index in range(len(candidates))])
    ]


def _missing_module(way: Way) -> str | None:
    """Why the way's packages cannot be imported, found without importing anything."""
    if way.backend not in registry.backends():
        return f"the backend {way.backend} is missing; install the package that brings it"
    if not way.module or _importable(way.module.split(".")[0]):
        return None
    advice = f"; {way.remedy}" if way.remedy else ""
    return f"the package {way.module} is not installed{advice}"


def _importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # a broken parent package or a module without a spec
        return False


def _group(candidate: Candidate) -> str:
    """Candidates of one group share a process."""
    backend = candidate.way.backend
    return f"{backend}/{candidate.adapter.name}" if candidate.way.alone else backend


def _absent(candidate: Candidate, reason: str) -> Found:
    return Found(candidate, reason, {}, (), False)


def _ask(candidates: Sequence[Candidate], indices: list[int], timeout_s: float) -> dict[int, Found]:
    answers: dict[int, Found] = {}
    asking = 0

    def on_event(event: dict[str, Any]) -> None:
        nonlocal asking
        place = event.get("index")
        if not isinstance(place, int) or not 0 <= place < len(indices):
            return
        if event["event"] == "asking":
            asking = place
        elif event["event"] == "found":
            index = indices[place]
            answers[index] = _answer(candidates[index], event)

    job = {"candidates": [asdict(candidates[index]) for index in indices]}
    try:
        outcome = process.run("bench.worker.probe", job, on_event, timeout_s, CHILD_ENV)
    except HetbenchError as error:
        return {index: _absent(candidates[index], str(error)) for index in indices}
    for place, index in enumerate(indices):
        if index not in answers:
            answers[index] = _absent(candidates[index], _why(outcome, place == asking))
    return answers


def _answer(candidate: Candidate, event: process.Event) -> Found:
    """What the probe says of one candidate, with which foreign code may have had a hand."""
    try:
        reason = event["reason"]
        found = Found(
            candidate=candidate,
            reason=None if reason is None else str(reason)[:MAX_REASON],
            versions={str(name): str(version) for name, version in event["versions"].items()},
            devices=tuple(
                toml.convert(Device, table, Path("the probe's answer"))
                for table in event["devices"]
            ),
            simulated=bool(event["simulated"]),
            format=str(event["format"]),
            misused=bool(event["misused"]),
        )
    except (AttributeError, KeyError, TypeError, RefusedInput) as error:
        return _absent(candidate, f"the probe's answer is not usable: {error}")
    for device in found.devices:
        if not fits(asdict(device)):
            reason = "the probe's answer is not usable: a device's name or number is out of bounds"
            return _absent(candidate, reason)
    if len(found.devices) > patterns.MAX_MATCHES or not fits(found.versions):
        reason = "the probe's answer is not usable: it is too long"
        return _absent(candidate, reason)
    return found


def _why(outcome: process.Outcome, culprit: bool) -> str:
    last = (outcome.printed.splitlines() or [""])[-1][:300]
    if not culprit:
        return "not asked: the probe ended at another adapter before this one"
    if outcome.timed_out:
        return f"the probe did not answer in {PROBE_TIMEOUT_S:.0f} s and was ended: {last}"
    return f"the probe process ended with {outcome.how}: {last}"


def _settle_claims(found: list[Found]) -> list[Found]:
    """Take the devices that an adapter knows by name away from those that claim the rest."""
    named = {
        (answer.candidate.way.backend, device.id)
        for answer in found
        if answer.candidate.way.claims == "named"
        for device in answer.devices
    }
    return [_without(answer, named) for answer in found]


def _without(answer: Found, named: set[tuple[str, str]]) -> Found:
    way = answer.candidate.way
    if way.claims != "rest" or not answer.devices:
        return answer
    kept = tuple(device for device in answer.devices if (way.backend, device.id) not in named)
    if kept:
        return replace(answer, devices=kept)
    return replace(answer, devices=(), reason="every device is claimed by its vendor's own adapter")
