"""A torch module on the CPU, and what its sessions share with those of accelerators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.backend import Session
from bench.model import Arrays, ModelCard
from bench.workload import Slot

Function = Callable[..., Any]


class _Inference:
    """torch.inference_mode from the first open session to the close of the last.

    Entering it for every call would cost 1 to 2 % of a 2 ms inference. It is counted because two
    nested modes that close in the wrong order would leave the mode as it should not be.
    """

    def __init__(self) -> None:
        self._open = 0
        self._mode: torch.inference_mode | None = None

    def enter(self) -> None:
        if self._open == 0:
            self._mode = torch.inference_mode()
            self._mode.__enter__()
        self._open += 1

    def leave(self) -> None:
        self._open -= 1
        if self._open == 0 and self._mode is not None:
            self._mode.__exit__(None, None, None)
            self._mode = None


_inference = _Inference()


class TorchSession(Session):
    """A module on the CPU, with one fixed set of input tensors a slot.

    `stage` casts float inputs to the precision and reorders them for NHWC, so both are part of a
    latency from host to host and of no device-resident throughput. An array that needs neither is
    used where it lies.
    """

    def __init__(
        self,
        module: nn.Module,
        card: ModelCard,
        dtype: torch.dtype,
        place: torch.device,
        slots: Sequence[Slot],
        channels_last: bool,
        compile_mode: str | None,
    ) -> None:
        self._names = card.outputs
        self._place = place
        self._dtype = dtype
        self._channels_last = channels_last
        self._compile_mode = compile_mode
        self._pinned = False
        """Whether host memory is pinned, so that copies need not wait."""
        self._outputs: Tensor | Sequence[Tensor] = ()
        self._copies: list[list[tuple[Tensor, Tensor]]] = []
        """Per slot: (to, from), done in order by `stage`."""
        self._arguments: list[tuple[Tensor, ...]] = []

        module.requires_grad_(False)
        module.to(place, dtype)
        if channels_last:
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._forward: Function = (
            module
            if compile_mode is None
            else torch.compile(module, dynamic=False, mode=compile_mode)
        )
        _inference.enter()
        try:
            for slot in slots:
                copies: list[tuple[Tensor, Tensor]] = []
                self._copies.append(copies)
                self._arguments.append(
                    tuple(self._bind(spec.name, slot.arrays, copies) for spec in card.inputs)
                )
            self._prepare()
        except BaseException:
            _inference.leave()
            raise

    def stage(self, slot: int) -> None:
        for target, source in self._copies[slot]:
            target.copy_(source, non_blocking=self._pinned)

    def run(self, slot: int) -> None:
        self._outputs = self._forward(*self._arguments[slot])

    def synchronize(self) -> None:
        """The CPU is done when `run` returns."""

    def fetch(self) -> Arrays:
        outputs = self._outputs
        if isinstance(outputs, Tensor):
            outputs = (outputs,)
        return {
            name: output.float().numpy() for name, output in zip(self._names, outputs, strict=True)
        }

    def close(self) -> None:
        if not self._arguments:
            return
        self.synchronize()
        self._outputs = ()
        self._copies, self._arguments = [], []
        self._forward = _closed
        _inference.leave()

    def facts(self) -> dict[str, str]:
        return {
            "torch": torch.__version__,
            "dtype": str(self._dtype).removeprefix("torch."),
            "memory_format": "channels_last" if self._channels_last else "contiguous",
            "compile": self._compile_mode or "no",
            "threads": str(torch.get_num_threads()),
            "interop_threads": str(torch.get_num_interop_threads()),
        }

    def _prepare(self) -> None:
        """What is left to do before the first run."""

    def _bind(self, name: str, arrays: Arrays, copies: list[tuple[Tensor, Tensor]]) -> Tensor:
        """The tensor that `run` reads for one input; adds the copies that fill it from the host."""
        host = host_tensor(arrays, name)
        if self._is_ready(host):
            return host
        argument = self._empty(host)
        copies.append((argument, host))
        return argument

    def _empty(self, host: Tensor) -> Tensor:
        dtype, layout = self._form(host)
        return torch.empty_like(host, dtype=dtype, device=self._place, memory_format=layout)

    def _is_ready(self, host: Tensor) -> bool:
        """Whether the host's bytes are already as the module wants them."""
        dtype, layout = self._form(host)
        return host.dtype == dtype and host.is_contiguous(memory_format=layout)

    def _form(self, host: Tensor) -> tuple[torch.dtype, torch.memory_format]:
        dtype = self._dtype if host.is_floating_point() else host.dtype
        if self._channels_last and host.dim() == 4:
            return dtype, torch.channels_last
        return dtype, torch.contiguous_format


def host_tensor(arrays: Arrays, name: str) -> Tensor:
    """The slot's array as a tensor on the same memory."""
    arrays[name] = np.require(arrays[name], requirements=["C", "A", "W"])
    return torch.from_numpy(arrays[name])


def _closed(*_: object) -> None:
    raise RuntimeError("the session is closed")
