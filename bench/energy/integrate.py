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
from statistics import median

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
ABSURD_W = {"node": 100_000.0}
ABSURD_DEVICE_W = 10_000.0
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
    if any(b <= a for a, b in pairwise(times)):
        return Integral(None, doubt="the sensor's stamps do not go forward")
    if channel.quantity == "energy_j":
        return _counter(record, channel, times, values, length_s)
    return _power(record, channel, times, values, length_s, repeat_s)


def _counter(
    record: SensorRecord, channel: Channel, t: list[float], e: list[float], length_s: float
) -> Integral:
    period_s = update_period_s(channel)
    # A counter that advances every period is half a period old on average.
    t = [x - period_s / 2 for x in t]
    # A sampler that starts or stops with the load leaves a reading at an end to extrapolate.
    missing_s = (max(t[0], 0.0), max(length_s - t[-1], 0.0)) if len(t) > 1 else (length_s, 0.0)
    first = max(bisect_right(t, 0.0) - 1, 0)
    last = min(bisect_left(t, length_s), len(t) - 1)
    if last <= first or max(missing_s) > max(period_s, _spacing_s(t)):
        return Integral(None, doubt=_uncovered(record, t, length_s))
    t, e = t[first : last + 1], e[first : last + 1]
    if any(b < a for a, b in pairwise(e)):
        return Integral(None, doubt="the energy counter went backwards")
    start_j, end_j = _at(0.0, t[0], t[1], e[0], e[1]), _at(length_s, t[-2], t[-1], e[-2], e[-1])
    energy_j = end_j - start_j
    if energy_j <= 0:
        return Integral(None, doubt="the energy counter did not advance")
    mean_w = energy_j / length_s
    jumps = [
        (t1 - t0, e1 - e0) for (t0, t1), (e0, e1) in zip(pairwise(t), pairwise(e), strict=True)
    ]
    first_j, last_j = jumps[0][1], jumps[-1][1]
    # At each edge it may be half a period older or younger than that.
    near_s = 5 * period_s
    edges_w = _rate(t, e, 0.0, near_s), _rate(t, e, length_s - near_s, length_s)
    stale_j = sum(w * (period_s / 2 + x) for w, x in zip(edges_w, missing_s, strict=True))
    # Between two readings the counter may rise anywhere; a quarter of the rise is the worst
    # case when power steps once.
    between_j = (first_j + last_j) / 4
    uncertainty_j = stale_j + between_j + (channel.resolution or 0.0)
    doubt = None
    limit_w = _absurd_w(record, channel)
    longest_still_s = _longest_still_s(t, e)
    # A counter with a coarse step may stand still for as long as one step takes.
    step_s = (channel.resolution or 0.0) / mean_w
    if longest_still_s > MAX_GAP_UPDATES * period_s + 3 * step_s + 2 * _spacing_s(t):
        doubt = f"the energy counter stood still for {longest_still_s:.1f} s"
    elif any(de > limit_w * (dt + 2 * period_s) for dt, de in jumps):
        doubt = f"the energy counter jumped by more than {limit_w:g} W can explain"
    elif channel.wrap_j and max(dt for dt, _ in jumps) * mean_w * 4 > channel.wrap_j:
        doubt = "readings are missing for so long that the counter may have started again unseen"
    peak_w = _steepest(t, e, max(5 * period_s, 0.5))
    return Integral(energy_j, uncertainty_j, peak_w, len(t), doubt)


def _power(
    record: SensorRecord,
    channel: Channel,
    t: list[float],
    p: list[float],
    length_s: float,
    repeat_s: float | None,
) -> Integral:
    period_s, window_s = update_period_s(channel), channel.averaging_window_s
    # A value that is renewed every period is half a period old on average, and an average belongs
    # to the middle of what it averages. What remains unsure is how late and how blurred it is.
    if window_s is not None:
        t = [x - (window_s + period_s) / 2 for x in t]
        late_s, blur_s = period_s / 2, window_s / 2
    else:
        late_s = blur_s = max(period_s, UNKNOWN_PERIOD_S)
    late_s += _reading_s(record) / 2
    inside = t[bisect_left(t, 0.0) : bisect_right(t, length_s)]
    if len(inside) < 2:
        return Integral(None, doubt=_uncovered(record, t, length_s))
    spacing_s = max(_spacing_s(inside), period_s)
    # Up to three updates (and half an averaging window) may be missing at an end: the last value
    # holds, and all of its energy counts as uncertain.
    held_s = max(t[0], 0.0), max(length_s - t[-1], 0.0)
    if max(held_s) > 3 * spacing_s + (window_s or 0.0) / 2:
        return Integral(None, doubt=_uncovered(record, t, length_s))
    ts, ps = _clip(t, p, length_s)
    energy_j = sum(
        (t1 - t0) * (p0 + p1) / 2
        for (t0, t1), (p0, p1) in zip(pairwise(ts), pairwise(ps), strict=True)
    )
    peak_w = max(ps)
    if energy_j <= 0:
        return Integral(None, doubt="the sensor gave 0 W all the time")
    reach_s = late_s + blur_s + 2 * spacing_s
    edges_j = late_s * abs(ps[-1] - ps[0])
    edges_j += (late_s + blur_s) * (_range(t, p, 0.0, reach_s) + _range(t, p, length_s, reach_s))
    # Work that repeats within the averaging window hides its ups and downs from the sensor, and the
    # window of load may hold one repetition more or less of them than it should.
    averaged_s = blur_s if window_s is None else window_s
    hidden_s = averaged_s if repeat_s is None else min(repeat_s, averaged_s)
    edges_j += sum(held_s) * peak_w + hidden_s * energy_j / length_s
    seen = min((window_s or 0.0) / spacing_s, 1.0)
    squares = sum(
        ((p1 - p0) * (t1 - t0)) ** 2 / 2
        for (t0, t1), (p0, p1) in zip(pairwise(ts), pairwise(ps), strict=True)
    )
    looks_j = LOOK_SIGMAS * sqrt(squares * (1 - seen))
    steps_j = (channel.resolution or 0.0) * length_s
    part_time = window_s is not None and 0 < window_s < 0.9 * period_s
    if part_time and window_s and repeat_s:
        # One look sees a whole number of repetitions, more or less one.
        looks_j += energy_j * min(repeat_s / window_s, 1.0)
    uncertainty_j = edges_j + looks_j + steps_j
    doubt = None
    limit_w = _absurd_w(record, channel)
    around = t[max(bisect_right(t, 0.0) - 1, 0) : bisect_left(t, length_s) + 1]
    gap_s = max(t1 - t0 for t0, t1 in pairwise(around))
    if peak_w > limit_w:
        doubt = f"the sensor gave {peak_w:g} W, which the device cannot draw"
    elif gap_s > MAX_GAP_UPDATES * spacing_s:
        doubt = f"the sensor was silent for {gap_s:.1f} s"
    elif _stuck(record, channel, ts, ps, spacing_s):
        doubt = "the sensor gave the same value all the time: it may be stuck"
    elif part_time and not repeat_s:
        share = 100 * (window_s or 0.0) / period_s
        doubt = f"the sensor looks at only {share:.0f} % of the time"
    return Integral(energy_j, uncertainty_j, peak_w, len(inside), doubt)


def _at(x: float, x0: float, x1: float, y0: float, y1: float) -> float:
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def _clip(t: list[float], p: list[float], length_s: float) -> tuple[list[float], list[float]]:
    """The samples within [0, length_s], with interpolated (or held) values at both ends."""
    low, high = bisect_right(t, 0.0), bisect_left(t, length_s)
    before = _at(0.0, t[low - 1], t[low], p[low - 1], p[low]) if low > 0 else p[0]
    after = _at(length_s, t[high - 1], t[high], p[high - 1], p[high]) if high < len(t) else p[-1]
    return [0.0, *t[low:high], length_s], [before, *p[low:high], after]


def _uncovered(record: SensorRecord, t: Sequence[float], length_s: float) -> str:
    """Why a window cannot be told: the sensor's own failure, or what it covers of the window."""
    if record.failure and not record.healthy:
        return record.failure
    seen_s = max(min(t[-1], length_s) - max(t[0], 0.0), 0.0) if t else 0.0
    return f"the sensor covers only {seen_s:.1f} s of {length_s:.1f} s"


def _spacing_s(t: Sequence[float]) -> float:
    return median(b - a for a, b in pairwise(t))


def _reading_s(record: SensorRecord) -> float:
    return max((sample.duration_ns for sample in record.samples), default=0) / 1e9


def _range(t: Sequence[float], p: Sequence[float], at: float, reach_s: float) -> float:
    """Largest minus smallest power among the samples within `reach_s` of `at`."""
    near = p[max(bisect_left(t, at - reach_s) - 1, 0) : bisect_right(t, at + reach_s) + 1]
    return max(near, default=0.0) - min(near, default=0.0)


def _rate(t: Sequence[float], e: Sequence[float], start: float, end: float) -> float:
    """Mean power of a counter over the readings that enclose [start, end]."""
    low = max(bisect_right(t, start) - 1, 0)
    high = min(bisect_left(t, end), len(t) - 1)
    return (e[high] - e[low]) / (t[high] - t[low]) if high > low else 0.0


def _steepest(t: Sequence[float], e: Sequence[float], span_s: float) -> float | None:
    """Highest mean power over stretches of at least `span_s`."""
    best, low = None, 0
    for high in range(len(t)):
        while t[high] - t[low + 1 if low + 1 < high else low] >= span_s:
            low += 1
        if t[high] - t[low] >= span_s:
            rate = (e[high] - e[low]) / (t[high] - t[low])
            best = rate if best is None else max(best, rate)
    return best


def _longest_still_s(t: Sequence[float], values: Sequence[float]) -> float:
    """Longest time over which the readings stay exactly the same."""
    longest, since = 0.0, t[0]
    for (_, now), (old, new) in zip(pairwise(t), pairwise(values), strict=True):
        if new != old:
            since = now
        longest = max(longest, now - since)
    return longest


def _stuck(
    record: SensorRecord,
    channel: Channel,
    ts: Sequence[float],
    ps: Sequence[float],
    spacing_s: float,
) -> bool:
    """Whether a constant reading is more than the sensor's steps explain."""
    if _longest_still_s(ts, ps) <= STILL_UPDATES * spacing_s:
        return False
    coarse = (channel.resolution or 0.0) >= COARSE * max(ps)
    moved = len(set(record.series(channel.quantity)[1])) > 1
    return not (coarse and moved)


def _absurd_w(record: SensorRecord, channel: Channel) -> float:
    """Power above which a reading cannot be true: twice the limit, or what nothing draws."""
    most = ABSURD_W.get(channel.scope, ABSURD_DEVICE_W)
    try:
        return min(most, 2 * float(record.probe.facts["power_limit_w"]))
    except (KeyError, ValueError):  # the sensor tells no limit
        return most
