"""Power beside the trials: the sensors of a target, its idle baseline, and the energy of
a trial's part.

The sensors are read here, in the parent, while the worker works. An accelerator's trial also
records the host's packages and the node where they are readable, as scopes of their own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bench import registry, sensors
from bench.adapter import SensorSpec
from bench.device import Device
from bench.devices.cpu import cpu_device
from bench.energy.figures import figures
from bench.energy.sampler import Sampler
from bench.energy.warnings import warnings
from bench.figures.metrics import measured
from bench.results.record import Samples
from bench.results.samples import pack
from bench.results.telemetry import EnergyFigure, SensorRecord, Telemetry, Window
from bench.results.trial import Metric, Part
from bench.sensor import POWER, Recording, Scope, Sensor, SensorProbe
from bench.sensor import SensorRecord as Read
from bench.target import Resolved

SHARED: tuple[Scope, ...] = ("package", "node")
"""Scopes that hold more than one target; boards that do are not measured at the same time."""
NODE = SensorSpec(kind="ipmi", scope="node")
"""The board management controller sees the whole node, whatever devices are in it."""


class Meter:
    """The sensors of one target; probed once, so that nothing is asked again before each trial."""

    def __init__(self, target: Resolved, origin_ns: int, alone: bool = True) -> None:
        """`origin_ns` is the reading of the monotonic clock that is 0 on the run's clock.

        Not `alone`: other targets are measured at the same time. Sensors of the device itself are
        read all the same, and their energy is invalid where they see the others' too.
        """
        self._target = target
        self._alone = alone
        self.origin_ns = origin_ns
        self._sensors: list[Sensor] = []
        self._probes: list[SensorProbe] = []
        reasons: list[str] = []
        self.device_power = False
        for spec, device in _specs(target) if alone else _own_specs(target):
            sensor = sensors.make(spec, device)
            probe = sensors.probe(sensor)
            own = device is target.device
            if probe.channels:
                self._sensors.append(sensor)
                self._probes.append(probe)
                self.device_power |= own and _reads_power(probe)
            if own and not _reads_power(probe):
                reasons.append(f"{sensor.name}: {_why_not(probe)}")
        self.reason = None
        if not self.device_power:
            self.reason = "; ".join(reasons) or (
                f"the adapter {target.adapter.name} names no sensor for {target.device.id}"
            )
        self._idle: Recording | None = None
        self._idle_window: Window | None = None

    def rest(self, idle_s: float, seed: int) -> None:
        """Take the idle baseline: the same sensors over a time in which nothing is run."""
        sampler = self.watch(seed)
        start = sampler.mark() - self.origin_ns
        time.sleep(idle_s)
        end = sampler.mark() - self.origin_ns
        self._idle = sampler.stop().since(self.origin_ns)
        self._idle_window = Window("idle", start, end, 0)

    def watch(self, seed: int) -> Sampler:
        """Start reading for a trial; the sampler is handed back to `telemetry`."""
        sampler = Sampler(self._sensors, seed, self._probes)
        sampler.start()
        return sampler

    def telemetry(self, part: Part, recording: Recording) -> Telemetry:
        """Energy of the part's windows and everything the sensors read."""
        merged = self._with_idle(recording.since(self.origin_ns))
        windows = part.windows
        told = figures(
            merged,
            windows,
            self._idle_window,
            repeat_s=_repeat_s(part),
            timing_items_per_s=_timing_rate(part),
        )
        if not self._alone:
            told = tuple(map(_of_several, told))
        remarks = [
            text
            for record in merged.sensors
            for text in warnings(record, windows, self._idle_window)
        ]
        idle = self._idle_window
        return Telemetry(
            figures=list(told) if windows else [],
            sensors=[_stored(record) for record in merged.sensors],
            idle_start_ns=idle.start_ns if idle else None,
            idle_end_ns=idle.end_ns if idle else None,
            sampling_cpu_share=recording.cpu_share,
            warnings=list(dict.fromkeys(remarks)),
        )

    def _with_idle(self, recording: Recording) -> Recording:
        if self._idle is None:
            return recording
        joined = tuple(
            replace(now, samples=before.samples + now.samples)
            for before, now in zip(self._idle.sensors, recording.sensors, strict=True)
        )
        return Recording(self._idle.start_ns, recording.end_ns, joined)


def energy_metrics(telemetry: Telemetry, device_id: str) -> dict[str, Metric]:
    """Valid figures of the device's own sensor as metrics: joules an item, items a joule, watts."""
    for figure in telemetry.figures:
        if figure.device == device_id and figure.valid:
            named = {
                "joules_per_item": figure.gross_j_per_item,
                "net_joules_per_item": figure.net_j_per_item if figure.net_valid else None,
                "items_per_joule": figure.items_per_j,
                "mean_power_w": figure.mean_w,
                "peak_power_w": figure.peak_w,
                "idle_power_w": figure.idle_w,
            }
            return {
                name: Metric(value=value, n=figure.readings)
                for name, value in named.items()
                if value is not None
            }
    return {}


def own_sensors(target: Resolved) -> tuple[SensorSpec, ...]:
    """The sensors of the device itself; of a CPU, whichever vendor's provider runs on it."""
    return _host_sensors() if target.device.kind == "cpu" else target.adapter.sensors


def _specs(target: Resolved) -> list[tuple[SensorSpec, Device]]:
    """The device's own sensors, then the host's and the node's for an accelerator."""
    own = _own_specs(target)
    if target.simulated:
        return own
    host = target.device if target.device.kind == "cpu" else cpu_device()
    beside = [] if host is target.device else [(spec, host) for spec in _host_sensors()]
    return [*own, *beside, (NODE, replace(host, id="node"))]


def _own_specs(target: Resolved) -> list[tuple[SensorSpec, Device]]:
    return [(spec, target.device) for spec in own_sensors(target)]


def _of_several(figure: EnergyFigure) -> EnergyFigure:
    """A figure from a time in which other targets were measured too: theirs is in a package's or a
    node's; a card has its own."""
    if figure.scope not in SHARED:
        return figure
    reason = f"the {figure.scope} also powers the targets that were measured at the same time"
    return replace(figure, valid=False, reason=reason, net_valid=False, net_reason=reason)


def _host_sensors() -> tuple[SensorSpec, ...]:
    return registry.adapters()["cpu"].sensors


def _reads_power(probe: SensorProbe) -> bool:
    return any(channel.quantity in POWER for channel in probe.channels)


def _why_not(probe: SensorProbe) -> str:
    missing: Mapping[str, str] = probe.missing
    return probe.reason or next(
        (missing[name] for name in POWER if name in missing), "it reads no power"
    )


def _repeat_s(part: Part) -> float | None:
    """Time of one sample of the windows' series: the period the device's load repeats with."""
    for window in part.windows:
        series = part.series.get(window.name)
        if series is not None and window.items:
            return (window.end_ns - window.start_ns) / 1e9 * series.items_per_sample / window.items
    return None


def _timing_rate(part: Part) -> float | None:
    """Items a second of the timing pass that the energy pass repeats; None for a single pass."""
    for window in part.windows:
        series = part.series.get(window.name)
        if series is None or series.stopped_by == "time":
            continue
        return series.items_per_sample * 1e9 / float(measured(series).mean())
    return None


def _stored(record: Read) -> SensorRecord:
    stamps = [sample.stamp_ns for sample in record.samples]
    quantities = dict.fromkeys(name for sample in record.samples for name in sample.values)
    flags = dict.fromkeys(flag for sample in record.samples for flag in sample.flags)
    return SensorRecord(
        sensor=record.sensor,
        device=record.device,
        channels=list(record.probe.channels),
        missing=dict(record.probe.missing),
        facts=dict(record.probe.facts),
        reason=record.probe.reason,
        stamps_ns=_packed(stamps),
        durations_ns=_packed([sample.duration_ns for sample in record.samples]),
        values={
            name: _packed([float(s.values.get(name, math.nan)) for s in record.samples])
            for name in quantities
        },
        flags={
            flag: _packed([s.stamp_ns for s in record.samples if flag in s.flags]) for flag in flags
        },
        failures=record.failures,
        failure=record.failure,
        healthy=record.healthy,
        dropped=record.dropped,
        cpu_s=record.cpu_s,
    )


def _packed(values: Sequence[int] | Sequence[float]) -> Samples:
    return Samples(**pack(values))
