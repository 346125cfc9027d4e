"""The child: exactly one trial (or one batch search), then exit."""

from __future__ import annotations

import gc
import resource
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import registry
from bench.adapter import Adapter
from bench.axes import BATCH, Axes
from bench.backend import Backend, Session
from bench.clocks import host
from bench.device import Device
from bench.errors import OutOfMemory, Unsupported
from bench.figures.stats import Estimate
from bench.language.plain import first_line
from bench.measure import clock, fidelity, inputs
from bench.model import ModelCard, Precision
from bench.results import samples as encoding
from bench.scenarios import SCENARIOS
from bench.scenarios.collect import Load, Observations, warm_up
from bench.settings import toml
from bench.suite import Measure
from bench.system.child import Emit
from bench.workload import Slot, Workload

if TYPE_CHECKING:  # the records take a while to import, and a trial's child needs none
    from bench.results.records import SearchEnd

EVENT_TIMES = 20
"""Runs whose device-event time is recorded beside the host's."""
MAX_BATCH = 4096
SEARCH_GAIN = 1.03
"""A doubled batch is worth it when it raises throughput by this factor."""
SEARCH_LOSS = 0.9
"""A rate below this share of the best ends the search: larger batches only get slower."""
SEARCH_S = 0.2
SEARCH_ITEMS = 8
REPORT_EVERY_NS = 250_000_000


@dataclass(frozen=True, slots=True)
class Job:
    """What the parent asks for. Paths are of prepared files."""

    kind: str
    backend: str
    adapter: Adapter
    options: dict[str, str]
    device: Device
    card: ModelCard
    precision: Precision
    batch: int | None
    axes: Axes
    scenario: str
    measure: Measure
    threads: int
    cores: tuple[int, ...]
    seed: int
    power: bool
    origin_ns: int
    """Reading of the monotonic clock that is 0 on the run's clock."""
    items_per_run: int
    onnx: str | None = None
    reference: str | None = None


def perform(table: dict[str, Any], emit: Emit) -> None:
    """Do the job and report one `end` event with the status and all observations."""
    job = toml.convert(Job, table, Path("the worker's job"))
    imported_at = clock.now_ns()
    backend: Backend | None = None
    try:
        backend = registry.backend(job.backend)(job.adapter, job.options)
        availability = backend.probe()
        import_ns = clock.now_ns() - imported_at
        if not availability.available:
            emit("end", status="unsupported", reason=availability.reason)
        elif job.kind == "search":
            emit("end", status="ok", reason=None, stopped_by=search(job, backend, emit))
        else:
            emit("end", **trial(job, backend, import_ns, emit))
    except (OutOfMemory, MemoryError) as error:
        emit("end", status="out-of-memory", reason=f"memory ran out: {first_line(error)}")
    except Unsupported as error:
        emit("end", status="unsupported", reason=str(error))
    except Exception as error:  # noqa: BLE001 - a backend is foreign code and may raise anything
        traceback.print_exc()
        if backend is not None and backend.is_out_of_memory(error):
            emit("end", status="out-of-memory", reason=f"memory ran out: {first_line(error)}")
        else:
            reason = f"{type(error).__name__}: {first_line(error)}"
            emit("end", status="failed", reason=reason)


def trial(job: Job, backend: Backend, import_ns: int, emit: Emit) -> dict[str, Any]:
    """Load, time, check; returns the fields of the `end` event."""
    axes = job.card.sizes(job.card.batch or job.batch or 1, job.axes)
    workload, build_ns = _workload(job, backend, axes)
    refusal = backend.supports(workload, job.device)
    if refusal:
        return {"status": "unsupported", "reason": refusal}
    timing = inputs.slots(job.card.inputs, axes, job.measure.slots, _key(job, "timing"))
    items = fidelity.check_items(job.card, axes, job.seed)
    check = fidelity.check_batches(items, workload.batch)

    emit("phase", name="load")
    now = backend.clock.now_ns
    start = clock.now_ns()
    session = backend.load(workload, job.device, [*timing, *check], job.threads)
    loaded = clock.now_ns()
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

    emit("phase", name="measure")
    seen = _observe(job, session, now, emit)
    events = _device_events(session, job.measure.slots)

    emit("phase", name="fidelity")
    verdict, reference = _verdict(job, backend, session, workload, items, len(check))
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


def search(job: Job, backend: Backend, emit: Emit) -> SearchEnd:
    """Double the batch while throughput gains and memory lasts; report each point as it is known.

    The parent chooses from the points, so that a crash on the way loses nothing. Returns why it
    ended.
    """
    best = 0.0
    disappointments = 0
    batch = 1
    # A few items, repeated: making thousands would take longer than running them.
    some = job.card.sizes(SEARCH_ITEMS, job.axes)
    few = inputs.slots(job.card.inputs, some, 2, _key(job, "search"))
    while batch <= MAX_BATCH:
        emit("trying", batch=batch)
        workload, _ = _workload(job, backend, {**some, BATCH: batch})
        refusal = backend.supports(workload, job.device)
        if refusal:
            emit("batch", batch=batch, items_per_s=None, reason=refusal)
            if batch == 1:
                raise Unsupported(refusal)
            return "refused"
        slots = [fidelity.check_batches(items, batch)[0] for items in few]
        try:
            rate = _rate(backend, workload, job, slots)
        except Exception as error:
            if batch > 1 and (
                isinstance(error, OutOfMemory | MemoryError) or backend.is_out_of_memory(error)
            ):
                emit("batch", batch=batch, items_per_s=None, reason="memory ran out")
                return "memory"
            raise
        emit("batch", batch=batch, items_per_s=rate, reason=None)
        if rate < best * SEARCH_LOSS:
            return "slower"
        disappointments = 0 if rate > best * SEARCH_GAIN else disappointments + 1
        if disappointments == 2:
            return "level"
        best = max(best, rate)
        batch *= 2
    return "cap"


def _rate(backend: Backend, workload: Workload, job: Job, slots: list[Slot]) -> float:
    """Items per second of a short resident burst."""
    now = backend.clock.now_ns
    session = backend.load(workload, job.device, slots, job.threads)
    try:
        for slot in range(len(slots)):
            session.stage(slot)
        clock.queued(session, len(slots), 1, now)
        once = max(clock.queued(session, len(slots), 1, now), 1)
        runs = int(min(max(SEARCH_S * 1e9 / 3 / once, 1), 10_000))

        def take(first: int, count: int) -> list[int]:
            del first
            return [clock.queued(session, len(slots), runs, now) for _ in range(count)]

        samples, _ = warm_up(take, SEARCH_S, now)
        return workload.batch * runs / (min(samples[-3:]) / 1e9)
    finally:
        session.close()
        gc.collect()


def _workload(job: Job, backend: Backend, axes: Axes) -> tuple[Workload, int | None]:
    """The workload and the nanoseconds its weights took to make (None: nothing was made)."""
    workload = Workload(
        card=job.card,
        precision=job.precision,
        axes=axes,
        onnx=Path(job.onnx) if job.onnx else None,
    )
    if backend.format != "module" or not job.card.family:
        return workload, None
    start = time.perf_counter_ns()
    module = _built(job.card)
    return replace(workload, module=lambda: module), time.perf_counter_ns() - start


_modules: dict[str, Any] = {}


def _built(card: ModelCard) -> Any:
    if card.name not in _modules:
        _modules[card.name] = registry.builder(card)(card.name)
    return _modules[card.name]


def _observe(job: Job, session: Session, now: Callable[[], int], emit: Emit) -> Observations:
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
    gc.collect()
    gc.disable()  # a collection between two stamps is the harness's doing, not the device's
    try:
        return SCENARIOS[job.scenario](load)
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


def _key(job: Job, purpose: str) -> str:
    return f"{job.card.name}/{purpose}/{job.seed}"


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
