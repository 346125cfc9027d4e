"""Checks of sensors: figures inside physical bounds, that move when the device works."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median

from bench import sensors
from bench.adapter import SensorSpec
from bench.conformance.verdict import Check, Found, failed, passed, skipped
from bench.device import Device
from bench.devices import datasheet
from bench.energy.sampler import Sampler
from bench.results.telemetry import Window
from bench.sensor import POWER, Channel, Quantity, Recording, Sensor, SensorProbe, SensorRecord

BOUNDS: Mapping[Quantity, tuple[float, float]] = {
    "temperature_c": (-40.0, 130.0),
    "utilization_percent": (0.0, 100.0),
    "clock_sm_mhz": (0.0, 10_000.0),
    "clock_memory_mhz": (0.0, 50_000.0),
}
MOVES = 0.02
"""Least rise of power under load, as a share of the power at rest."""
MOVES_PERCENT = 5.0
"""Least rise of utilization, in points."""
LEAST_S, MOST_S = 2.0, 20.0
UPDATES = 10
"""Updates of a sensor that each of the two windows holds, if that fits into MOST_S."""

Load = Callable[[float], Window | str]
"""Keeps the device busy for so many seconds: from when to when, or why it could not be."""


def check(specs: Sequence[SensorSpec], device: Device, seed: int, load: Load) -> list[Check]:
    """Two checks a sensor: its bounds, and whether it moves with load."""
    if not specs:
        reason = f"the adapter names no sensor for {device.id}"
        return [Check("sensor-bounds", "skip", reason), Check("sensor-moves", "skip", reason)]
    made = [sensors.make(spec, device) for spec in specs]
    probes = [sensors.probe(sensor) for sensor in made]
    ids = _ids(made)
    found: list[Check] = []
    readable: list[tuple[str, Sensor, SensorProbe]] = []
    for id, sensor, probe in zip(ids, made, probes, strict=True):
        if probe.channels:
            readable.append((id, sensor, probe))
        else:
            reason = probe.reason or "it reads nothing here"
            found += _both(id, skipped(reason), skipped(reason))
    if readable:
        found += _watched(readable, seed, load)
    for sensor in made:
        sensor.close()
    return found


def _watched(
    readable: Sequence[tuple[str, Sensor, SensorProbe]], seed: int, load: Load
) -> Iterator[Check]:
    window_s = max(_window_s(probe.channels) for _, _, probe in readable)
    sampler = Sampler([s for _, s, _ in readable], seed, [p for _, _, p in readable])
    sampler.start()
    begin = sampler.mark()
    time.sleep(window_s)
    idle = Window("idle", begin, sampler.mark(), 0)
    busy = load(window_s * 1.5)
    recording: Recording = sampler.stop()
    for (id, sensor, _), record in zip(readable, recording.sensors, strict=True):
        bounds = judge_bounds(record, sensor.device)
        if isinstance(busy, str):
            yield from _both(id, bounds, skipped(f"no load could be run: {busy}"))
            continue
        settled = busy.start_ns + (busy.end_ns - busy.start_ns) // 3
        yield from _both(id, bounds, judge_moves(record, idle, replace(busy, start_ns=settled)))


def _both(id: str, bounds: Found, moves: Found) -> list[Check]:
    return [
        Check(f"{id}-bounds", bounds.status, bounds.seen),
        Check(f"{id}-moves", moves.status, moves.seen),
    ]


def _ids(made: Sequence[Sensor]) -> list[str]:
    """`sensor-nvml`; a second one of the same name is `sensor-nvml-2`."""
    names = [sensor.name for sensor in made]
    ids = []
    for place, name in enumerate(names):
        before = names[:place].count(name)
        ids.append(f"sensor-{name}" + (f"-{before + 1}" if before else ""))
    return ids


def _window_s(channels: Sequence[Channel]) -> float:
    """Long enough for some updates of the slowest quantity, and for what it averages over."""
    slowest = max(max(c.update_period_s or 1.0, c.averaging_window_s or 0.0) for c in channels)
    return min(max(LEAST_S, UPDATES * slowest), MOST_S)


def judge_bounds(record: SensorRecord, device: Device) -> Found:
    """Every sample is what such a device can physically show."""
    if not record.samples:
        return failed(f"nothing could be read: {record.failure or 'no sample came'}")
    seen = []
    for channel in record.probe.channels:
        stamps, values = record.series(channel.quantity)
        if channel.quantity == "energy_j":
            values = _rates(stamps, values)
        if not values:
            continue
        low, high = _bounds(channel, record, device)
        for value in values:
            if not low <= value <= high or (channel.quantity in POWER and value == 0):
                return failed(
                    f"{channel.quantity} of {_unit(channel.quantity, value)} is outside of what "
                    f"{device.id} can have, {low:g} to {high:g}"
                )
        seen.append(f"{channel.quantity} between {min(values):.4g} and {max(values):.4g}")
    if not seen:
        return failed("of what it says it can read nothing was readable")
    return passed(f"{len(record.samples)} readings: {', '.join(seen)}")


def _unit(quantity: Quantity, value: float) -> str:
    return f"{value:.4g} W" if quantity in POWER else f"{value:.4g}"


def _bounds(channel: Channel, record: SensorRecord, device: Device) -> tuple[float, float]:
    if channel.quantity in BOUNDS:
        return BOUNDS[channel.quantity]
    if channel.quantity == "memory_used_bytes":
        return 0.0, 1.05 * device.memory_bytes if device.memory_bytes else float("inf")
    sheet = datasheet.find(device)
    if channel.scope == "node" or channel.quantity == "power_limit_w":
        return 0.0, record.most_w(channel)
    if sheet is not None and sheet.board_power_w is not None:
        return 0.0, 2 * sheet.board_power_w
    return 0.0, record.most_w(channel)


def judge_moves(record: SensorRecord, idle: Window, busy: Window) -> Found:
    """Power, or where there is none utilization, is higher under load than at rest."""
    for quantity in POWER:
        rest, load = (_level(record, quantity, window) for window in (idle, busy))
        if rest is None or load is None:
            continue
        channel = record.channel(quantity)
        resolution = (channel.resolution if channel else None) or 0.0
        if quantity == "energy_j":
            resolution /= min(idle.length_s, busy.length_s)
        step = max(MOVES * abs(rest), resolution)
        said = f"{rest:.4g} W at rest, {load:.4g} W under load ({quantity})"
        return passed(said) if load - rest > step else failed(f"it does not rise: {said}")
    rest, load = (_level(record, "utilization_percent", window) for window in (idle, busy))
    if rest is None or load is None:
        return skipped("it reads neither power nor utilization")
    said = f"{rest:.0f} % at rest, {load:.0f} % under load"
    return passed(said) if load - rest > MOVES_PERCENT else failed(f"it does not rise: {said}")


def _level(record: SensorRecord, quantity: Quantity, window: Window) -> float | None:
    """The median within the window, of an energy counter the mean power; None: not read in it."""
    inside = [
        (stamp, value)
        for stamp, value in zip(*record.series(quantity), strict=True)
        if window.start_ns <= stamp <= window.end_ns
    ]
    if quantity != "energy_j":
        return median(value for _, value in inside) if inside else None
    if len(inside) < 2 or inside[-1][0] == inside[0][0]:
        return None
    return (inside[-1][1] - inside[0][1]) * 1e9 / (inside[-1][0] - inside[0][0])


def _rates(stamps: Sequence[int], joules: Sequence[float]) -> list[float]:
    """Watts between readings of an energy counter that are at least half a second apart."""
    rates = []
    last = 0
    for place in range(1, len(stamps)):
        elapsed_ns = stamps[place] - stamps[last]
        if elapsed_ns >= 500_000_000:
            rates.append((joules[place] - joules[last]) * 1e9 / elapsed_ns)
            last = place
    return rates
