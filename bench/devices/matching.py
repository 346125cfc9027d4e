"""Matching: which ways of adapters a target can mean, and which of the answers it gets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bench import registry
from bench.adapter import Adapter
from bench.device import Device
from bench.devices import partition
from bench.devices.cpu import thread_count, usable_cores
from bench.errors import Unavailable, UsageError
from bench.target import Candidate, Found, Resolved, Target
from bench.way import Way


def candidates(adapters: Iterable[Adapter]) -> list[Candidate]:
    """Every way the adapters name, with the options that mean it."""
    return [Candidate(adapter, way, way.options) for adapter in adapters for way in adapter.ways()]


def meant(target: Target, adapters: Iterable[Adapter]) -> list[Candidate]:
    """The ways that a target can mean, with its options; first those it chooses by their word.

    A word that an adapter does not declare is left to the backend, which knows what its build has.
    Raises UsageError for a backend or kind of device that does not exist, and for a word that is
    declared for other kinds alone.
    """
    if target.backend not in registry.backends():
        raise registry.unknown("backend", target.backend, registry.backends())
    kinds, chosen, left, declared = set(), [], [], dict[str, str]()
    for adapter in adapters:
        ways = [way for way in adapter.ways() if way.backend == target.backend]
        kinds |= {way.kind for way in ways}
        called = [way for way in ways if any(map(way.is_called, dict(target.options)))]
        for way in ways:
            if way.kind != target.kind:
                continue
            if {one.option for one in called} == {way.option}:
                chosen.append(Candidate(adapter, way, _options(target, way)))
            elif not called and way.default:
                left.append(Candidate(adapter, way, dict(target.options)))
        declared |= {way.kind: way.option for way in called}
    if declared and target.kind in kinds - declared.keys():
        kind = min(declared)
        near = Target(target.backend, f"{kind}:0", ((declared[kind], ""),))
        raise UsageError(
            f"{target} cannot be: {declared[kind]} does not run on {target.kind} devices; "
            f"write {near}"
        )
    if not chosen and not left:
        raise registry.unknown(f"device of {target.backend}", target.device, kinds)
    return chosen + left


def _options(target: Target, way: Way) -> dict[str, str]:
    """The target's options as the adapter spells them, without the word that chooses what is meant
    without it: one id each."""
    bare = (way.option, "") if way.default else None
    spelt = ((way.option if way.is_called(name) else name, v) for name, v in target.options)
    return dict(option for option in spelt if option != bare)


def pick(target: Target, found: Sequence[Found]) -> Resolved:
    """The target's device, in the answers of the ways it can mean.

    Raises Unavailable with the reason when there is none, UsageError for a device that is not there
    beside others of its kind and for an option that the backend lacks.
    """
    _, _, index = target.device.partition(":")
    for answer in found:
        devices = [device for device in answer.devices if device.kind == target.kind]
        if devices:
            by_number = not index or re.fullmatch(r"\d+(\[.*\])?", index)
            name = f"{target.kind}:{index or 0}" if by_number else index
            return resolved(answer, partition.resolve(name, devices))
    # The adapter that declares the word explains it; others only know that it is not built in.
    words = dict(target.options)
    own = [answer for answer in found if any(map(answer.candidate.way.is_called, words))]
    for answer in own or found:
        if answer.misused:
            raise UsageError(answer.reason or "")
    reasons = {answer.reason or "" for answer in own or found}
    if len(reasons) == 1:
        raise Unavailable(f"{target} is not available: {reasons.pop()}")
    # Several vendors answer to one kind of device: what is wrong is the same, the remedies differ.
    causes = "; ".join(sorted({reason.split(";")[0] for reason in reasons}))
    raise Unavailable(
        f"{target} is not available: {causes}; 'hetbench devices --all' names each vendor's remedy"
    )


def resolved(answer: Found, device: Device) -> Resolved:
    """A device of an answer, or a part of it, as it is measured."""
    return Resolved(
        target=answer.target(device.id),
        backend=answer.candidate.way.backend,
        adapter=answer.candidate.adapter,
        options=dict(answer.candidate.options),
        device=device,
        versions=answer.versions,
        simulated=answer.simulated,
        threads=thread_count(device.cores or usable_cores()),
    )
