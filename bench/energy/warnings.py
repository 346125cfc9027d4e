"""Conditions under which energy figures hold but mean less: caps, throttling, heat, drift."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from bench.energy.figures import MIN_WINDOW_S, TOLERANCE, inside
from bench.energy.integrate import integrate
from bench.results.telemetry import Window
from bench.sensor import POWER, WATTS, Quantity, Sample, SensorRecord

HOT_C = 60.0
"""A device that is as warm when the idle baseline begins has worked before."""
COOLING_C = 3.0
"""A device that gets so much cooler during the idle baseline has worked before."""
BUSY_PERCENT = 5.0
"""Most use of a device at rest."""


def warnings(
    record: SensorRecord, windows: Sequence[Window], idle: Window | None = None
) -> list[str]:
    """Conditions under which the figures hold but mean less, each by its name."""
    return [
        *_power_cap(record),
        *_throttle(record, windows),
        *(_start(record, idle) if idle is not None else []),
        *_drift(record, windows),
        *_disagreement(record, windows),
    ]


def _power_cap(record: SensorRecord) -> list[str]:
    facts = record.probe.facts
    try:
        limit_w, default_w = float(facts["power_limit_w"]), float(facts["power_limit_default_w"])
    except (KeyError, ValueError):  # this sensor does not tell both
        return []
    if limit_w >= 0.99 * default_w:
        return []
    return [
        f"power cap: {record.device} is limited to {limit_w:g} W, its default is {default_w:g} W; "
        "set it back with the vendor's tool"
    ]


def _throttle(record: SensorRecord, windows: Sequence[Window]) -> list[str]:
    flags = sorted({flag for sample in inside(record, windows) for flag in sample.flags})
    if not flags:
        return []
    return [f"throttle: {record.device} was held down under load by {', '.join(flags)}"]


def _start(record: SensorRecord, idle: Window) -> list[str]:
    found = []
    resting = inside(record, [idle])
    warmth = [s.values["temperature_c"] for s in resting if "temperature_c" in s.values]
    if warmth and (warmth[0] >= HOT_C or warmth[0] - warmth[-1] >= COOLING_C):
        found.append(
            f"hot start: {record.device} was at {warmth[0]:g} C when the idle baseline began and "
            f"at {warmth[-1]:g} C when it ended; let it cool down first"
        )
    busy = _mean(resting, "utilization_percent")
    if busy is not None and busy > BUSY_PERCENT:
        found.append(
            f"busy: {record.device} was {busy:.0f} % busy during the idle baseline; "
            "stop what else runs on it"
        )
    return found


def _drift(record: SensorRecord, windows: Sequence[Window]) -> list[str]:
    """Power of the first fifth of the load against the last."""
    samples = inside(record, windows)
    kept = (q for q in WATTS if record.channel(q) is not None)
    quantity = next(kept, None)
    powers = [s.values[quantity] for s in samples if quantity in s.values] if quantity else []
    fifth = len(powers) // 5
    if fifth < 4:
        return []
    first, last = fmean(powers[:fifth]), fmean(powers[-fifth:])
    if first <= 0 or abs(last / first - 1) <= TOLERANCE:
        return []
    return [
        f"drift: the power of {record.device} went from {first:.0f} W to {last:.0f} W under load; "
        "warm it up longer"
    ]


def _disagreement(record: SensorRecord, windows: Sequence[Window]) -> list[str]:
    """The counter against power integrated over the same windows."""
    totals: list[tuple[Quantity, float]] = []
    for quantity in POWER:
        channel = record.channel(quantity)
        if channel is None:
            continue
        parts = [integrate(record, channel, w.start_ns, w.end_ns).energy_j for w in windows]
        if parts and None not in parts:
            totals.append((quantity, sum(part for part in parts if part is not None)))
    if len(totals) < 2 or totals[0][0] != "energy_j" or _short(windows):
        return []
    (_, counted_j), *others = totals
    return [
        f"disagreement: {record.sensor} counts {counted_j:.0f} J on {record.device}, but its "
        f"{quantity} integrates to {joules:.0f} J"
        for quantity, joules in others
        if abs(joules / counted_j - 1) > TOLERANCE
    ]


def _short(windows: Sequence[Window]) -> bool:
    return sum(window.length_s for window in windows) < MIN_WINDOW_S


def _mean(samples: Iterable[Sample], quantity: Quantity) -> float | None:
    values = [sample.values[quantity] for sample in samples if quantity in sample.values]
    return fmean(values) if values else None
