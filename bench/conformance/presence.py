"""Checks of what a backend says of itself and its devices, in one process and in two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np

from bench import registry
from bench.adapter import Adapter
from bench.conformance.context import Context, Listed, infer
from bench.conformance.outputs import BATCH
from bench.conformance.verdict import Found, failed, first_line, passed
from bench.device import Device
from bench.errors import UsageError
from bench.system.child import hear

ABSENT = "hetbench_absent"
"""A plug-in, provider and option that nobody has."""


def probe_reasons(context: Context) -> Found:
    """`probe` never raises, and says why something cannot run."""
    job = context.job
    kind = registry.backend(job.backend)
    availability = kind(job.adapter, job.options).probe()
    if not availability.available:
        return failed(f"available in one process, and not in this: {availability.reason}")
    if availability.reason is not None:
        return failed(f"it is available, and still gives a reason why not: {availability.reason}")
    asked = 0
    for what, adapter in _broken(job.backend, job.adapter):
        try:
            answer = kind(adapter, {}).probe()
        except UsageError:
            continue
        except Exception as error:  # noqa: BLE001 - the very thing that probe must not let through
            return failed(f"with {what} that does not exist probe raises {first_line(error)}")
        if answer.available:
            return failed(f"with {what} that does not exist probe says available")
        if not (answer.reason or "").strip():
            return failed(f"with {what} that does not exist probe gives no reason")
        asked += 1
    try:
        answer = kind(job.adapter, {ABSENT: ""}).probe()
    except UsageError:
        pass
    except Exception as error:  # noqa: BLE001 - as above
        return failed(f"an option that does not exist raises {first_line(error)}")
    else:
        if answer.available or not (answer.reason or "").strip():
            return failed("an option that does not exist is taken without a word")
    return passed(f"it gave a reason for each of {asked + 1} things asked of it that do not exist")


def _broken(backend: str, adapter: Adapter) -> Iterator[tuple[str, Adapter]]:
    """The adapter, naming things that do not exist."""
    for way in adapter.ways():
        lost = adapter.astray(way, ABSENT) if way.backend == backend else None
        if lost is not None:
            yield ("a provider" if way.option else "a plug-in"), lost


def devices_stable(context: Context) -> Found:
    """Two listings in one process are equal."""
    first, second = (_listing(context.backend.devices()) for _ in range(2))
    context.emit("listing", devices=[asdict(one) for one in first])
    if first != second:
        return failed(f"a second listing differs: {_difference(first, second)}")
    if not any(one.id == context.job.device.id.split("[")[0] for one in first):
        return failed(f"{context.job.device.id} is not in the listing of this process")
    return passed(f"two listings in one process agree on {len(first)} devices")


def devices_same_elsewhere(context: Context) -> Found:
    """Another process lists the same."""
    first, second = context.job.listing, _listing(context.backend.devices())
    if first != second:
        return failed(f"another process lists other devices: {_difference(first, second)}")
    return passed(f"another process lists the same {len(second)} devices")


def _listing(devices: Sequence[Device]) -> tuple[Listed, ...]:
    return tuple(Listed(device.id, device.uuid, device.name) for device in devices)


def _difference(first: Sequence[Listed], second: Sequence[Listed]) -> str:
    if len(first) != len(second):
        return f"{len(first)} devices, then {len(second)}"
    one, other = next(pair for pair in zip(first, second, strict=True) if pair[0] != pair[1])
    return f"{one.id} ({one.uuid}, {one.name}), then {other.id} ({other.uuid}, {other.name})"


def device_freed(context: Context) -> Found:
    """Use the device, let go of it, and stay alive while another process tries it."""
    _use(context)
    context.emit("closed")
    hear()
    return passed("the session was closed while its process went on")


def second_process(context: Context) -> Found:
    """A process finds the device free after another closed its session and still lives."""
    try:
        _use(context)
    except Exception as error:  # noqa: BLE001 - how a held device shows is the backend's own
        return failed(
            f"while a process lives that closed its session, another raises {first_line(error)}"
        )
    return passed("a second process ran while the first, its session closed, still lived")


def _use(context: Context) -> None:
    slots = context.draw(context.job.probe, BATCH, 1, "process")
    with context.probe_session(slots) as session:
        outputs = infer(session, 0)
    if not all(np.isfinite(array).all() for array in outputs.values()):
        raise ValueError("the outputs are not finite")
