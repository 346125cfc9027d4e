"""ONNX Runtime on any device one of its execution providers reaches.

Built-in providers (CPU, CUDA, TensorRT, CANN, MIGraphX, QNN and any other of the installed build)
and plug-in providers are chosen by the adapter or by name, `onnxruntime+OpenVINO@cpu:0`. There is
no silent fallback: a provider that does not start is a reason, and the placement of every node is
proved and stored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from bench.adapter import Adapter
from bench.backend import Availability, Backend, Session
from bench.device import Device
from bench.devices import cpu
from bench.errors import Unsupported
from bench.way import OnnxProvider
from bench.workload import Slot, Workload

from . import _ort_devices
from . import _ort_providers as providers

if providers.MISSING is None:
    import onnxruntime as ort
    from onnxruntime.capi.onnxruntime_pybind11_state import EPFail
    from onnxruntime.capi.onnxruntime_pybind11_state import (
        NotImplemented as NotImplementedByProvider,
    )

    from . import _placement
    from ._ort_session import OnnxRuntimeSession

_ERRORS_ONLY = 3
_OUT_OF_MEMORY = (
    "failed to allocate memory",
    "bfcarena",
    "bad_alloc",
    "out of memory",
    "out_of_memory",
    "cudaerrormemoryallocation",
)


class OnnxRuntimeBackend(Backend):
    """Option: the name of one execution provider; none means the adapter's first of its kind."""

    name: ClassVar[str] = "onnxruntime"
    format: ClassVar[Literal["module", "onnx", "none"]] = "onnx"

    def __init__(self, adapter: Adapter, options: Mapping[str, str]) -> None:
        super().__init__(adapter, options)
        self._chosen = providers.choose(adapter, options)

    def probe(self) -> Availability:
        if not self._chosen:
            named = [f"{self.name}+{p.name}@{p.kind}:0" for p in self.adapter.onnxruntime]
            hint = f"; write {named[0]}" if named else ""
            return Availability(
                False,
                f"the adapter {self.adapter.name} names no execution provider for "
                f"{self.adapter.kind} devices{hint}",
            )
        reasons = [providers.unavailable(spec) for spec in self._chosen]
        if None not in reasons:
            return Availability(False, reasons[0])
        return Availability(True, versions=self._versions())

    def _versions(self) -> dict[str, str]:
        versions = {"onnxruntime": ort.__version__}
        for spec in self._chosen:
            for one in providers.ep_devices(spec) if spec.module else ():
                versions[spec.provider] = one.ep_metadata.get("version", "unknown")
        return versions

    def devices(self) -> list[Device]:
        return [
            device
            for spec in self._chosen
            if providers.unavailable(spec) is None
            for device in _ort_devices.devices(self.adapter, spec)
        ]

    def supports(self, workload: Workload, device: Device) -> str | None:
        spec, card = self._for(device), workload.card
        if spec is None:
            return f"no execution provider of {self.adapter.name} runs on {device.kind} devices"
        more = workload.beside_inference()
        if more:
            return f"ONNX Runtime runs inference alone here, not {more}"
        if workload.precision not in spec.precisions:
            return f"{spec.name} computes {', '.join(spec.precisions)}, not {workload.precision}"
        if card.batch not in (None, workload.batch):
            return f"{card.name} takes batches of {card.batch} only, not {workload.batch}"
        return workload.too_large_for(device, cpu.memory_for_model(device))

    def load(
        self, workload: Workload, device: Device, slots: Sequence[Slot], threads: int
    ) -> Session:
        spec = self._for(device)
        if spec is None or workload.onnx is None:
            raise Unsupported(f"{self.adapter.name} was given no ONNX file to run on {device.id}")
        settings = providers.filled(spec, device.index, threads)
        if spec.provider == "CUDAExecutionProvider":
            settings["use_tf32"] = "1" if workload.precision == "tf32" else "0"

        def start(options: Any) -> Any:
            return _start(str(workload.onnx), spec, device.index, settings, options)

        proof = None
        if not _placement.tells_assignment():
            options = _session_options(threads, slots)
            proof = _placement.profiled(start, options, slots[0].arrays, spec.provider)
        session = start(_session_options(threads, slots))
        return OnnxRuntimeSession(
            session,
            slots,
            spec.provider,
            device,
            proof or _placement.assigned(session, spec.provider),
            {
                "provider": spec.provider,
                "provider_options": json.dumps(session.get_provider_options()[spec.provider]),
                "onnxruntime": ort.__version__,
                "graph_optimization": "all",
                "intra_op_threads": str(threads),
                "inter_op_threads": "1",
            },
        )

    def _for(self, device: Device) -> OnnxProvider | None:
        kinds = {spec.kind or self.adapter.kind: spec for spec in self._chosen}
        return kinds.get(device.kind)

    def is_out_of_memory(self, error: BaseException) -> bool:
        text = str(error).lower()
        return isinstance(error, MemoryError) or any(words in text for words in _OUT_OF_MEMORY)


def _session_options(threads: int, slots: Sequence[Slot]) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = _ERRORS_ONLY
    # With every axis known, shapes fold away, and providers that need static shapes take the graph.
    # An axis stays free where slots differ in it.
    for axis, size in slots[0].axes.items():
        if all(slot.axes[axis] == size for slot in slots):
            options.add_free_dimension_override_by_name(axis, size)
    options.add_session_config_entry(_placement.RECORD, "1")
    return options


def _start(
    path: str, spec: OnnxProvider, index: int, settings: dict[str, str], options: Any
) -> Any:
    """A session with the provider really in it; raises Unsupported, or ONNX Runtime's error."""
    try:
        if spec.module:
            providers.register(spec)
            options.add_provider_for_devices([providers.ep_devices(spec)[index]], settings)
            session = ort.InferenceSession(path, options, enable_fallback=0)
        else:
            session = ort.InferenceSession(
                path, options, providers=[(spec.provider, settings)], enable_fallback=0
            )
    except NotImplementedByProvider as error:
        raise Unsupported(f"{spec.name} lacks an operator: {providers.one_line(error)}") from error
    except EPFail as error:  # on many lines, of which the first says nothing
        raise RuntimeError(f"{spec.name} failed: {providers.one_line(error)}") from error
    if spec.provider not in session.get_providers():
        raise Unsupported(
            f"{spec.provider} did not start, so ONNX Runtime would have run on the CPU instead"
        )
    return session


BACKEND = OnnxRuntimeBackend
