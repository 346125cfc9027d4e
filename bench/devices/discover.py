"""What this machine has: every adapter's devices or the reason why not, and targets among them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from bench.adapter import Adapter
from bench.devices import asking, matching
from bench.errors import UsageError
from bench.target import Candidate, Found, Resolved, Target


def find(adapters: Iterable[Adapter]) -> list[Found]:
    """Ask for every way the adapters name to their devices."""
    return asking.ask(matching.candidates(adapters))


def resolve(targets: Sequence[Target], adapters: Collection[Adapter]) -> list[Resolved]:
    """Each target on this machine; nothing is asked but what they can mean.

    Raises UsageError for a backend, kind, option or device that does not exist, Unavailable for one
    that is not here.
    """
    meant = [matching.meant(target, adapters) for target in targets]
    candidates: list[Candidate] = []
    for candidate in (one for several in meant for one in several):
        if candidate not in candidates:
            candidates.append(candidate)
    answers = asking.ask(candidates)
    for answer in answers:
        if answer.misused:
            raise UsageError(answer.reason or "")
    return [
        matching.pick(target, [answers[candidates.index(one)] for one in several])
        for target, several in zip(targets, meant, strict=True)
    ]


def defaults(adapters: Iterable[Adapter], takes: str = "") -> list[Resolved]:
    """Every device here but simulated ones: what a run without --target measures.

    `takes` leaves only backends of that format: a person's own ONNX file runs on no other.
    """
    return [
        matching.resolved(answer, device)
        for answer in find(adapters)
        if not answer.simulated and takes in ("", answer.format)
        for device in answer.devices
    ]
