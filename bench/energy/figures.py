"""Energy of windows of steady load: figures with their source, scope and validity.

The best quantity a sensor has is used: an energy counter, else instantaneous power, else averaged
power. A figure is valid when the window is long enough for the sensor (5 s and 50 updates), the
sensor saw all of it, and what may be wrong (see `bench.energy.integrate`) stays within 5 %. What
could not be had is None with the reason, never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

from bench.energy.integrate import Integral, integrate, update_period_s
from bench.results.telemetry import EnergyFigure, Window
from bench.sensor import POWER, WATTS, Channel, Recording, Sample, SensorRecord

MIN_WINDOW_S = 5.0
MIN_UPDATES = 50
MIN_IDLE_S = 10.0
MIN_IDLE_UPDATES = 10
TOLERANCE = 0.05
"""Most a valid figure may be wrong, and the energy pass's throughput may differ."""
MIN_READINGS = 20


def figures(
    recording: Recording,
    windows: Sequence[Window],
    idle: Window | None = None,
    repeat_s: float | None = None,
    timing_items_per_s: float | None = None,
) -> tuple[EnergyFigure, ...]:
    """One figure per sensor, in the order of the recording; the arguments are `figure`'s."""
    return tuple(
        figure(record, windows, idle, repeat_s, timing_items_per_s) for record in recording.sensors
    )


def figure(
    record: SensorRecord,
    windows: Sequence[Window],
    idle: Window | None = None,
    repeat_s: float | None = None,
    timing_items_per_s: float | None = None,
) -> EnergyFigure:
    """The energy of all windows together, from the best quantity this sensor has.

    `idle` is a window without load in the same record. `repeat_s` is the time of one batch, needed
    for sensors that look at only part of the time. `timing_items_per_s` is the throughput of the
    timing pass: energy measured while the device did something else says nothing about it.
    """
    candidates = [
        _gross(record, channel, windows, repeat_s)
        for quantity in POWER
        if (channel := record.channel(quantity)) is not None
    ]
    if not candidates:
        return replace(
            _empty(record, None, windows),
            reason=record.probe.reason or _why_no_power(record),
        )
    valid = (c for c in candidates if c.valid)
    known = (c for c in candidates if c.gross_j is not None)
    best = next(chain(valid, known, candidates))
    if best.gross_j is None:
        return best
    best = _with_peak(_with_idle(best, record, idle, repeat_s), record, windows)
    return _with_items(best, timing_items_per_s)


def _empty(
    record: SensorRecord, channel: Channel | None, windows: Sequence[Window]
) -> EnergyFigure:
    return EnergyFigure(
        sensor=record.sensor,
        device=record.device,
        quantity=channel.quantity if channel else None,
        scope=channel.scope if channel else None,
        update_period_s=channel.update_period_s if channel else None,
        averaging_window_s=channel.averaging_window_s if channel else None,
        resolution=channel.resolution if channel else None,
        duration_s=sum(window.length_s for window in windows),
        items=sum(window.items for window in windows),
        readings=0,
        gross_j=None,
        idle_w=None,
        net_j=None,
        mean_w=None,
        peak_w=None,
        gross_j_per_item=None,
        net_j_per_item=None,
        items_per_j=None,
        uncertainty=None,
        valid=False,
        reason=None,
        net_valid=False,
        net_reason=None,
    )


def _why_no_power(record: SensorRecord) -> str:
    reasons = [record.probe.missing[q] for q in POWER if q in record.probe.missing]
    said = f": {reasons[0]}" if reasons else ""
    return f"the sensor {record.sensor} reads neither energy nor power{said}"


def _gross(
    record: SensorRecord,
    channel: Channel,
    windows: Sequence[Window],
    repeat_s: float | None,
) -> EnergyFigure:
    """Gross energy from one quantity, and whether it holds."""
    empty = _empty(record, channel, windows)
    parts = [integrate(record, channel, w.start_ns, w.end_ns, repeat_s) for w in windows]
    energies = [part.energy_j for part in parts if part.energy_j is not None]
    readings = sum(part.readings for part in parts)
    if not parts or len(energies) < len(parts):
        return replace(empty, readings=readings, reason=_first_doubt(parts) or "no load was run")
    gross_j = sum(energies)
    uncertainty = sum(part.uncertainty_j for part in parts) / gross_j
    reason = _too_short(channel, windows, readings) or _first_doubt(parts)
    if reason is None and uncertainty > TOLERANCE:
        reason = (
            f"the sensor is too slow or too coarse for this load: the energy is uncertain by "
            f"{100 * uncertainty:.0f} %; measure longer"
        )
    return replace(
        empty,
        readings=readings,
        gross_j=gross_j,
        mean_w=gross_j / empty.duration_s,
        uncertainty=uncertainty,
        valid=reason is None,
        reason=reason,
    )


def _first_doubt(parts: Iterable[Integral]) -> str | None:
    return next((part.doubt for part in parts if part.doubt), None)


def _too_short(channel: Channel, windows: Sequence[Window], readings: int) -> str | None:
    length_s = sum(window.length_s for window in windows)
    needed_s = max(MIN_WINDOW_S, MIN_UPDATES * update_period_s(channel))
    if length_s < needed_s:
        return (
            f"the load ran for {length_s:.1f} s; this sensor needs {needed_s:g} s "
            f"({MIN_UPDATES} updates and {MIN_WINDOW_S:g} s)"
        )
    if channel.quantity != "energy_j" and readings < MIN_READINGS:
        return f"only {readings} readings fall into the load; at least {MIN_READINGS} are needed"
    return None


def _with_idle(
    figure: EnergyFigure, record: SensorRecord, idle: Window | None, repeat_s: float | None
) -> EnergyFigure:
    """Add the idle baseline and the net energy, from the same sensor and quantity."""
    assert figure.quantity is not None and figure.gross_j is not None
    channel = record.channel(figure.quantity)
    assert channel is not None
    if idle is None:
        return replace(figure, net_reason="no idle baseline was taken")
    rest = integrate(record, channel, idle.start_ns, idle.end_ns, repeat_s)
    if rest.energy_j is None:
        return replace(figure, net_reason=f"no idle baseline: {rest.doubt}")
    idle_w = rest.energy_j / idle.length_s
    net_j = figure.gross_j - idle_w * figure.duration_s
    wrong_j = (figure.uncertainty or 0.0) * figure.gross_j
    wrong_j += rest.uncertainty_j / idle.length_s * figure.duration_s
    needed_s = max(MIN_IDLE_S, MIN_IDLE_UPDATES * update_period_s(channel))
    reason = None
    if not figure.valid:
        reason = figure.reason
    elif idle.length_s < needed_s:
        reason = f"the idle baseline lasted {idle.length_s:.1f} s; this sensor needs {needed_s:g} s"
    elif rest.doubt is not None:
        reason = f"the idle baseline does not hold: {rest.doubt}"
    elif net_j <= 0:
        reason = "the device drew no more under load than idle"
    elif wrong_j > TOLERANCE * net_j:
        reason = (
            f"the load adds so little to the idle power that the net energy is uncertain by "
            f"{100 * wrong_j / net_j:.0f} %"
        )
    return replace(
        figure,
        idle_w=idle_w,
        net_j=net_j if net_j > 0 else None,
        net_valid=reason is None,
        net_reason=reason,
    )


def _with_peak(
    figure: EnergyFigure, record: SensorRecord, windows: Sequence[Window]
) -> EnergyFigure:
    """Highest power sample in the windows, from whichever power quantity the sensor has."""
    for quantity in WATTS:
        values = [s.values[quantity] for s in inside(record, windows) if quantity in s.values]
        if values:
            return replace(figure, peak_w=max(values))
    channel = record.channel("energy_j")
    if channel is None:
        return figure
    peaks = [integrate(record, channel, w.start_ns, w.end_ns).peak_w for w in windows]
    return replace(figure, peak_w=max((p for p in peaks if p is not None), default=None))


def _with_items(figure: EnergyFigure, timing_items_per_s: float | None) -> EnergyFigure:
    """Add the figures per item, and hold the pass's throughput against the timing pass."""
    gross_j = figure.gross_j
    if figure.items <= 0 or gross_j is None:
        return figure
    rate = figure.items / figure.duration_s
    if timing_items_per_s is not None:
        difference = rate / timing_items_per_s - 1
        if abs(difference) > TOLERANCE:
            reason = (
                f"the energy pass ran {100 * difference:+.0f} % off the throughput of the "
                "timing pass"
            )
            figure = replace(
                figure,
                valid=False,
                net_valid=False,
                reason=figure.reason or reason,
                net_reason=figure.net_reason or reason,
            )
    return replace(
        figure,
        gross_j_per_item=gross_j / figure.items,
        net_j_per_item=None if figure.net_j is None else figure.net_j / figure.items,
        items_per_j=figure.items / gross_j,
    )


def inside(record: SensorRecord, windows: Sequence[Window]) -> list[Sample]:
    """The readings that fall into the windows."""
    return [
        sample
        for sample in record.samples
        if any(w.start_ns <= sample.stamp_ns <= w.end_ns for w in windows)
    ]
