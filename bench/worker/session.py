"""What a trial's child and a batch search's have in common: the job, the backend and the workload,
and errors told as statuses."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import registry
from bench.adapter import Adapter
from bench.axes import Axes
from bench.backend import Backend
from bench.clocks import host
from bench.device import Device
from bench.errors import OutOfMemory, Unsupported
from bench.language.plain import first_line
from bench.model import ModelCard, Precision
from bench.settings import toml
from bench.suite import Measure, Options
from bench.system.child import Emit
from bench.workload import Workload


@dataclass(frozen=True, slots=True)
class Job:
    """What the parent asks for. Paths are of prepared files."""

    backend: str
    adapter: Adapter
    options: dict[str, str]
    device: Device
    card: ModelCard
    precision: Precision
    batch: int | None
    axes: Axes
    scenario: str
    scenario_options: Options
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


Work = Callable[[Job, Backend, int], dict[str, Any]]
"""Does the job with its backend, which took so many nanoseconds to import; returns the fields of
the `end` event."""


def perform(table: dict[str, Any], emit: Emit, work: Work) -> None:
    """Do the job and report one `end` event: what `work` returns, or the status and reason of what
    it raised."""
    job = toml.convert(Job, table, Path("the worker's job"))
    began = host.now_ns()
    backend: Backend | None = None
    try:
        backend = registry.backend(job.backend)(job.adapter, job.options)
        availability = backend.probe()
        import_ns = host.now_ns() - began
        if not availability.available:
            emit("end", status="unsupported", reason=availability.reason)
        else:
            emit("end", **work(job, backend, import_ns))
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


def workload(job: Job, backend: Backend, axes: Axes) -> tuple[Workload, int | None]:
    """The workload and the nanoseconds its weights took to make (None: nothing was made)."""
    plain = Workload(
        card=job.card,
        precision=job.precision,
        axes=axes,
        onnx=Path(job.onnx) if job.onnx else None,
    )
    if backend.format != "module" or not job.card.family:
        return plain, None
    start = time.perf_counter_ns()
    module = _built(job.card)
    return replace(plain, module=lambda: module), time.perf_counter_ns() - start


_modules: dict[str, Any] = {}


def _built(card: ModelCard) -> Any:
    if card.name not in _modules:
        _modules[card.name] = registry.builder(card)(card.name)
    return _modules[card.name]


def key(job: Job, purpose: str) -> str:
    """What inputs for this purpose are drawn by."""
    return f"{job.card.name}/{purpose}/{job.seed}"
