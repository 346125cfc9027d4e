"""What this machine has: every backend with every adapter, its devices or the reason why not."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench import registry
from bench.adapter import Adapter, OnnxProvider
from bench.bounds import fits
from bench.device import Device
from bench.devices import partition
from bench.devices import smi as listing
from bench.devices.cpu import thread_count, usable_cores
from bench.errors import HetbenchError, RefusedInput, Unavailable, UsageError
from bench.settings import patterns, toml
from bench.system import process
from bench.target import Candidate, Target

PROBE_TIMEOUT_S = 60.0
MAX_REASON = 2_000
CHILD_ENV = {
    # A torch plug-in that cannot load makes `import torch` itself raise; ours are imported by name.
    "TORCH_DEVICE_BACKEND_AUTOLOAD": "0",
    # CUDA numbers devices by speed unless told otherwise; NVML, which reads them, by bus id.
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
}
"""Variables of every child that imports a framework."""


@dataclass(frozen=True, slots=True)
class Found:
    """Answer for one backend with one adapter."""

    candidate: Candidate
    reason: str | None
    """Why it has no device; None when it has."""
    versions: Mapping[str, str]
    devices: tuple[Device, ...]
    simulated: bool
    format: str = ""
    """What its backend takes, see `Backend.format`; empty for a backend that was not asked."""
    misused: bool = False
    """True when the reason is that the backend does not have such an option."""

    def target(self, device_id: str) -> str:
        """How a device of this answer is written as a target."""
        options = tuple(self.candidate.options.items())
        return str(Target(self.candidate.backend, device_id, options))


@dataclass(frozen=True, slots=True)
class Resolved:
    """A target on this machine, ready to be measured."""

    target: str
    backend: str
    adapter: Adapter
    options: dict[str, str]
    device: Device
    versions: Mapping[str, str]
    simulated: bool
    threads: int

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the worker: thread counts are fixed before any framework reads them."""
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        return {**CHILD_ENV, **{name: str(self.threads) for name in names}}


def candidates(adapters: Iterable[Adapter]) -> list[Candidate]:
    """Every way the adapters name to reach a device. The first provider of an adapter is its
    devices' own and needs no option in the target."""
    found = []
    for adapter in adapters:
        if adapter.torch is not None:
            found.append(Candidate("torch", adapter, {}))
        for place, provider in enumerate(adapter.onnxruntime):
            plain = place == 0 and provider.kind in ("", adapter.kind)
            found.append(Candidate("onnxruntime", adapter, {} if plain else {provider.name: ""}))
        if adapter.backend:
            found.append(Candidate(adapter.backend, adapter, {}))
    return found


def discover(wanted: Sequence[Candidate], timeout_s: float = PROBE_TIMEOUT_S) -> list[Found]:
    """Ask all candidates, in as few processes as are safe, all at once; then the vendors' tools
    which of their cards the devices are. Raises UsageError for an option a backend lacks."""
    answers: dict[int, Found] = {}
    groups: dict[str, list[int]] = {}
    for index, candidate in enumerate(wanted):
        missing = _missing_module(candidate)
        if missing:
            answers[index] = Found(candidate, missing, {}, (), False)
        else:
            groups.setdefault(_group(candidate), []).append(index)

    def ask(indices: list[int]) -> None:
        answers.update(_ask(wanted, indices, timeout_s))

    threads = [
        threading.Thread(target=ask, args=(indices,), daemon=True) for indices in groups.values()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answer in answers.values():
        if answer.misused:
            raise UsageError(answer.reason or "")
    return [
        replace(one, devices=tuple(listing.join(one.devices, one.candidate.adapter)))
        for one in _settle_claims([answers[index] for index in range(len(wanted))])
    ]


def named(targets: Sequence[str], adapters: Iterable[Adapter]) -> list[Candidate]:
    """The candidates that the targets a person wrote can mean, with the options as written.

    Raises UsageError for a target, backend or kind of device that does not exist.
    """
    known = candidates(adapters)
    wanted: list[Candidate] = []
    for text in targets:
        target = Target.parse(text)
        if target.backend not in registry.backends():
            raise registry.unknown("backend", target.backend, registry.backends())
        matching = [one for one in known if _could_be(one, target)]
        if not matching:
            kinds = {_kind(one) for one in known if one.backend == target.backend}
            raise registry.unknown(f"device of {target.backend}", target.device, kinds)
        for one in matching:
            candidate = replace(one, options=dict(target.options))
            if candidate not in wanted:
                wanted.append(candidate)
    return wanted


def resolve(text: str, found: Sequence[Found]) -> Resolved:
    """The target a person wrote, among the answers to `named`.

    Raises Unavailable with the reason when it has no device, UsageError for one it has not.
    """
    target = Target.parse(text)
    kind, _, index = target.device.partition(":")
    matching = [
        one
        for one in found
        if _could_be(one.candidate, target) and one.candidate.options == dict(target.options)
    ]
    for one in matching:
        devices = [device for device in one.devices if device.kind == kind]
        if devices:
            by_number = not index or re.fullmatch(r"\d+(\[.*\])?", index)
            name = f"{kind}:{index or 0}" if by_number else index
            return _resolved(one, target, partition.resolve(name, devices))
    # The adapter that declares the provider explains it; others only know that it is not built in.
    words = dict(target.options)
    own = [x for x in matching if any(p.name in words for p in x.candidate.adapter.onnxruntime)]
    reasons = {one.reason or "" for one in own or matching}
    if len(reasons) == 1:
        raise Unavailable(f"{text} is not available: {reasons.pop()}")
    # Several vendors answer to one kind of device: what is wrong is the same, the remedies differ.
    causes = "; ".join(sorted({reason.split(";")[0] for reason in reasons}))
    raise Unavailable(
        f"{text} is not available: {causes}; 'hetbench devices --all' names each vendor's remedy"
    )


def _resolved(found: Found, target: Target, device: Device) -> Resolved:
    return Resolved(
        target=str(replace(target, device=device.id)),
        backend=found.candidate.backend,
        adapter=found.candidate.adapter,
        options=dict(target.options),
        device=device,
        versions=found.versions,
        simulated=found.simulated,
        threads=thread_count(device.cores or usable_cores()),
    )


def defaults(found: Sequence[Found], takes: str = "") -> list[str]:
    """Every target found, simulated ones left out: what a run without --target measures.

    `takes` leaves only backends of that format: a person's own ONNX file runs on no other.
    """
    return [
        one.target(device.id)
        for one in found
        if not one.simulated and takes in ("", one.format)
        for device in one.devices
    ]


def _could_be(candidate: Candidate, target: Target) -> bool:
    """Whether the target means this backend and adapter. For ONNX Runtime the words of the target
    name a provider: one the adapter declares must be the candidate's, any other is left to the
    backend, which knows what its build has."""
    if (candidate.backend, _kind(candidate)) != (target.backend, target.device.split(":")[0]):
        return False
    if candidate.backend != "onnxruntime":
        return True
    declared = {provider.name for provider in candidate.adapter.onnxruntime}
    return declared & set(candidate.options) == declared & {name for name, _ in target.options}


def _kind(candidate: Candidate) -> str:
    """Kind of device the candidate reaches."""
    adapter = candidate.adapter
    if candidate.backend == "onnxruntime":
        return _provider(candidate).kind or adapter.kind
    return adapter.kind


def _provider(candidate: Candidate) -> OnnxProvider:
    """The provider a candidate of ONNX Runtime names, or the adapter's first."""
    providers = candidate.adapter.onnxruntime
    return next((p for p in providers if p.name in candidate.options), providers[0])


def _missing_module(candidate: Candidate) -> str | None:
    """Why the candidate's plug-in cannot be imported, found without importing anything."""
    adapter = candidate.adapter
    if candidate.backend == "torch" and adapter.torch is not None:
        module, remedy = adapter.torch.module, adapter.torch.remedy
    elif candidate.backend == "onnxruntime":
        module, remedy = _provider(candidate).module, _provider(candidate).remedy
    else:
        return None
    if not module or _importable(module.split(".")[0]):
        return None
    advice = f"; {remedy}" if remedy else ""
    return f"the package {module} is not installed{advice}"


def _importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # a broken parent package or a module without a spec
        return False


def _group(candidate: Candidate) -> str:
    """Candidates that load foreign code get a process of their own."""
    adapter = candidate.adapter
    if candidate.backend == "torch" and adapter.torch is not None and not adapter.torch.module:
        return "torch"
    if candidate.backend == "onnxruntime" and not _provider(candidate).module:
        return "onnxruntime"
    return f"{candidate.backend}/{adapter.name}"


def _ask(wanted: Sequence[Candidate], indices: list[int], timeout_s: float) -> dict[int, Found]:
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
            answers[index] = _answer(wanted[index], event)

    job = {"candidates": [asdict(wanted[index]) for index in indices]}
    try:
        outcome = process.run("bench.worker.probe", job, on_event, timeout_s, CHILD_ENV)
    except HetbenchError as error:
        return {index: Found(wanted[index], str(error), {}, (), False) for index in indices}
    for place, index in enumerate(indices):
        if index not in answers:
            answers[index] = Found(wanted[index], _why(outcome, place == asking), {}, (), False)
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
        return Found(candidate, f"the probe's answer is not usable: {error}", {}, (), False)
    for device in found.devices:
        if not fits(asdict(device)):
            reason = "the probe's answer is not usable: a device's name or number is out of bounds"
            return Found(candidate, reason, {}, (), False)
    if len(found.devices) > patterns.MAX_MATCHES or not fits(found.versions):
        reason = "the probe's answer is not usable: it is too long"
        return Found(candidate, reason, {}, (), False)
    return found


def _why(outcome: process.Outcome, culprit: bool) -> str:
    last = (outcome.printed.splitlines() or [""])[-1][:300]
    if not culprit:
        return "not asked: the probe ended at another adapter before this one"
    if outcome.timed_out:
        return f"the probe did not answer in {PROBE_TIMEOUT_S:.0f} s and was ended: {last}"
    return f"the probe process ended with {outcome.how}: {last}"


def _settle_claims(found: list[Found]) -> list[Found]:
    """Take devices that a named adapter claims away from the adapter that claims the rest."""
    claimed = {
        (one.candidate.backend, device.id)
        for one in found
        if one.candidate.adapter.torch is not None and one.candidate.adapter.torch.names
        for device in one.devices
    }
    settled = []
    for one in found:
        plugin = one.candidate.adapter.torch
        if one.candidate.backend == "torch" and plugin is not None and not plugin.names:
            kept = tuple(d for d in one.devices if ("torch", d.id) not in claimed)
            if one.devices and not kept:
                one = replace(
                    one, devices=(), reason="every device is claimed by its vendor's own adapter"
                )
            else:
                one = replace(one, devices=kept)
        settled.append(one)
    return settled
