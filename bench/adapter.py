"""Adapters: what teaches the harness a new kind of device, mostly one TOML file each.

An adapter names the torch plug-in or the ONNX Runtime providers that reach a kind of
accelerator, how its devices are listed and which sensors read it. Reading an adapter imports
and runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, get_args

from bench.device import Device
from bench.sensor import Quantity, Scope
from bench.settings import patterns, words
from bench.way import OnnxProvider, TorchPlugin, Way

PLACEHOLDERS = ("index", "uuid", "card", "chip")
"""What a command or pattern may name in braces: the device as the vendor's own tool knows it."""
GROUPS = (*PLACEHOLDERS, "name", "memory_mib")
"""Groups a device list's pattern may have."""
OF_A_BACKEND = {"backend": True}
"""Marks an adapter's table that is called as the backend is which it teaches."""


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
        words.matches(words.WORD, self.kind, "a kind of sensor such as command")
        if (self.kind == "command") != bool(self.command and self.patterns):
            raise ValueError(
                "command and patterns belong to a sensor of kind command, which needs both"
            )
        for text in self.command:
            words.placeholders(text, PLACEHOLDERS)
        patterns.check(self.require)
        for pattern in (self.select, *self.patterns.values()):
            words.placeholders(pattern, PLACEHOLDERS)
            patterns.check(words.PLACEHOLDER.sub("0", pattern))
        for quantity, pattern in self.patterns.items():
            words.known(quantity, get_args(Quantity), "quantity")
            if patterns.groups(words.PLACEHOLDER.sub("0", pattern)) < 1:
                raise ValueError(f"the pattern of {quantity} has no group for the number")
        for quantity, factor in self.scale.items():
            words.known(quantity, tuple(self.patterns), "quantity of patterns")
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
            words.known(group, GROUPS, "group")
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
    torch: TorchPlugin | None = field(default=None, metadata=OF_A_BACKEND)
    onnxruntime: tuple[OnnxProvider, ...] = field(default=(), metadata=OF_A_BACKEND)
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
        words.matches(words.WORD, self.name, "an adapter's name: small letters, digits, - and _")
        words.matches(words.WORD, self.kind, "a kind of device such as npu")
        for text in (self.vendor, self.title):
            words.shown(text)
        if self.backend:
            words.matches(words.WORD, self.backend, "the name of a backend")
        for variable in self.visible_devices:
            words.matches(words.VARIABLE, variable, "the name of an environment variable")
        if self.collective:
            words.matches(words.WORD, self.collective, "the name of a torch.distributed backend")

    def ways(self) -> tuple[Way, ...]:
        """Every way the adapter names to its devices."""
        found = [
            table.way(backend, self.kind, first=table is tables[0])
            for backend, tables in self._tables()
            for table in tables
        ]
        if self.backend:
            found.append(Way(self.backend, self.kind, alone=True))
        return tuple(found)

    def astray(self, way: Way, name: str) -> Adapter | None:
        """The adapter with one way of this backend, to something called `name` that nobody has.

        None where the way is a backend of the adapter's own, which leads nowhere else.
        """
        for backend, tables in self._tables():
            if backend == way.backend:
                lost = next(
                    table.astray(name)
                    for table in tables
                    if table.way(backend, self.kind, first=table is tables[0]) == way
                )
                several = isinstance(getattr(self, backend), tuple)
                changes: dict[str, Any] = {backend: (lost,) if several else lost}
                return replace(self, **changes)
        return None

    def _tables(self) -> Iterator[tuple[str, tuple[TorchPlugin | OnnxProvider, ...]]]:
        """Backend -> what the adapter says of it, for those that it says something of."""
        for one in fields(self):
            value = getattr(self, one.name)
            if one.metadata == OF_A_BACKEND and value:
                yield one.name, value if isinstance(value, tuple) else (value,)


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
    if "identity" in facts and words.PLACEHOLDER.search(text):
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
    return words.PLACEHOLDER.sub(
        lambda match: quote(values[match[1]]) if match[1] in values else match[0], text
    )
