"""A torch module on an accelerator, which works in order and on its own time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from bench.model import Arrays

from ._torch_session import TorchSession, host_tensor

Function = Callable[..., Any]
_CAPTURE_WARMUP = 3
"""Runs before a CUDA graph is captured, in which libraries choose algorithms and workspaces."""


def device_function(kind: str, *names: str, otherwise: Function | None = None) -> Function:
    """The first of these functions that `torch.<kind>` has, or else `torch.accelerator` (2.6+).

    Raises RuntimeError when neither has one and there is no `otherwise`.
    """
    for home in (getattr(torch, kind, None), _accelerator(kind)):
        for name in names:
            function = getattr(home, name, None)
            if callable(function):
                found: Function = function
                return found
    if otherwise is None:
        raise RuntimeError(f"torch has no {names[0]} for {kind} devices")
    return otherwise


def _accelerator(kind: str) -> Any:
    home = getattr(torch, "accelerator", None)
    current = home.current_accelerator() if home else None
    return home if current is not None and current.type == kind else None


class DeviceSession(TorchSession):
    """A module on an accelerator, which works in order and on its own time.

    Input arrays are moved to pinned memory where the device has it, and copied from there without
    waiting.
    """

    def __init__(self, place: torch.device, **settings: Any) -> None:
        device_function(place.type, "set_device", "set_device_index", otherwise=_nothing)(
            place.index
        )
        _memory(place, "reset_peak_memory_stats")
        # torch.mps.synchronize takes no device, as there is only one.
        argument = () if place.type == "mps" else (place,)
        self._wait = partial(device_function(place.type, "synchronize"), *argument)
        self._landings: dict[tuple[str, torch.Size], Tensor] = {}
        super().__init__(place=place, **settings)

    def synchronize(self) -> None:
        self._wait()

    def fetch(self) -> Arrays:
        outputs = self._outputs
        if isinstance(outputs, Tensor):
            outputs = (outputs,)
        # The cast comes first: a copy that casts does so on the CPU, and without pinned memory.
        host = [output.float().to("cpu", non_blocking=self._pinned) for output in outputs]
        self._wait()
        return {name: tensor.numpy() for name, tensor in zip(self._names, host, strict=True)}

    def close(self) -> None:
        super().close()
        self._landings = {}
        device_function(self._place.type, "empty_cache", otherwise=_nothing)()

    def device_time_ns(self, slot: int) -> int | None:
        if self._events is None:
            return None
        start, end = self._events
        start.record()
        self.run(slot)
        end.record()
        end.synchronize()
        elapsed_ms: float = start.elapsed_time(end)
        return round(elapsed_ms * 1e6)

    def peak_memory_bytes(self) -> int | None:
        peak = _memory(self._place, "max_memory_allocated")
        return None if peak is None else int(peak)

    def facts(self) -> dict[str, str]:
        facts = super().facts() | {"host_memory": "pinned" if self._pinned else "pageable"}
        if self._place.type == "cuda":
            facts |= {
                "tf32_matmul": _on(torch.backends.cuda.matmul.allow_tf32),
                "tf32_convolution": _on(torch.backends.cudnn.allow_tf32),
                "cudnn": str(torch.backends.cudnn.version()),  # type: ignore[no-untyped-call]
                "cudnn_benchmark": _on(torch.backends.cudnn.benchmark),
                "cuda_graphs": _on(isinstance(self, GraphSession)),
                "device_name": torch.cuda.get_device_name(self._place),
            }
        return facts

    def _prepare(self) -> None:
        self._events = _events(self._place.type)

    def _bind(self, name: str, arrays: Arrays, copies: list[tuple[Tensor, Tensor]]) -> Tensor:
        host = self._pin(host_tensor(arrays, name))
        arrays[name] = host.numpy()
        argument = self._empty(host)
        if self._is_ready(host):
            copies.append((argument, host))
            return argument
        # Casts and reorders happen on the device: a copy from the host that does either would do
        # it on the CPU and wait. All slots of a size land in one place, as the device works in
        # order.
        key = (name, host.shape)
        if key not in self._landings:
            self._landings[key] = torch.empty_like(host, device=self._place)
        landing = self._landings[key]
        copies += [(landing, host), (argument, landing)]
        return argument

    def _pin(self, tensor: Tensor) -> Tensor:
        try:
            pinned = tensor.pin_memory()
        except RuntimeError:  # this kind of device has no pinned memory
            return tensor
        self._pinned = True
        return pinned


class GraphSession(DeviceSession):
    """Replays one captured CUDA graph a slot instead of launching kernel by kernel."""

    def run(self, slot: int) -> None:
        graph, self._outputs = self._graphs[slot]
        graph.replay()

    def close(self) -> None:
        self.synchronize()
        self._graphs.clear()
        super().close()

    def _prepare(self) -> None:
        super()._prepare()
        self._graphs: list[tuple[torch.cuda.CUDAGraph, Tensor | Sequence[Tensor]]] = []
        pool = torch.cuda.graph_pool_handle()
        side = torch.cuda.Stream(self._place)  # type: ignore[no-untyped-call]
        known = set()
        for slot, arguments in enumerate(self._arguments):
            self.stage(slot)  # made-up inputs could be indices out of range
            self.synchronize()
            shapes = tuple(argument.shape for argument in arguments)
            with torch.cuda.stream(side):
                for _ in range(1 if shapes in known else _CAPTURE_WARMUP):
                    self._forward(*arguments)
            known.add(shapes)
            self.synchronize()
            graph = torch.cuda.CUDAGraph()
            # One pool serves all graphs: only the last run's outputs are ever fetched.
            with torch.cuda.graph(graph, pool=pool, stream=side):
                outputs = self._forward(*arguments)
            self._graphs.append((graph, outputs))


def _events(kind: str) -> tuple[Any, Any] | None:
    """A pair of timing events, tried once; None where the device has none."""
    make = getattr(getattr(torch, kind, None), "Event", None)
    if make is None and hasattr(torch, "Event"):
        make = partial(torch.Event, kind)
    if make is None:
        return None
    try:
        start, end = make(enable_timing=True), make(enable_timing=True)
        start.record()
        end.record()
        end.synchronize()
        start.elapsed_time(end)
    except (RuntimeError, TypeError):  # a plug-in may have events without times
        return None
    return start, end


def _memory(place: torch.device, name: str) -> Any:
    """Call a memory function of the device; None where there is none."""
    try:
        return device_function(place.type, name, otherwise=_nothing)(place)
    except RuntimeError:  # a plug-in whose allocator keeps no figures
        return None


def _on(flag: bool) -> str:
    return "on" if flag else "off"


def _nothing(*_: object) -> None:
    return None
