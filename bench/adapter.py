"""Adapters: what teaches the harness a new kind of device, mostly one TOML file each.

An adapter names the torch plug-in or the ONNX Runtime providers that reach a kind of
accelerator, how its devices are listed and which sensors read it. Reading an adapter imports
and runs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from bench.device import Device
from bench.model import PRECISIONS
from bench.sensor import Quantity, Scope
from bench.settings import patterns

PLACEHOLDERS = ("index", "uuid", "card", "chip")
"""What a command or pattern may name in braces: the device as the vendor's own tool knows it."""
GROUPS = (*PLACEHOLDERS, "name", "memory_mib")
"""Groups a device list's pattern may have."""

_WORD = re.compile(r"[a-z][a-z0-9_-]*")
_NAME = re.compile(r"[A-Za-z][\w.+-]*")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")


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

    def __post_init__(self) -> None:
        _matches(_WORD, self.device, "a torch device type such as npu")
        if self.module:
            _matches(_MODULE, self.module, "a dotted module name")
        patterns.check(self.names)
        _shown(self.remedy)


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
    remedy: str = ""
    """What to install when the provider is missing."""

    def __post_init__(self) -> None:
        _matches(_NAME, self.name, "a provider's short name")
        _matches(_NAME, self.provider, "a provider's full name")
        if self.kind:
            _matches(_WORD, self.kind, "a kind of device such as npu")
        if self.module:
            _matches(_MODULE, self.module, "a dotted module name")
        _matches(_VARIABLE, self.library, "the name of a function or attribute")
        _shown(self.remedy)
        for precision in self.precisions:
            _known(precision, PRECISIONS, "precision")
        for text in self.options.values():
            _placeholders(text, ("index", "module", "threads"))


@dataclass(frozen=True, slots=True)
class SensorSpec:
    """One sensor of the devices: a kind that `bench.sensors` knows, with its settings."""

    kind: str
    """`nvml`, `rapl`, `hwmon`, `gpustack`, `ipmi`, `simulated`, `command`, or an entry point."""
    command: tuple[str, ...] = ()
    """For `command`: program and arguments, run without a shell. `{index}`, `{uuid}`, `{card}`
    and `{chip}` are the device's, as the vendor's own tool numbers it."""
    require: str = ""
    """For `command`: regular expression that must be found in the output, else the sensor refuses:
    the tool's banner, where two vendors' tools have one name."""
    select: str = ""
    """For `command`: regular expression whose first match is the device's part of the output; the
    quantities are searched in that part alone. Empty: in all of it."""
    patterns: Mapping[str, str] = field(default_factory=dict)
    """For `command`: quantity -> regular expression whose first group is the number. In `select`
    and `patterns` the placeholders of `command` are filled in. A quantity whose pattern is not
    found, or whose group is no number (`NA`, `N/A`, `-`), could not be read."""
    scale: Mapping[str, float] = field(default_factory=dict)
    """Quantity -> factor from the tool's unit to the quantity's, for example 1048576 for MiB."""
    scope: Scope = "board"
    update_period_s: float = 1.0
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _matches(_WORD, self.kind, "a kind of sensor such as command")
        if (self.kind == "command") != bool(self.command and self.patterns):
            raise ValueError(
                "command and patterns belong to a sensor of kind command, which needs both"
            )
        for text in self.command:
            _placeholders(text, PLACEHOLDERS)
        patterns.check(self.require)
        for pattern in (self.select, *self.patterns.values()):
            _placeholders(pattern, PLACEHOLDERS)
            patterns.check(_PLACEHOLDER.sub("0", pattern))
        for quantity, pattern in self.patterns.items():
            _known(quantity, get_args(Quantity), "quantity")
            if patterns.groups(_PLACEHOLDER.sub("0", pattern)) < 1:
                raise ValueError(f"the pattern of {quantity} has no group for the number")
        for quantity, factor in self.scale.items():
            _known(quantity, tuple(self.patterns), "quantity of patterns")
            if not 0 < factor < 1e18:
                raise ValueError(f"the scale of {quantity} is not a positive number")
        if not 0.001 <= self.update_period_s <= 3600:
            raise ValueError(f"update_period_s {self.update_period_s} is not within 0.001 to 3600")


@dataclass(frozen=True, slots=True)
class DeviceList:
    """How to list devices and their identities with the vendor's own tool."""

    command: tuple[str, ...]
    """Program and arguments, run without a shell."""
    pattern: str
    """Regular expression matched all over the output, once a device. Groups, each optional:
    `index` (the device's number in the tool; without it the rank by card and chip), `card` and
    `chip` (where a card has several), `name`, `uuid` (a UUID or bus id), `memory_mib`."""
    require: str = ""
    """Regular expression that must be found in the output, as for a sensor."""

    def __post_init__(self) -> None:
        if not self.command:
            raise ValueError("the command is empty")
        patterns.check(self.require)
        patterns.check(self.pattern)
        groups = patterns.names(self.pattern)
        for group in groups:
            _known(group, GROUPS, "group")
        if not groups.keys() & {"index", "card"}:
            raise ValueError("the pattern has neither a group 'index' nor a group 'card'")


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
    """In order of preference."""
    backend: str = ""
    """Backend of the adapter's own (an installed package's), where neither torch nor ONNX Runtime
    reaches the device."""

    def __post_init__(self) -> None:
        _matches(_WORD, self.name, "an adapter's name: small letters, digits, - and _")
        _matches(_WORD, self.kind, "a kind of device such as npu")
        for text in (self.vendor, self.title):
            _shown(text)
        if self.backend:
            _matches(_WORD, self.backend, "the name of a backend")
        for variable in self.visible_devices:
            _matches(_VARIABLE, variable, "the name of an environment variable")
        if self.collective:
            _matches(_WORD, self.collective, "the name of a torch.distributed backend")


def fill(text: str, device: Device) -> str:
    """A command's argument with the device's placeholders filled in.

    Raises ValueError when the text asks for a UUID and the device has none, or when it is not known
    which of the tool's devices this is (its property `identity` says why).
    """
    return _fill(text, device, str)


def fill_pattern(pattern: str, device: Device) -> str:
    """A regular expression with the device's placeholders filled in, taken literally.

    Raises ValueError as `fill` does.
    """
    return _fill(pattern, device, patterns.escape)


def _fill(text: str, device: Device, quote: Callable[[str], str]) -> str:
    facts = device.properties
    if "identity" in facts and _PLACEHOLDER.search(text):
        raise ValueError(facts["identity"])
    if "{uuid}" in text and not device.uuid:
        raise ValueError(f"{device.id} has no UUID or bus id")
    index = facts.get("tool_index", str(device.index))
    values = {
        "index": index,
        "uuid": device.uuid or "",
        "card": facts.get("card", index),
        "chip": facts.get("chip", "0"),
    }
    return _PLACEHOLDER.sub(
        lambda match: quote(values[match[1]]) if match[1] in values else match[0], text
    )


def _matches(shape: re.Pattern[str], text: str, what: str) -> None:
    if len(text) > 100 or shape.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not usable as {what}")


def _shown(text: str) -> None:
    """Refuse what could rewrite the terminal or the report it is shown in."""
    if len(text) > 300 or not text.isprintable():
        raise ValueError(f"{text[:40]!r} is not one line of at most 300 printable characters")


def _known(word: str, words: tuple[str, ...], what: str) -> None:
    if word not in words:
        raise ValueError(f"{word!r} is no {what}; known: {', '.join(words)}")


def _placeholders(text: str, known: tuple[str, ...]) -> None:
    for match in _PLACEHOLDER.finditer(text):
        _known(match[1], known, "placeholder")
