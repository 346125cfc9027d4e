"""Adapters: what teaches the harness a new kind of device, mostly one TOML file each.

An adapter names the torch plug-in or the ONNX Runtime providers that reach a kind of
accelerator, how its devices are listed and which sensors read it. Reading an adapter imports
and runs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bench.sensor import Scope


@dataclass(frozen=True, slots=True)
class TorchPlugin:
    """How torch reaches this kind of device."""

    device: str
    """Device type in torch's own device strings, for example `npu`."""
    module: str = ""
    """Plug-in to import first; empty when torch itself knows the device."""
    names: str = ""
    """Regular expression searched in the device name. Needed where several vendors answer to one
    device type, as the CUDA-compatible stacks do; empty: claims what no other adapter claims."""
    remedy: str = ""
    """What to install when the plug-in is missing."""


@dataclass(frozen=True, slots=True)
class OnnxProvider:
    """One ONNX Runtime execution provider that reaches this kind of device."""

    name: str
    """Word used in targets: `OpenVINO` in `onnxruntime+OpenVINO@cpu:0`."""
    provider: str
    """Full name as ONNX Runtime knows it, for example `CANNExecutionProvider`."""
    kind: str = ""
    """Kind of device it runs on, if not the adapter's own."""
    module: str = ""
    """For a plug-in provider: Python package that carries the library. Empty: built in."""
    library: str = "get_library_path"
    """Function or attribute of `module` that gives the library's path."""
    device_type: Literal["", "CPU", "GPU", "NPU"] = ""
    """For a plug-in provider: which of its hardware devices to use; empty: all."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Provider options. `{index}` is the device's index, `{module}` the folder of `module` and
    `{threads}` the number of host threads a trial may use."""
    precisions: tuple[str, ...] = ("fp32", "int8")
    """Precisions the provider computes in, as its documentation says."""
    static_shapes: bool = False
    """True when the provider needs every axis fixed before it takes a graph."""
    remedy: str = ""
    """What to install when the provider is missing."""


@dataclass(frozen=True, slots=True)
class SensorSpec:
    """One sensor of the devices: a kind that `bench.sensors` knows, with its settings."""

    kind: str
    """`nvml`, `rapl`, `hwmon`, `gpustack`, `ipmi`, `simulated`, `command`, or an entry point."""
    command: tuple[str, ...] = ()
    """For `command`: program and arguments, run without a shell. `{index}`, `{uuid}` and `{card}`
    are the device's."""
    patterns: Mapping[str, str] = field(default_factory=dict)
    """For `command`: quantity -> regular expression whose first group is the number. `{index}`
    is filled in as for the command."""
    scope: Scope = "board"
    update_period_s: float = 1.0
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeviceList:
    """How to list devices and their identities with the vendor's own tool."""

    command: tuple[str, ...]
    pattern: str
    """Regular expression matched all over the output; groups `index`, and where the tool prints
    them `name`, `uuid`, `card`, `chip`, `memory_mib`."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A kind of accelerator."""

    name: str
    vendor: str
    kind: str
    """Word before the colon in device ids: `npu` in `npu:0`."""
    title: str = ""
    torch: TorchPlugin | None = None
    onnxruntime: tuple[OnnxProvider, ...] = ()
    visible_devices: tuple[str, ...] = ()
    """Environment variables that hide devices, the one that decides first."""
    collective: str = ""
    """torch.distributed backend for collectives."""
    lists: DeviceList | None = None
    sensors: tuple[SensorSpec, ...] = ()
    simulated: bool = False
