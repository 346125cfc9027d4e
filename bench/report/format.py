"""Numbers for people: three significant digits, a unit that fits, and how sure the figure is."""

from __future__ import annotations

from dataclasses import dataclass

from bench.results import Summary
from bench.text import tr

NONE = "-"


@dataclass(frozen=True, slots=True)
class Unit:
    """How a quantity is written: factors and their prefixes, the largest first, and the unit."""

    prefixes: tuple[tuple[float, str], ...]
    name: str = ""
    apart: bool = False
    """Whether a space stands between prefix and unit, as in `1.15 k items/s`."""

    def label(self, prefix: str) -> str:
        """`ms`, `k items/s`; translated."""
        return f"{prefix}{' ' if self.apart else ''}{tr(self.name) if self.name else ''}".strip()


_SI = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_SMALL = ((1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u"))
TIME = Unit(((1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns")))
"""From nanoseconds."""
ITEMS_PER_S = Unit(_SI, "items/s", apart=True)
FLOP_PER_S = Unit(_SI, "FLOP/s")
JOULES = Unit(_SMALL, "J")
WATTS = Unit(_SMALL, "W")
PERCENT = Unit(((1.0, "%"),))
_BYTES = Unit(((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B")))


def value(found: float, unit: Unit) -> str:
    """`8.76 ms` for 8.76e6 and TIME."""
    scale, prefix = _scale(found, unit)
    return f"{significant(found / scale)} {unit.label(prefix)}".strip()


def summary(found: Summary | None, unit: Unit) -> str:
    """A figure and how far it is to be trusted; `-` for one that is not there.

    `8.76 ms [8.70, 8.81]` with the 95 % interval between trials; `8.76 ms (8.70-8.81, 2 trials)`
    with the range of trials too few for one; `~8.8 ms (7.1-12) unsteady` for one not to rely on.
    """
    if found is None:
        return NONE
    if found.unsteady is not None:
        scale, prefix = _scale(found.value, unit)
        label = unit.label(prefix)
        typical, least, most = (
            significant(one / scale, 2) for one in (found.value, found.least, found.most)
        )
        return f"~{typical} {label} ({least}-{most}) {tr('unsteady')}"
    if found.low is None or found.high is None:
        return spread(found.value, found.least, found.most, found.n, unit)
    scale, prefix = _scale(found.value, unit)
    low, high = significant(found.low / scale), significant(found.high / scale)
    return f"{significant(found.value / scale)} {unit.label(prefix)} [{low}, {high}]"


def brief(found: Summary | None, unit: Unit) -> str:
    """The value alone, for a column beside the main figure: `45.2 W`, or `~45 W` if unsteady."""
    if found is None:
        return NONE
    if found.unsteady is None:
        return value(found.value, unit)
    scale, prefix = _scale(found.value, unit)
    return f"~{significant(found.value / scale, 2)} {unit.label(prefix)}"


def spread(typical: float, least: float, most: float, trials: int, unit: Unit) -> str:
    """`1.50 ms (1 trial)` or `1.50 ms (1.48-1.52, 2 trials)`: a range, which is no interval."""
    scale, _ = _scale(typical, unit)
    if trials == 1:
        return f"{value(typical, unit)} ({tr('1 trial')})"
    ends = f"{significant(least / scale)}-{significant(most / scale)}"
    return f"{value(typical, unit)} ({ends}, {tr(f'{trials} trials')})"


def size(found: int | None) -> str:
    """`97.5 MiB`."""
    return NONE if found is None else value(found, _BYTES)


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


def error(relative: float) -> str:
    """`1.6e-6` for a relative error."""
    mantissa, exponent = f"{relative:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}" if relative else "0"


def _magnitude(number: float, digits: int) -> int:
    """Power of ten of the number as rounded to its digits: 9.996 is shown as 10.0."""
    return int(f"{number:.{digits - 1}e}".rsplit("e", 1)[1])


def _scale(number: float, unit: Unit) -> tuple[float, str]:
    for scale, prefix in unit.prefixes:
        if float(f"{abs(number) / scale:.2e}") >= 1:  # as shown: 999.9 us is 1.00 ms
            return scale, prefix
    return unit.prefixes[-1]
