"""Devices: what computes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.errors import UsageError


@dataclass(frozen=True, slots=True)
class Device:
    """One thing that computes.

    `id` is how a person names it on this machine (`cuda:0`, `cpu:0[0-3]`); `uuid` (a UUID or a
    bus id) stays the same when the order of devices changes. `locks` are the resources a run
    must hold alone: two devices that share one cannot be measured at the same time.
    """

    id: str
    kind: str
    index: int
    name: str
    vendor: str | None = None
    uuid: str | None = None
    memory_bytes: int | None = None
    cores: tuple[int, ...] = ()
    """CPU cores this device is made of; empty for accelerators."""
    scope: str = "device"
    """What the id stands for: device, die, slice (MIG, vNPU) or partition."""
    board: str | None = None
    """Identity of the board this die or slice sits on, when it shares one."""
    locks: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    """Further facts as text: driver, architecture, PCI address."""


def parse_cores(text: str) -> tuple[int, ...]:
    """Read a core list such as `0-3,8` into (0, 1, 2, 3, 8); raises UsageError."""
    cores: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part)
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            raise UsageError(f"{text!r} is not a list of cores; write for example 0-3 or 0,2")
        cores.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(sorted(cores))


def format_cores(cores: tuple[int, ...]) -> str:
    """The inverse of parse_cores: (0, 1, 2, 3, 8) gives `0-3,8`."""
    parts: list[str] = []
    start = previous = None
    for core in (*sorted(cores), None):
        if start is not None and (core is None or core != previous + 1):  # type: ignore[operator]
            parts.append(str(start) if start == previous else f"{start}-{previous}")
            start = None
        if start is None:
            start = core
        previous = core
    return ",".join(parts)
