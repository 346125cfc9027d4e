"""The child that prepares: exported and quantized ONNX files and the fp32 reference outputs.

Nothing of this ever happens inside a trial. Files are kept in the cache folder by the digest of
what they are made of, so most runs find everything there.
"""

from __future__ import annotations

import traceback
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import registry
from bench.adapter import Adapter
from bench.axes import Axes
from bench.backend import Backend
from bench.device import Device
from bench.errors import HetbenchError, Unsupported
from bench.language.plain import first_line
from bench.measure import fidelity, inputs
from bench.model import Arrays, ModelCard, Precision
from bench.settings import toml
from bench.system import cache, memory
from bench.system.child import Emit
from bench.workload import Slot, Workload

PREPARE_RULES = 1
"""Raised when references or checks are made in another way."""


@dataclass(frozen=True, slots=True)
class Request:
    """One case's needs."""

    id: str
    card: ModelCard
    precision: Precision
    batch: int | None
    axes: Axes
    device: Device


@dataclass(frozen=True, slots=True)
class Job:
    backend: str
    adapter: Adapter
    options: dict[str, str]
    seed: int
    source: str
    """Path of a user's own ONNX model; empty for the zoo."""
    cases: tuple[Request, ...]


def perform(table: dict[str, Any], emit: Emit) -> None:
    """Report one `prepared` event per case, with the paths of its files or why there are none."""
    job = toml.convert(Job, table, Path("the job to prepare"))
    backend = registry.backend(job.backend)(job.adapter, job.options)
    for case in job.cases:
        emit("preparing", what=f"{case.card.name} {case.precision}")
        answer: dict[str, Any] = {
            "status": "ok",
            "reason": None,
            "onnx": None,
            "onnx_sha256": None,
            "reference": None,
        }
        try:
            answer |= _files(job, case, backend)
        except Unsupported as error:
            answer |= {"status": "unsupported", "reason": str(error)}
        except HetbenchError as error:  # the cache folder cannot be written
            answer |= {"status": "disk", "reason": str(error)}
        except Exception as error:  # noqa: BLE001 - exporters and backends may raise anything
            traceback.print_exc()
            answer |= _failure(error, backend)
        for name in cache.damaged:
            emit("note", text=cache.remark(name))
        cache.damaged.clear()
        emit("prepared", case=case.id, **answer)


def _failure(error: Exception, backend: Backend) -> dict[str, Any]:
    said = first_line(error)
    if isinstance(error, MemoryError) or backend.is_out_of_memory(error):
        reason = f"memory ran out while the model was prepared: {said}"
        return {"status": "out-of-memory", "reason": reason}
    reason = f"preparing the model failed: {type(error).__name__}: {said}"
    return {"status": "failed", "reason": reason}


def _files(job: Job, case: Request, backend: Backend) -> dict[str, Any]:
    availability = backend.probe()
    if not availability.available:
        raise Unsupported(availability.reason or "the backend is not available")
    if case.precision not in case.card.precisions:
        raise Unsupported(
            f"{case.card.name} is not measured in {case.precision}; its card has "
            f"{', '.join(case.card.precisions)}"
        )
    axes = case.card.sizes(case.batch or 1, case.axes)
    workload = Workload(case.card, case.precision, axes)
    refusal = backend.supports(workload, case.device)
    if refusal:
        raise Unsupported(refusal)
    # What is ours is known to fit. The backend is asked before, since a driver may reserve more
    # addresses than there is memory.
    with memory.bounded() if job.source else nullcontext():
        return _made(job, case, backend, axes)


def _made(job: Job, case: Request, backend: Backend, axes: Axes) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    if backend.format == "onnx":
        path = onnx_file(case.card, case.precision, axes, job.source)
        answer |= {"onnx": str(path), "onnx_sha256": cache.digest(path)}
    elif job.source:
        raise Unsupported(
            f"{job.backend} runs the zoo's own models; give an onnxruntime target for an ONNX file"
        )
    items = fidelity.check_items(case.card, axes, job.seed)
    if backend.reference(Workload(case.card, case.precision, axes), items.arrays) is None:
        answer["reference"] = str(reference(case.card, items, job.seed, job.source))
    return answer


def onnx_file(card: ModelCard, precision: Precision, axes: Axes, source: str) -> Path:
    """The kept ONNX file of the model at the precision, calibrated at these sizes."""
    from bench.onnx import export as onnx_export
    from bench.onnx import own as onnx_model
    from bench.onnx import quantize  # with torch: not for simulated devices

    if source:
        path = onnx_model.bound(Path(source), card)
    else:
        path = onnx_export.exported(card, axes, lambda: registry.builder(card)(card.name))
    calibration = f"{card.name}/calibration"  # whatever the seed: one quantized model for all runs
    return quantize.prepared(
        path,
        precision,
        lambda: inputs.slots(
            card.inputs, card.sizes(card.batch or 1, axes), card.calibration_sets, calibration
        ),
    )


def reference(card: ModelCard, items: Slot, seed: int, source: str) -> Path:
    """The kept outputs of the fp32 reference on the check items, which were drawn by the seed."""
    from bench.onnx import export as onnx_export

    key = cache.key(
        made="reference",
        rules=PREPARE_RULES,
        card=asdict(card),
        axes=dict(items.axes),
        seed=seed,
        sources=cache.file_digest(Path(source)) if source else onnx_export.sources(card),
    )
    return cache.prepared(
        key, ".npz", lambda path: fidelity.save(path, _outputs(card, items, source))
    )


def _outputs(card: ModelCard, items: Slot, source: str) -> Arrays:
    """torch on the CPU in fp32; for a user's own model ONNX Runtime without optimizations."""
    if source:
        from bench.onnx import own as onnx_model

        batches = fidelity.check_batches(items, card.batch or 1)
        return onnx_model.reference(Path(source), card, batches)
    import torch

    module = registry.builder(card)(card.name)
    with torch.inference_mode():
        found = module(*(torch.from_numpy(items.arrays[spec.name]) for spec in card.inputs))
    tensors = found if isinstance(found, tuple) else (found,)
    return {name: t.numpy() for name, t in zip(card.outputs, tensors, strict=True)}
