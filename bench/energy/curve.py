"""A quantity as it was read: times in seconds, of which 0 is the start of a window, and values."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from statistics import median


def line(time: float, times: Sequence[float], values: Sequence[float]) -> float:
    """The value at `time` on the line through two readings."""
    slope = (values[1] - values[0]) / (times[1] - times[0])
    return values[0] + slope * (time - times[0])


def clip(
    times: list[float], watts: list[float], length_s: float
) -> tuple[list[float], list[float]]:
    """The samples within [0, length_s], with interpolated (or held) values at both ends."""
    low, high = bisect_right(times, 0.0), bisect_left(times, length_s)
    first, last = watts[0], watts[-1]
    if low > 0:
        first = line(0.0, times[low - 1 : low + 1], watts[low - 1 : low + 1])
    if high < len(times):
        last = line(length_s, times[high - 1 : high + 1], watts[high - 1 : high + 1])
    return [0.0, *times[low:high], length_s], [first, *watts[low:high], last]


def missing_s(times: Sequence[float], length_s: float) -> tuple[float, float]:
    """Time at the window's beginning and end that no reading covers."""
    return max(times[0], 0.0), max(length_s - times[-1], 0.0)


def trapezoids_j(times: Sequence[float], watts: Sequence[float]) -> float:
    """Energy of a power that goes in straight lines from reading to reading."""
    pairs = zip(pairwise(times), pairwise(watts), strict=True)
    return sum((end - start) * (before + after) / 2 for (start, end), (before, after) in pairs)


def spacing_s(times: Sequence[float]) -> float:
    """The usual time between two readings."""
    return median(later - earlier for earlier, later in pairwise(times))


def range_w(times: Sequence[float], watts: Sequence[float], at: float, reach_s: float) -> float:
    """Largest minus smallest power among the samples within `reach_s` of `at`."""
    near = watts[
        max(bisect_left(times, at - reach_s) - 1, 0) : bisect_right(times, at + reach_s) + 1
    ]
    return max(near, default=0.0) - min(near, default=0.0)


def mean_w(times: Sequence[float], joules: Sequence[float], start: float, end: float) -> float:
    """Mean power of a counter over the readings that enclose [start, end]."""
    low = max(bisect_right(times, start) - 1, 0)
    high = min(bisect_left(times, end), len(times) - 1)
    return (joules[high] - joules[low]) / (times[high] - times[low]) if high > low else 0.0


def steepest_w(times: Sequence[float], joules: Sequence[float], span_s: float) -> float | None:
    """Highest mean power over stretches of at least `span_s`."""
    best, low = None, 0
    for high in range(len(times)):
        while times[high] - times[low + 1 if low + 1 < high else low] >= span_s:
            low += 1
        if times[high] - times[low] >= span_s:
            rate = (joules[high] - joules[low]) / (times[high] - times[low])
            best = rate if best is None else max(best, rate)
    return best


def longest_still_s(times: Sequence[float], values: Sequence[float]) -> float:
    """Longest time over which the readings stay exactly the same."""
    longest, since = 0.0, times[0]
    for (_, now), (old, new) in zip(pairwise(times), pairwise(values), strict=True):
        if new != old:
            since = now
        longest = max(longest, now - since)
    return longest
