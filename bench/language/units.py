"""Numbers for people: three significant digits and the unit prefix that fits."""

from __future__ import annotations

Scales = tuple[tuple[float, str], ...]
TIME: Scales = ((1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns"))
COUNT: Scales = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
BYTES: Scales = (
    (1 << 40, "TiB"),
    (1 << 30, "GiB"),
    (1 << 20, "MiB"),
    (1 << 10, "KiB"),
    (1, "B"),
)
LEAST_PERCENT = 0.01
"""Shares above zero and below this are said to be below it."""
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


def size(found: float) -> str:
    """Bytes as `97.5 MiB`."""
    scale, prefix = fitting(found, BYTES)
    return f"{significant(found / scale)} {prefix}"


def percent(found: float) -> str:
    """A share in percent, at least 0: `12.3 %`, and `<0.01 %` for what would be a row of zeros."""
    return f"<{LEAST_PERCENT} %" if 0 < found < LEAST_PERCENT else f"{significant(found)} %"


def significant(number: float, digits: int = 3) -> str:
    """Three significant digits without an exponent: 0.0123, 1.23, 12.3, 123, 1234.

    With two, which say that no more is known, larger numbers are rounded too: 0.012, 12, 1200.
    """
    if number == 0:
        return "0"
    places = digits - 1 - _magnitude(number, digits)
    if places > 0:
        return f"{number:.{min(places, 12)}f}"
    return f"{round(number, places) if digits < 3 else number:.0f}"


def fitting(value: float, scales: Scales) -> tuple[float, str]:
    """The largest scale that the value reaches as it is shown: 999.9 us is 1.00 ms."""
    for scale, prefix in scales:
        if float(f"{abs(value) / scale:.2e}") >= 1:
            return scale, prefix
    return scales[-1]


def _magnitude(number: float, digits: int) -> int:
    """Power of ten of the number as rounded to its digits: 9.996 is shown as 10.0."""
    return int(f"{number:.{digits - 1}e}".rsplit("e", 1)[1])
