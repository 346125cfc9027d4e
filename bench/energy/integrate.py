"""Energy over a window from a sensor's samples, with a bound on how wrong it can be.

A counter is differenced, power is integrated by trapezoids; both are interpolated at the edges.
What may still be wrong adds up to `uncertainty_j`:

- edges: a value may be an update old and is spread over the averaging window, so a change of
  power near an edge is misplaced by that long, and one repetition of the work may be cut;
- looks: power between two looks of the sensor is unseen. The looks fall at random moments (the
  sampler sees to it), so the misses scatter: three standard errors from the differences of
  neighbouring samples, less where the sensor sees most of the time;
- steps: the sensor's resolution.

What no such bound can cover (gaps, a sensor that stands still or jumps) is a doubt: a reason not
to call the figure valid.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, sqrt

from bench.energy import curve
from bench.sensor import Channel, SensorRecord

UNKNOWN_PERIOD_S = 1.0
"""Assumed of a sensor that does not say how often it changes, and the least averaging window
assumed of one that does not say how long it averages."""
MAX_GAP_UPDATES = 5
"""Updates that may be missing in a row."""
STILL_UPDATES = 20
"""A value that stays exactly the same for this many updates is taken for a stuck sensor."""
COARSE = 0.01
"""From this share of the value on, a step of the sensor explains why a value stays the same."""
LOOK_SIGMAS = 3.0


@dataclass(frozen=True, slots=True)
class Integral:
    """Energy of one window; `energy_j` is None when it cannot be computed, `doubt` says why."""

    energy_j: float | None
    uncertainty_j: float = 0.0
    peak_w: float | None = None
    readings: int = 0
    doubt: str | None = None


def update_period_s(channel: Channel) -> float:
    """The channel's update period, or what is assumed when it is not known."""
    return channel.update_period_s or UNKNOWN_PERIOD_S


def integrate(
    record: SensorRecord,
    channel: Channel,
    start_ns: int,
    end_ns: int,
    repeat_s: float | None = None,
) -> Integral:
    """Energy of one channel from `start_ns` to `end_ns`.

    `repeat_s` is the time after which the work repeats itself (one batch), if it does; a sensor
    that looks at part of the time only can be trusted where the work repeats many times within
    one look.
    """
    stamps_ns, values = record.series(channel.quantity)
    bad = next((v for v in values if not isfinite(v) or v < 0), None)
    if bad is not None:
        return Integral(None, doubt=f"the sensor gave {bad:g}, which is no {channel.quantity}")
    # Seconds from the start of the window, so that floats keep their precision.
    times = [(stamp - start_ns) / 1e9 for stamp in stamps_ns]
    length_s = (end_ns - start_ns) / 1e9
    if any(later <= earlier for earlier, later in pairwise(times)):
        return Integral(None, doubt="the sensor's stamps do not go forward")
    if channel.quantity == "energy_j":
        return _counter(record, channel, times, values, length_s)
    return _power(record, channel, times, values, length_s, repeat_s)


def _counter(
    record: SensorRecord,
    channel: Channel,
    times: list[float],
    joules: list[float],
    length_s: float,
) -> Integral:
    period_s = update_period_s(channel)
    # A counter that advances every period is half a period old on average.
    times = [time - period_s / 2 for time in times]
    # A sampler that starts or stops with the load leaves a reading at an end to extrapolate.
    missing_s = curve.missing_s(times, length_s) if len(times) > 1 else (length_s, 0.0)
    first = max(bisect_right(times, 0.0) - 1, 0)
    last = min(bisect_left(times, length_s), len(times) - 1)
    if last <= first or max(missing_s) > max(period_s, curve.spacing_s(times)):
        return Integral(None, doubt=_uncovered(record, times, length_s))
    times, joules = times[first : last + 1], joules[first : last + 1]
    if any(later < earlier for earlier, later in pairwise(joules)):
        return Integral(None, doubt="the energy counter went backwards")
    start_j = curve.line(0.0, times[:2], joules[:2])
    end_j = curve.line(length_s, times[-2:], joules[-2:])
    energy_j = end_j - start_j
    if energy_j <= 0:
        return Integral(None, doubt="the energy counter did not advance")
    rises_j = [later - earlier for earlier, later in pairwise(joules)]
    # At each edge it may be half a period older or younger than that.
    near_s = 5 * period_s
    edges_w = (
        curve.mean_w(times, joules, 0.0, near_s),
        curve.mean_w(times, joules, length_s - near_s, length_s),
    )
    stale_j = sum(w * (period_s / 2 + s) for w, s in zip(edges_w, missing_s, strict=True))
    # Between two readings the counter may rise anywhere; a quarter of the rise is the worst
    # case when power steps once.
    between_j = (rises_j[0] + rises_j[-1]) / 4
    return Integral(
        energy_j,
        stale_j + between_j + (channel.resolution or 0.0),
        curve.steepest_w(times, joules, max(5 * period_s, 0.5)),
        len(times),
        _counter_doubt(record, channel, times, joules, energy_j / length_s),
    )


def _counter_doubt(
    record: SensorRecord,
    channel: Channel,
    times: Sequence[float],
    joules: Sequence[float],
    mean_w: float,
) -> str | None:
    period_s, limit_w = update_period_s(channel), record.most_w(channel)
    gaps_s = [later - earlier for earlier, later in pairwise(times)]
    rises_j = [later - earlier for earlier, later in pairwise(joules)]
    still_s = curve.longest_still_s(times, joules)
    # A counter with a coarse step may stand still for as long as one step takes.
    step_s = (channel.resolution or 0.0) / mean_w
    if still_s > MAX_GAP_UPDATES * period_s + 3 * step_s + 2 * curve.spacing_s(times):
        return f"the energy counter stood still for {still_s:.1f} s"
    pairs = zip(gaps_s, rises_j, strict=True)
    if any(rise_j > limit_w * (gap_s + 2 * period_s) for gap_s, rise_j in pairs):
        return f"the energy counter jumped by more than {limit_w:g} W can explain"
    if channel.wrap_j and max(gaps_s) * mean_w * 4 > channel.wrap_j:
        return "readings are missing for so long that the counter may have started again unseen"
    return None


def _power(
    record: SensorRecord,
    channel: Channel,
    times: list[float],
    watts: list[float],
    length_s: float,
    repeat_s: float | None,
) -> Integral:
    period_s, averaging_s = update_period_s(channel), channel.averaging_window_s
    # A value that is renewed every period is half a period old on average, and an average belongs
    # to the middle of what it averages. What remains unsure is how late and how blurred it is.
    if averaging_s is not None:
        times = [time - (averaging_s + period_s) / 2 for time in times]
        late_s, blur_s = period_s / 2, averaging_s / 2
    else:
        late_s = blur_s = max(period_s, UNKNOWN_PERIOD_S)
    late_s += _reading_s(record) / 2
    inside = times[bisect_left(times, 0.0) : bisect_right(times, length_s)]
    if len(inside) < 2:
        return Integral(None, doubt=_uncovered(record, times, length_s))
    spacing_s = max(curve.spacing_s(inside), period_s)
    # Up to three updates (and half an averaging window) may be missing at an end: the last value
    # holds, and all of its energy counts as uncertain.
    held_s = curve.missing_s(times, length_s)
    if max(held_s) > 3 * spacing_s + (averaging_s or 0.0) / 2:
        return Integral(None, doubt=_uncovered(record, times, length_s))
    seen_times, seen_watts = curve.clip(times, watts, length_s)
    energy_j = curve.trapezoids_j(seen_times, seen_watts)
    peak_w = max(seen_watts)
    if energy_j <= 0:
        return Integral(None, doubt="the sensor gave 0 W all the time")
    mean_w = energy_j / length_s
    reach_s = late_s + blur_s + 2 * spacing_s
    ranges_w = curve.range_w(times, watts, 0.0, reach_s) + curve.range_w(
        times, watts, length_s, reach_s
    )
    edges_j = late_s * abs(seen_watts[-1] - seen_watts[0]) + (late_s + blur_s) * ranges_w
    edges_j += sum(held_s) * peak_w
    # Work that repeats within the averaging window hides its ups and downs from the sensor, and the
    # window of load may hold one repetition more or less of them than it should.
    hidden_s = blur_s if averaging_s is None else averaging_s
    edges_j += mean_w * (hidden_s if repeat_s is None else min(repeat_s, hidden_s))
    looks_j = _looks_j(seen_times, seen_watts, min((averaging_s or 0.0) / spacing_s, 1.0))
    part_time = averaging_s if averaging_s and averaging_s < 0.9 * period_s else None
    if part_time and repeat_s:
        # One look sees a whole number of repetitions, more or less one.
        looks_j += energy_j * min(repeat_s / part_time, 1.0)
    steps_j = (channel.resolution or 0.0) * length_s
    around = times[max(bisect_right(times, 0.0) - 1, 0) : bisect_left(times, length_s) + 1]
    doubt = _power_doubt(record, channel, around, seen_times, seen_watts, spacing_s)
    if doubt is None and part_time and not repeat_s:
        share = 100 * part_time / period_s
        doubt = f"the sensor looks at only {share:.0f} % of the time"
    return Integral(energy_j, edges_j + looks_j + steps_j, peak_w, len(inside), doubt)


def _power_doubt(
    record: SensorRecord,
    channel: Channel,
    around: Sequence[float],
    times: Sequence[float],
    watts: Sequence[float],
    spacing_s: float,
) -> str | None:
    """`around` are the times of the readings inside the window and of one on each side of it;
    `times` and `watts` are cut at its ends."""
    gap_s = max(later - earlier for earlier, later in pairwise(around))
    if max(watts) > record.most_w(channel):
        return f"the sensor gave {max(watts):g} W, which the device cannot draw"
    if gap_s > MAX_GAP_UPDATES * spacing_s:
        return f"the sensor was silent for {gap_s:.1f} s"
    if _stuck(record, channel, times, watts, spacing_s):
        return "the sensor gave the same value all the time: it may be stuck"
    return None


def _looks_j(times: Sequence[float], watts: Sequence[float], seen: float) -> float:
    """What the sensor may have missed between its looks, of which it sees the share `seen`."""
    pairs = zip(pairwise(times), pairwise(watts), strict=True)
    squares = sum(
        ((after - before) * (end - start)) ** 2 / 2 for (start, end), (before, after) in pairs
    )
    return LOOK_SIGMAS * sqrt(squares * (1 - seen))


def _uncovered(record: SensorRecord, times: Sequence[float], length_s: float) -> str:
    """Why a window cannot be told: the sensor's own failure, or what it covers of the window."""
    if record.failure and not record.healthy:
        return record.failure
    seen_s = max(min(times[-1], length_s) - max(times[0], 0.0), 0.0) if times else 0.0
    return f"the sensor covers only {seen_s:.1f} s of {length_s:.1f} s"


def _reading_s(record: SensorRecord) -> float:
    return max((sample.duration_ns for sample in record.samples), default=0) / 1e9


def _stuck(
    record: SensorRecord,
    channel: Channel,
    times: Sequence[float],
    watts: Sequence[float],
    spacing_s: float,
) -> bool:
    """Whether a constant reading is more than the sensor's steps explain."""
    if curve.longest_still_s(times, watts) <= STILL_UPDATES * spacing_s:
        return False
    coarse = (channel.resolution or 0.0) >= COARSE * max(watts)
    moved = len(set(record.series(channel.quantity)[1])) > 1
    return not (coarse and moved)
