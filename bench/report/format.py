"""Numbers for people: three significant digits, a unit that fits, the interval beside the value."""

from __future__ import annotations

from bench.results import Metric, Summary

NONE = "-"
_TIME = ((1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns"))
_COUNT = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_BYTES = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B"))


def duration(metric: Metric | Summary | None) -> str:
    """`8.76 ms [8.70, 8.81]` from nanoseconds; `-` for a figure that is not there."""
    return _with_interval(metric, _TIME, "")


def rate(metric: Metric | Summary | None, unit: str = "") -> str:
    """`1.15 k/s`-like: `114 [113, 115]`, scaled, with an interval."""
    return _with_interval(metric, _COUNT, unit)


def count(value: float, unit: str = "") -> str:
    """`25.6 M` for 25557032."""
    scale, prefix = _scale(value, _COUNT)
    return f"{significant(value / scale)} {prefix}{unit}".strip()


def size(value: int | None) -> str:
    """`97.5 MiB`."""
    if value is None:
        return NONE
    scale, prefix = _scale(value, _BYTES)
    return f"{significant(value / scale)} {prefix}"


def significant(value: float) -> str:
    """Three significant digits without an exponent: 0.0123, 1.23, 12.3, 123, 1234."""
    if value == 0:
        return "0"
    digits = 2 - _magnitude(value)
    if digits <= 0:
        return f"{value:.0f}"
    return f"{value:.{min(digits, 12)}f}"


def _magnitude(value: float) -> int:
    """Power of ten of the value as rounded to three digits: 9.996 is shown as 10.0."""
    return int(f"{value:.2e}".rsplit("e", 1)[1])


def _with_interval(
    metric: Metric | Summary | None, scales: tuple[tuple[float, str], ...], unit: str
) -> str:
    if metric is None:
        return NONE
    scale, prefix = _scale(metric.value, scales)
    text = f"{significant(metric.value / scale)} {prefix}{unit}".strip()
    if metric.low is None or metric.high is None:
        return text
    return f"{text} [{significant(metric.low / scale)}, {significant(metric.high / scale)}]"


def _scale(value: float, scales: tuple[tuple[float, str], ...]) -> tuple[float, str]:
    for scale, prefix in scales:
        if float(f"{abs(value) / scale:.2e}") >= 1:  # as shown: 999.9 us is 1.00 ms
            return scale, prefix
    return scales[-1]
