"""The child that measures: exactly one trial, then exit."""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import scenarios
from bench.backend import Backend, Session
from bench.clocks import host
from bench.figures.stats import Estimate
from bench.measure import clock, fidelity, inputs
from bench.results import samples as encoding
from bench.scenarios.collect import Load, Observations
from bench.scenarios.scenario import Scenario
from bench.settings import toml
from bench.system.child import Emit, hear
from bench.worker import session as shared
from bench.worker.session import Job
from bench.workload import Slot, Workload

EVENT_TIMES = 20
"""Runs whose device-event time is recorded beside the host's."""
REPORT_EVERY_NS = 250_000_000


def perform(table: dict[str, Any], emit: Emit) -> None:
    """Do the trial and report one `end` event with the status and all observations."""

    def work(job: Job, backend: Backend, import_ns: int) -> dict[str, Any]:
        return trial(job, backend, import_ns, emit)

    shared.perform(table, emit, work)


def trial(job: Job, backend: Backend, import_ns: int, emit: Emit) -> dict[str, Any]:
    """Load, time, check; returns the fields of the `end` event."""
    axes = job.card.sizes(job.card.batch or job.batch or 1, job.axes)
    workload, build_ns = shared.workload(job, backend, axes)
    refusal = backend.supports(workload, job.device)
    if refusal:
        return {"status": "unsupported", "reason": refusal}
    scenario = scenarios.get(job.scenario)
    timing = inputs.slots(job.card.inputs, axes, job.measure.slots, shared.key(job, "timing"))
    items = fidelity.check_items(job.card, axes, job.seed)
    check = fidelity.check_batches(items, workload.batch)

    emit("phase", name="load")
    now = backend.clock.now_ns
    start = clock.now_ns()
    session = backend.load(workload, job.device, [*timing, *check], job.threads)
    loaded = clock.now_ns()
    if not isinstance(session, scenario.needs):
        session.close()
        reason = f"the scenario {job.scenario} is for another kind of model than {job.card.name}"
        return {"status": "unsupported", "reason": reason}
    session.stage(0)
    session.run(0)
    session.fetch()
    first_ns = clock.now_ns() - loaded
    cold_start = {
        "import_ns": import_ns,
        "build_ns": build_ns,
        "load_ns": loaded - start,
        "first_inference_ns": first_ns,
    }

    def checked() -> tuple[fidelity.Verdict, str]:
        emit("phase", name="fidelity")
        return _verdict(job, backend, session, workload, items, len(check))

    before = checked() if scenario.check_first else None
    emit("phase", name="measure")
    wait_for_start(emit)
    seen = _observe(scenario, job, session, now, emit)
    events = _device_events(session, job.measure.slots)
    verdict, reference = before or checked()
    placement = session.placement()
    device_peak = session.peak_memory_bytes()
    facts = session.facts()
    session.close()
    # A simulated device's own time began in this process.
    origin_ns = job.origin_ns if backend.clock is host else 0
    return {
        "status": "ok" if verdict.passed else "invalid",
        "reason": verdict.reason,
        "clock": asdict(clock.characterize(now, backend.clock.name)),
        "cold_start": cold_start,
        "memory": {
            "host_peak_bytes": _host_peak_bytes(),
            "device_peak_bytes": device_peak,
            "device_reason": None
            if device_peak is not None
            else f"{job.backend} reports no memory figures for {job.device.kind} devices",
        },
        "series": {
            name: {
                "unit": "ns",
                "items_per_sample": one.items_per_sample,
                "warmup": one.warmup,
                "steady": one.steady,
                "stopped_by": one.stopped_by,
                "start_ns": one.start_ns - origin_ns,
                "end_ns": one.end_ns - origin_ns,
                "samples": encoding.pack(one.samples),
            }
            for name, one in seen.series.items()
        },
        "windows": [
            {
                "name": one.name,
                "start_ns": one.start_ns - origin_ns,
                "end_ns": one.end_ns - origin_ns,
                "items": one.items,
            }
            for one in seen.windows
        ],
        "device_event_ns": encoding.pack(events) if events else None,
        "fidelity": {
            "relative_l2": verdict.relative_l2,
            "top1_agreement": verdict.top1_agreement,
            "not_finite": verdict.not_finite,
            "items": verdict.items,
            "tolerance_relative_l2": verdict.tolerance.relative_l2,
            "tolerance_top1": verdict.tolerance.top1,
            "reference": reference,
            "passed": verdict.passed,
        },
        "placement": None
        if placement is None
        else {
            "wanted": placement.wanted,
            "nodes": dict(placement.nodes),
            "strays": dict(placement.strays),
            "proof": placement.proof,
            "share": placement.share,
        },
        "facts": facts,
    }


def wait_for_start(emit: Emit) -> None:
    """Say that all is ready, and wait for the instant at which the whole crew starts."""
    emit("ready")
    host.wait_until(int(hear()["at_ns"]))


def _observe(
    scenario: Scenario, job: Job, session: Session, now: Callable[[], int], emit: Emit
) -> Observations:
    last = 0

    def report(estimate: Estimate, items: int) -> None:
        nonlocal last
        if time.monotonic_ns() - last > REPORT_EVERY_NS:
            last = time.monotonic_ns()
            bounds = {"low": estimate.low, "high": estimate.high}
            emit("estimate", value=estimate.value, **bounds, items=items)

    load = Load(
        session=session,
        slots=job.measure.slots,
        items_per_run=job.items_per_run,
        measure=job.measure,
        now=now,
        power=job.power,
        report=report,
    )
    options = toml.convert(scenario.options, job.scenario_options, Path("the worker's job"))
    gc.collect()
    gc.disable()  # a collection between two stamps is the harness's doing, not the device's
    try:
        return scenario.observe(load, options)
    finally:
        gc.enable()


def _device_events(session: Session, slots: int) -> list[int]:
    """Nanoseconds by the device's own events; empty where it has none."""
    for slot in range(slots):  # a trial of few samples did not come to all of them
        session.stage(slot)
    session.synchronize()
    times = []
    for run in range(EVENT_TIMES):
        elapsed = session.device_time_ns(run % slots)
        if elapsed is None:
            return []
        times.append(elapsed)
    return times


def _verdict(
    job: Job, backend: Backend, session: Session, workload: Workload, items: Slot, checks: int
) -> tuple[fidelity.Verdict, str]:
    """How far the outputs are from the reference, and whose that is."""
    outputs = []
    for slot in range(job.measure.slots, job.measure.slots + checks):
        session.stage(slot)
        session.run(slot)
        outputs.append(session.fetch())
    reference, whose = backend.reference(workload, items.arrays), "simulated"
    if reference is None:
        reference, whose = fidelity.load(Path(str(job.reference))), "cpu fp32"
    tolerance = job.card.tolerance[job.precision]
    return fidelity.compare(outputs, workload.batch, reference, job.card, tolerance), whose


def _host_peak_bytes() -> int:
    """Most memory this program held. getrusage would also count the parent's, whose memory a
    child has until it starts its own program."""
    try:
        status = Path("/proc/self/status").read_text("ascii", "replace")
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError, ValueError):  # no Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
