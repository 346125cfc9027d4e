"""The contract of a sensor: something that reads power, energy, temperature or clocks."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from bench.bounds import Amount
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
WATTS: tuple[Quantity, ...] = ("power_w", "power_average_w")
"""What a sensor may tell power by, the better first."""
POWER: tuple[Quantity, ...] = ("energy_j", *WATTS)
"""What energy can be computed from, the best first."""
MOST_W: Mapping[Scope, float] = {
    "die": 10_000.0,
    "module": 10_000.0,
    "package": 10_000.0,
    "board": 10_000.0,
    "node": 100_000.0,
}
"""Watts that nothing of such a scope draws: well above what is built, and below what a sensor gives
whose unit is a thousandth of what it was taken for."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One readable quantity of a sensor."""

    quantity: Quantity
    """What is read; the unit is the end of the name."""
    scope: Scope
    """What the reading covers."""
    resolution: Amount | None = None
    """Smallest step, in the quantity's unit; None: not known."""
    update_period_s: Amount | None = None
    """How often the value changes; reading faster only costs. None: not known."""
    averaging_window_s: Amount | None = None
    """Length of the trailing average the value is; 0 instantaneous; None: not known. Shorter than
    the update period: the sensor looks at only that part of the time."""
    wrap_j: Amount | None = None
    """For an energy counter that starts again at zero: after how many joules. The sensor adds the
    laps up itself; a gap in which a whole lap could hide makes the energy unknown."""


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
    duration_ns: int = 0
    """How long the reading took; the value belongs to some moment within it."""


@dataclass(frozen=True, slots=True)
class SensorRecord:
    """Everything one sensor told during a recording."""

    sensor: str
    device: str
    probe: SensorProbe
    samples: tuple[Sample, ...] = ()
    failures: int = 0
    """Readings that failed."""
    failure: str | None = None
    """Why the last failed reading failed."""
    healthy: bool = True
    """False when it hung, or failed in its last reading; `failure` says how."""
    dropped: int = 0
    """Samples thinned out because the recording grew too long."""
    cpu_s: float = 0.0
    """CPU time of the thread that read the sensor."""

    def channel(self, quantity: Quantity) -> Channel | None:
        """The channel of a quantity, if the sensor has one."""
        return next((c for c in self.probe.channels if c.quantity == quantity), None)

    def series(self, quantity: Quantity) -> tuple[list[int], list[float]]:
        """Stamps in nanoseconds and values of one quantity, in the order read."""
        pairs = [(s.stamp_ns, s.values[quantity]) for s in self.samples if quantity in s.values]
        return [stamp for stamp, _ in pairs], [value for _, value in pairs]

    def limit_w(self) -> float | None:
        """The device's own power limit, as this sensor tells it; None: it does not."""
        facts = self.probe.facts
        _, limits = self.series("power_limit_w")
        with contextlib.suppress(KeyError, ValueError):  # it tells none, or none in figures
            limits.append(float(facts.get("power_limit_default_w") or facts["power_limit_w"]))
        return max((limit for limit in limits if limit > 0), default=None)

    def most_w(self, channel: Channel) -> float:
        """Power above which the channel's readings cannot be true: twice the device's own limit,
        or what nothing of its scope draws."""
        limit_w = self.limit_w()
        if limit_w is None or channel.scope == "node" or channel.quantity == "power_limit_w":
            return MOST_W[channel.scope]
        return min(2 * limit_w, MOST_W[channel.scope])


@dataclass(frozen=True, slots=True)
class Recording:
    """What the sampler brought back, one record per sensor in the order given."""

    start_ns: int
    end_ns: int
    sensors: tuple[SensorRecord, ...]

    def since(self, origin_ns: int) -> Recording:
        """The same with stamps on the clock that was 0 at `origin_ns`."""
        parts = tuple(
            replace(
                record,
                samples=tuple(
                    replace(sample, stamp_ns=sample.stamp_ns - origin_ns)
                    for sample in record.samples
                ),
            )
            for record in self.sensors
        )
        return Recording(self.start_ns - origin_ns, self.end_ns - origin_ns, parts)

    @property
    def cpu_share(self) -> float:
        """CPU time of the sampling threads as a share of one core."""
        spent = sum(record.cpu_s for record in self.sensors)
        return spent * 1e9 / max(self.end_ns - self.start_ns, 1)


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
