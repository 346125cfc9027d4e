"""Power and energy beside a part of a trial: what the sensors read, and the figures from it."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ConfigDict

from bench.bounds import Amount, Count, Name, Text
from bench.results.record import Few, Record, Samples
from bench.sensor import Channel, Quantity, Scope


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of steady load on the device, for energy: items finished between two stamps."""

    name: Name
    """The series it repeats."""
    start_ns: Count
    """The run's clock when the load began."""
    end_ns: Count
    """The run's clock when it ended."""
    items: Count
    """Items finished in between."""

    @property
    def length_s(self) -> float:
        """Length in seconds."""
        return (self.end_ns - self.start_ns) / 1e9


@dataclass(frozen=True, slots=True)
class EnergyFigure:
    """Energy of the part's windows as one sensor tells it; see bench.energy.figures."""

    sensor: Name
    """The sensor that told it."""
    device: Name
    """Id of the device that the sensor reads."""
    quantity: Quantity | None
    """What the energy was computed from; null: the sensor reads neither energy nor power."""
    scope: Scope | None
    """What the quantity covers."""
    update_period_s: Amount | None
    """How often the sensor's value changes; null: not known."""
    averaging_window_s: Amount | None
    """Length of the trailing average the value is; null: not known."""
    resolution: Amount | None
    """Smallest step, in the quantity's unit; null: not known."""
    duration_s: Amount
    """Length of all windows together."""
    items: Count
    """Items finished in the windows."""
    readings: Count
    """Readings that fall into the windows."""
    gross_j: float | None
    """Everything the device drew in the windows."""
    idle_w: float | None
    """Power of the idle baseline, by the same sensor."""
    net_j: float | None
    """Gross less what the device draws at rest over the same time."""
    mean_w: float | None
    """Gross energy over the duration."""
    peak_w: float | None
    """Highest power sample; for a counter without one, the steepest half second."""
    gross_j_per_item: float | None
    """Gross energy over the items."""
    net_j_per_item: float | None
    """Net energy over the items."""
    items_per_j: float | None
    """Items per joule of gross energy."""
    uncertainty: float | None
    """Bound on the relative error of the gross energy."""
    valid: bool
    """Whether the gross energy can be relied on."""
    reason: Text | None
    """Why it cannot."""
    net_valid: bool
    """Whether the net energy can be relied on."""
    net_reason: Text | None
    """Why it cannot."""


class SensorRecord(Record):
    """Everything one sensor read during a trial, the idle baseline before it included."""

    sensor: Name
    """Its kind, and of a tool the program."""
    device: Name
    """Id of the device it reads."""
    channels: Few[Channel]
    """What it can read."""
    missing: dict[Name, Text]
    """Quantity -> why this sensor cannot read it here."""
    facts: dict[Name, Text]
    """What it told once: driver, power limit, ECC, PCIe link."""
    reason: Text | None
    """Why it can read nothing."""
    stamps_ns: Samples
    """The run's clock at the middle of each reading; those of the idle baseline come first."""
    durations_ns: Samples
    """How long each reading took."""
    values: dict[Name, Samples]
    """Quantity -> one value a stamp, NaN where that reading had none."""
    flags: dict[Name, Samples]
    """Condition -> the stamps at which it was in force."""
    failures: Count
    """Readings that failed."""
    failure: Text | None
    """Why the last failed reading failed."""
    healthy: bool
    """False when it hung, or failed in its last reading; `failure` says how."""
    dropped: Count
    """Samples thinned out because the recording grew too long."""
    cpu_s: Amount
    """CPU time of the thread that read it."""


class Telemetry(Record):
    """Power and energy beside a part of a trial, and the raw readings behind them."""

    # figures are computed from what foreign sensors told, and nothing has looked at them before
    model_config = ConfigDict(revalidate_instances="always")

    figures: Few[EnergyFigure]
    """One a sensor, those of the device before those of the host and the node."""
    sensors: Few[SensorRecord]
    """All that each sensor read."""
    idle_start_ns: Count | None
    """The run's clock when the idle baseline began; null: none was taken."""
    idle_end_ns: Count | None
    """The run's clock when it ended."""
    sampling_cpu_share: Amount
    """CPU time of the sampling threads as a share of one core."""
    warnings: Few[Text]
    """Conditions under which the figures mean less, each with its remedy."""
