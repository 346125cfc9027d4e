"""What this machine has: every backend with every adapter, its devices or the reason why not."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench import listing, partition, process, registry, toml
from bench.adapter import Adapter
from bench.cpu import thread_count, usable_cores
from bench.device import Device, Target
from bench.errors import UsageError
from bench.probe import Candidate

PROBE_TIMEOUT_S = 60.0
CHILD_ENV = {"TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}
"""A torch plug-in that cannot load makes `import torch` itself raise; ours are imported by name."""


@dataclass(frozen=True, slots=True)
class Found:
    """Answer for one backend with one adapter."""

    candidate: Candidate
    reason: str | None
    """Why it has no device; None when it has."""
    versions: Mapping[str, str]
    devices: tuple[Device, ...]
    simulated: bool

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
    which of their cards the devices are."""
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
    return [
        replace(one, devices=tuple(listing.join(one.devices, one.candidate.adapter)))
        for one in _settle_claims([answers[index] for index in range(len(wanted))])
    ]


def resolve(text: str, found: Sequence[Found]) -> Resolved:
    """The target a person wrote, among what was found; raises UsageError with the reason."""
    target = Target.parse(text)
    if target.backend not in registry.backends():
        raise registry.unknown("backend", target.backend, registry.backends())
    kind = target.device.split(":")[0]
    device_id = target.device if ":" in target.device else f"{target.device}:0"
    matching = [f for f in found if _could_be(f.candidate, target, kind)]
    if not matching:
        known = sorted({f.target(d.id) for f in found for d in f.devices})
        raise registry.unknown("target", text, known)
    for one in matching:
        if one.reason is None and any(d.kind == kind for d in one.devices):
            device = partition.resolve(device_id, one.devices)
            return replace_options(one, target, device)
    raise UsageError(f"{text} is not available: {matching[0].reason}")


def replace_options(found: Found, target: Target, device: Device) -> Resolved:
    """The resolved target, with the options as the person wrote them."""
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


def defaults(found: Sequence[Found]) -> list[str]:
    """Every target found, simulated ones left out: what a run without --target measures."""
    return [one.target(device.id) for one in found if not one.simulated for device in one.devices]


def _could_be(candidate: Candidate, target: Target, kind: str) -> bool:
    adapter = candidate.adapter
    if candidate.backend != target.backend:
        return False
    if candidate.backend != "onnxruntime":
        return adapter.kind == kind or (adapter.torch is not None and adapter.torch.device == kind)
    words = {name for name, value in target.options if not value}
    provider = next(
        (p for p in adapter.onnxruntime if p.name in candidate.options), adapter.onnxruntime[0]
    )
    if (provider.kind or adapter.kind) != kind:
        return False
    declared = {p.name for p in adapter.onnxruntime}
    return set(candidate.options) == (words & declared) or (
        not candidate.options and not words & declared
    )


def _missing_module(candidate: Candidate) -> str | None:
    """Why the candidate's plug-in cannot be imported, found without importing anything."""
    adapter = candidate.adapter
    if candidate.backend == "torch" and adapter.torch is not None:
        module, remedy = adapter.torch.module, adapter.torch.remedy
    else:
        providers = [p for p in adapter.onnxruntime if p.name in candidate.options]
        providers = providers or list(adapter.onnxruntime[:1])
        if candidate.backend != "onnxruntime" or not providers:
            return None
        module, remedy = providers[0].module, providers[0].remedy
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
    if candidate.backend == "onnxruntime":
        names = set(candidate.options) or {p.name for p in adapter.onnxruntime[:1]}
        if not any(p.module for p in adapter.onnxruntime if p.name in names):
            return "onnxruntime"
    return f"{candidate.backend}/{adapter.name}"


def _ask(wanted: Sequence[Candidate], indices: list[int], timeout_s: float) -> dict[int, Found]:
    answers: dict[int, Found] = {}
    asking = 0

    def on_event(event: dict[str, Any]) -> None:
        nonlocal asking
        if event["event"] == "asking":
            asking = int(event["index"])
        elif event["event"] == "found":
            index = indices[int(event["index"])]
            answers[index] = Found(
                candidate=wanted[index],
                reason=event["reason"],
                versions={str(k): str(v) for k, v in event["versions"].items()},
                devices=tuple(
                    toml.convert(Device, table, Path("the probe's answer"))
                    for table in event["devices"]
                ),
                simulated=bool(event["simulated"]),
            )

    job = {"kind": "probe", "candidates": [asdict(wanted[index]) for index in indices]}
    outcome = process.run(job, on_event, timeout_s, CHILD_ENV)
    for place, index in enumerate(indices):
        if index not in answers:
            answers[index] = Found(wanted[index], _why(outcome, place == asking), {}, (), False)
    return answers


def _why(outcome: process.Outcome, culprit: bool) -> str:
    last = (outcome.printed.splitlines() or [""])[-1][:300]
    if not culprit:
        return "not asked: the probe ended at another adapter before this one"
    if outcome.timed_out:
        return f"the probe did not answer in {PROBE_TIMEOUT_S:.0f} s and was ended: {last}"
    how = outcome.signal_name or f"exit code {outcome.returncode}"
    return f"the probe process ended with {how}: {last}"


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
