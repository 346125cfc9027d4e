"""Numbers for people: three significant digits and the unit prefix that fits."""

from __future__ import annotations

Scales = tuple[tuple[float, str], ...]
TIME: Scales = ((1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns"))
COUNT: Scales = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_SUFFIXES = {
    "_items_per_s": "items/s",
    "_flops_per_s": "FLOP/s",
    "joules_per_item": "J/item",
    "items_per_joule": "items/J",
    "_w": "W",
}
"""End of a metric's name -> its unit."""


def shown(metric: str, value: float) -> str:
    """A metric's value with the unit that its name ends with: `1.10 ms` for 1.1e6 of a `_ns`."""
    if metric.endswith("_ns"):
        scale, unit = fitting(value, TIME)
        return f"{significant(value / scale)} {unit}"
    unit = next((unit for end, unit in _SUFFIXES.items() if metric.endswith(end)), "")
    scale, prefix = fitting(value, COUNT)
    return f"{significant(value / scale)} {prefix}{unit}".strip()


def significant(value: float) -> str:
    """Three significant digits without an exponent: 0.0123, 1.23, 12.3, 123, 1234."""
    if value == 0:
        return "0"
    digits = 2 - _magnitude(value)
    if digits <= 0:
        return f"{value:.0f}"
    return f"{value:.{min(digits, 12)}f}"


def fitting(value: float, scales: Scales) -> tuple[float, str]:
    """The largest scale that the value reaches as it is shown: 999.9 us is 1.00 ms."""
    for scale, prefix in scales:
        if float(f"{abs(value) / scale:.2e}") >= 1:
            return scale, prefix
    return scales[-1]


def _magnitude(value: float) -> int:
    """Power of ten of the value as rounded to three digits: 9.996 is shown as 10.0."""
    return int(f"{value:.2e}".rsplit("e", 1)[1])
