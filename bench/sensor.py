"""The contract of a sensor: something that reads power, energy, temperature or clocks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bench.device import Device

Quantity = Literal[
    "energy_j",
    "power_w",
    "power_average_w",
    "temperature_c",
    "clock_sm_mhz",
    "clock_memory_mhz",
    "utilization_percent",
    "memory_used_bytes",
    "power_limit_w",
]
Scope = Literal["die", "module", "package", "board", "node"]


@dataclass(frozen=True, slots=True)
class Channel:
    """One readable quantity of a sensor."""

    quantity: Quantity
    scope: Scope
    resolution: float | None = None
    """Smallest step, in the quantity's unit; None: not known."""
    update_period_s: float | None = None
    """How often the value changes; reading faster only costs. None: not known."""
    averaging_window_s: float | None = None
    """Length of the trailing average the value is; 0 instantaneous; None: not known."""


@dataclass(frozen=True, slots=True)
class SensorProbe:
    """Answer of `Sensor.probe`: readable channels, or the reason why there are none."""

    channels: tuple[Channel, ...] = ()
    reason: str | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    """Quantity -> why this sensor cannot read it here."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Recorded once: driver, power limit and its default, ECC, PCIe generation and width, MIG."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading. A quantity that could not be read is absent, never zero."""

    stamp_ns: int
    """time.monotonic_ns at the middle of the reading."""
    values: Mapping[Quantity, float]
    flags: tuple[str, ...] = ()
    """Conditions in force, for example throttle reasons."""


class Sensor(ABC):
    """Reads one source of telemetry for one device. Lives in the parent process."""

    name: str

    def __init__(self, device: Device) -> None:
        self.device = device

    @abstractmethod
    def probe(self) -> SensorProbe:
        """What can be read here, or why not. Never raises; asks the hardware once."""

    @abstractmethod
    def read(self) -> Sample:
        """One stamped sample; raises OSError or SensorError when the reading fails."""

    def close(self) -> None:  # noqa: B027 - most sensors hold nothing
        """Give back handles."""


class SensorError(Exception):
    """A reading failed; the text is the reason."""
