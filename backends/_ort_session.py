"""A loaded ONNX model with its slots bound once, so that a run is one call."""

from __future__ import annotations

import resource
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.backend import Placement, Session
from bench.device import Device
from bench.errors import Unsupported
from bench.model import Arrays
from bench.workload import Slot

_DEVICE_MEMORY = {"CUDAExecutionProvider": "cuda", "TensorrtExecutionProvider": "cuda"}
"""Providers whose outputs ONNX Runtime's Python package can leave on the device. The others write
them to host memory: that copy is part of `run`."""

_NUMPY_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}


class OnnxRuntimeSession(Session):
    """ONNX Runtime waits for the device at the end of every run, so nothing is ever queued.

    The CPU provider reads inputs where they lie, since host memory is its device's memory: staging
    copies nothing. Every other provider gets a copy when an input is bound, so staging binds again.
    """

    def __init__(
        self,
        session: Any,
        slots: Sequence[Slot],
        provider: str,
        device: Device,
        placement: Placement,
        facts: Mapping[str, str],
    ) -> None:
        self._session = session
        self._slots = slots
        self._placement = placement
        self._on_cpu = device.kind == "cpu"
        self._in_place = provider == "CPUExecutionProvider"
        self._outputs_at = (_DEVICE_MEMORY.get(provider, "cpu"), device.index)
        self._facts = {
            **facts,
            "inputs": "bound in place" if self._in_place else "copied when staged",
            "outputs": f"bound in {self._outputs_at[0]} memory",
        }
        self._inputs = [one.name for one in session.get_inputs()]
        self._names = [one.name for one in session.get_outputs()]
        self._buffers: dict[tuple[int, ...], dict[str, Any] | None] = {}
        self._outputs = [self._allocate_outputs(slot) for slot in slots]
        self._bindings = [
            self._bind(slot.arrays, outputs)
            for slot, outputs in zip(slots, self._outputs, strict=True)
        ]
        self._last = 0
        self._run = session.run_with_iobinding

    def _allocate_outputs(self, slot: Slot) -> dict[str, Any] | None:
        """One host buffer per output for all slots of these sizes; None where ONNX Runtime has to
        allocate."""
        outputs = self._session.get_outputs()
        shapes = {one.name: [slot.axes.get(n, n) for n in one.shape] for one in outputs}
        known = all(
            one.type in _NUMPY_TYPES and all(isinstance(n, int) for n in shapes[one.name])
            for one in outputs
        )
        if not known or self._outputs_at[0] != "cpu":
            return None
        sizes = tuple(slot.axes.values())
        if sizes not in self._buffers:
            self._buffers[sizes] = {
                one.name: np.zeros(shapes[one.name], _NUMPY_TYPES[one.type]) for one in outputs
            }
        return self._buffers[sizes]

    def _bind(self, arrays: Arrays, outputs: dict[str, Any] | None) -> Any:
        missing = [name for name in self._inputs if name not in arrays]
        if missing:
            raise Unsupported(f"the ONNX file has inputs the model lacks: {', '.join(missing)}")
        binding = self._session.io_binding()
        for name in self._inputs:
            arrays[name] = np.ascontiguousarray(arrays[name])
            binding.bind_cpu_input(name, arrays[name])
        for name in self._names:
            if outputs is None:
                binding.bind_output(name, *self._outputs_at)
            else:
                out = outputs[name]
                binding.bind_output(name, "cpu", 0, out.dtype.type, out.shape, out.ctypes.data)
        return binding

    def stage(self, slot: int) -> None:
        if not self._in_place:
            binding, arrays = self._bindings[slot], self._slots[slot].arrays
            for name in self._inputs:
                binding.bind_cpu_input(name, arrays[name])

    def run(self, slot: int) -> None:
        self._last = slot
        self._run(self._bindings[slot])

    def synchronize(self) -> None:
        """Nothing to wait for: `run` returned when the device was done."""

    def fetch(self) -> Arrays:
        outputs = self._outputs[self._last]
        if outputs is not None:
            return {name: out.astype(np.float32) for name, out in outputs.items()}
        values = self._bindings[self._last].copy_outputs_to_cpu()
        return {
            name: np.asarray(value, np.float32)
            for name, value in zip(self._names, values, strict=True)
        }

    def close(self) -> None:
        self._bindings.clear()
        self._outputs.clear()
        self._buffers.clear()
        del self._run, self._session

    def placement(self) -> Placement:
        return self._placement

    def peak_memory_bytes(self) -> int | None:
        # On the CPU the process's memory is the device's; elsewhere ONNX Runtime tells nothing.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 if self._on_cpu else None

    def facts(self) -> dict[str, str]:
        return dict(self._facts)
