"""The torch backend: any device torch knows by a device string, or a plug-in teaches it.

The worker sets TORCH_DEVICE_BACKEND_AUTOLOAD=0, so that a plug-in that cannot load spoils nothing
but its own adapter: it is imported here, by `probe`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from importlib import import_module
from operator import attrgetter
from typing import ClassVar

import torch
from torch import nn

from bench import registry
from bench.adapter import Adapter
from bench.backend import Availability, Backend, Session
from bench.device import Device
from bench.devices import cpu
from bench.errors import UsageError
from bench.language.plain import first_line
from bench.settings import patterns
from bench.way import TorchPlugin
from bench.workload import Slot, Workload

from . import _torch_devices
from ._torch_accelerator import DeviceSession, GraphSession
from ._torch_session import TorchSession

DTYPES = {
    "fp32": torch.float32,
    "tf32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
COMPILE_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
TF32_SWITCHES = {
    "cuda": ("cuda.matmul", "cudnn"),
    "mlu": ("mlu.matmul", "cnnl"),
    "musa": ("mudnn",),
}
"""Device type -> members of torch.backends whose `allow_tf32` rules matrix products and
convolutions. This older name of the switch is the one that every torch from 2.4 on takes."""


class TorchBackend(Backend):
    """Runs a torch module, eager or compiled.

    Options: `compile` (torch.compile; `compile=max-autotune` names its mode; the first inference
    compiles) and `cuda-graphs` (one captured graph a slot, CUDA devices alone).
    """

    name: ClassVar[str] = "torch"
    format = "module"

    def __init__(self, adapter: Adapter, options: Mapping[str, str]) -> None:
        super().__init__(adapter, options)
        for option in options:
            if option not in ("compile", "cuda-graphs"):
                raise registry.unknown("option of torch", option, ("compile", "cuda-graphs"))
        mode = options.get("compile", "")
        if mode and mode not in COMPILE_MODES:
            raise registry.unknown("mode of torch.compile", mode, COMPILE_MODES)
        if "cuda-graphs" in options and self._plugin.device != "cuda":
            raise UsageError(
                f"cuda-graphs works on CUDA devices alone, and {adapter.name} has none; "
                "leave the option out"
            )
        self._precision_reasons: dict[tuple[str, str, bool], str | None] = {}

    @property
    def _plugin(self) -> TorchPlugin:
        return self.adapter.torch or TorchPlugin(device="none")

    def probe(self) -> Availability:
        if self.adapter.torch is None:
            return _missing(f"the adapter {self.adapter.name} names no torch device")
        plugin = self.adapter.torch
        versions = {"torch": str(torch.__version__)}
        if plugin.module:
            try:
                module = import_module(plugin.module)
            # A plug-in's import loads a vendor's driver libraries, and what that raises is up to
            # them: ImportError, OSError from dlopen, RuntimeError from the driver's start.
            except Exception as error:  # noqa: BLE001
                return self._without(f"{plugin.module} cannot be imported: {_said(error)}")
            versions[plugin.module] = str(getattr(module, "__version__", "unknown"))
        if plugin.device == "cpu":
            return Availability(True, versions=versions)
        if plugin.device == "cuda":
            versions |= _torch_devices.cuda_versions()
        try:
            names = _torch_devices.names(plugin.device)
            found = self.devices()
        # Counting devices starts the vendor's driver; the same holds as for the import.
        except Exception as error:  # noqa: BLE001
            return _missing(f"torch cannot list {plugin.device} devices: {_said(error)}")
        if not names:
            if plugin.device == "cuda" and not (torch.version.cuda or torch.version.hip):
                return self._without(f"torch {torch.__version__} is built without CUDA and ROCm")
            return self._without(f"torch {torch.__version__} sees no {plugin.device} device")
        if not found:
            return _missing(
                f"torch sees {', '.join(sorted(set(names)))} as {plugin.device}, which is not "
                f"what the adapter {self.adapter.name} is for"
            )
        return Availability(True, versions=versions)

    def devices(self) -> list[Device]:
        if self._plugin.device == "cpu":
            return [cpu.cpu_device()]
        return [
            _torch_devices.describe(self.adapter, self._plugin.device, index, name)
            for index, name in enumerate(_torch_devices.names(self._plugin.device))
            if patterns.search(self._plugin.names, name)  # several vendors answer to `cuda`
        ]

    def supports(self, workload: Workload, device: Device) -> str | None:
        precision = workload.precision
        more = workload.beside_inference()
        if more:
            return f"torch runs inference alone here, not {more}"
        if precision == "int8":
            return (
                f"torch runs no int8 here: int8 runs through ONNX Runtime (QDQ), "
                f"as onnxruntime@{device.id}"
            )
        if precision == "tf32":
            reason = self._no_tf32(device)
        else:
            key = (device.id, precision, workload.card.channels_last)
            if key not in self._precision_reasons:
                self._precision_reasons[key] = self._cannot_compute(*key, self._place(device))
            reason = self._precision_reasons[key]
        return reason or workload.too_large_for(device, cpu.memory_for_model(device))

    def load(
        self, workload: Workload, device: Device, slots: Sequence[Slot], threads: int
    ) -> Session:
        if workload.module is None:
            raise ValueError("the workload carries no torch module")
        place = self._place(device)
        torch.set_num_threads(threads)
        with contextlib.suppress(RuntimeError):  # it may be set only once in a process
            torch.set_num_interop_threads(1)
        _allow_tf32(place.type, workload.precision == "tf32")
        if place.type == "cuda":
            torch.backends.cudnn.benchmark = True  # shapes are fixed, so its search pays
        session: type[TorchSession] = DeviceSession
        if place.type == "cpu":
            session = TorchSession
        elif "cuda-graphs" in self.options:
            session = GraphSession
        mode = self.options.get("compile")
        return session(
            module=workload.module(),
            card=workload.card,
            dtype=DTYPES[workload.precision],
            place=place,
            slots=slots,
            channels_last=_prefers_channels_last(workload, place.type),
            compile_mode=None if mode is None else mode or "default",
        )

    def is_out_of_memory(self, error: BaseException) -> bool:
        if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
            return True
        text = str(error).lower()  # plug-ins and the CPU allocator raise a plain RuntimeError
        return isinstance(error, RuntimeError) and (
            "out of memory" in text or "can't allocate memory" in text
        )

    def _place(self, device: Device) -> torch.device:
        if self._plugin.device == "cpu":
            return torch.device("cpu")
        return torch.device(self._plugin.device, device.index)

    def _without(self, reason: str) -> Availability:
        """Not available, with what to install; the reason alone is a message too."""
        remedy = self._plugin.remedy or (
            f"install the torch that {self.adapter.vendor} gives out for these devices, and its "
            "driver"
        )
        return _missing(f"{reason}; {remedy}")

    def _no_tf32(self, device: Device) -> str | None:
        if self._plugin.device == "cpu":
            return "a CPU has no TF32 mode; ask for fp32 or bf16"
        capability = device.properties.get("compute_capability", "0.0")
        if (
            self._plugin.device == "cuda"
            and torch.version.hip is None
            and int(capability.split(".")[0]) >= 8
        ):
            return None
        return (
            f"{device.id} has no TF32 mode known to torch: that takes an NVIDIA GPU of compute "
            "capability 8.0 or later; ask for fp32 or bf16"
        )

    def _cannot_compute(
        self, id: str, precision: str, convolution: bool, place: torch.device
    ) -> str | None:
        """Torch has no question for what a device computes in, so one number is computed."""
        try:
            one = torch.ones(1, 1, dtype=DTYPES[precision], device=place)
            nn.functional.linear(one, one)
            if convolution:
                square = one.view(1, 1, 1, 1)
                nn.functional.conv2d(square, square)
            one.cpu()
        except RuntimeError as error:
            if self.is_out_of_memory(error):
                return None  # says nothing about the precision; load will say the same again
            return f"torch cannot compute in {precision} on {id}: {_said(error)}"
        return None


BACKEND = TorchBackend


def _missing(reason: str) -> Availability:
    return Availability(False, reason, {"torch": str(torch.__version__)})


def _said(error: BaseException) -> str:
    return first_line(error, 300).rstrip(". ")


def _allow_tf32(kind: str, allowed: bool) -> None:
    for path in TF32_SWITCHES.get(kind, ()):
        with contextlib.suppress(AttributeError):  # the plug-in has no such switch
            attrgetter(path)(torch.backends).allow_tf32 = allowed


def _prefers_channels_last(workload: Workload, kind: str) -> bool:
    """NHWC for convolutional networks where it is faster.

    On a CPU it was 1.1 to 2.5 times as fast as NCHW for ResNet, MobileNet and DS-CNN blocks in
    fp32, bf16 and fp16 (0.9 for ResNet-8 in fp32). CUDA's tensor cores want NHWC; in plain fp32
    they do not take part. Other accelerators order memory in ways of their own.
    """
    if not workload.card.channels_last:
        return False
    return kind == "cpu" or (kind == "cuda" and workload.precision != "fp32")
