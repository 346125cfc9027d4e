"""Numbers for people: three significant digits, a unit that fits, the interval beside the value."""

from __future__ import annotations

from bench.results import Metric, Summary
from bench.units import COUNT, TIME, Scales, fitting
from bench.units import significant as significant  # for whoever prints

NONE = "-"
_BYTES = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B"))


def duration(metric: Metric | Summary | None) -> str:
    """`8.76 ms [8.70, 8.81]` from nanoseconds; `-` for a figure that is not there."""
    return _with_interval(metric, TIME, "")


def rate(metric: Metric | Summary | None, unit: str = "") -> str:
    """`1.15 k/s`-like: `114 [113, 115]`, scaled, with an interval."""
    return _with_interval(metric, COUNT, unit)


def count(value: float, unit: str = "") -> str:
    """`25.6 M` for 25557032."""
    scale, prefix = fitting(value, COUNT)
    return f"{significant(value / scale)} {prefix}{unit}".strip()


def size(value: int | None) -> str:
    """`97.5 MiB`."""
    if value is None:
        return NONE
    scale, prefix = fitting(value, _BYTES)
    return f"{significant(value / scale)} {prefix}"


def _with_interval(metric: Metric | Summary | None, scales: Scales, unit: str) -> str:
    if metric is None:
        return NONE
    scale, prefix = fitting(metric.value, scales)
    text = f"{significant(metric.value / scale)} {prefix}{unit}".strip()
    if metric.low is None or metric.high is None:
        return text
    return f"{text} [{significant(metric.low / scale)}, {significant(metric.high / scale)}]"
