"""Numbers for people: three significant digits, a unit that fits, and how sure the figure is."""

from __future__ import annotations

from dataclasses import dataclass

from bench.language import units
from bench.language.translate import tr
from bench.language.units import fitting, significant
from bench.results.records import Summary

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


_SMALL = ((1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u"))
TIME = Unit(units.TIME)
"""From nanoseconds."""
ITEMS_PER_S = Unit(units.COUNT, "items/s", apart=True)
FLOP_PER_S = Unit(units.COUNT, "FLOP/s")
JOULES = Unit(_SMALL, "J")
WATTS = Unit(_SMALL, "W")


def unit(metric: str) -> Unit:
    """Of a case's own figure, which its name ends with."""
    return ITEMS_PER_S if metric.endswith("_items_per_s") else TIME


def value(found: float, unit: Unit) -> str:
    """`8.76 ms` for 8.76e6 and TIME."""
    scale, prefix = fitting(found, unit.prefixes)
    return f"{significant(found / scale)} {unit.label(prefix)}".strip()


def summary(found: Summary | None, unit: Unit) -> str:
    """A figure and how far it is to be trusted; `-` for one that is not there.

    `8.76 ms [8.70, 8.81]` with the 95 % interval between trials; `8.76 ms (8.70-8.81, 2 trials)`
    with the range of trials too few for one; `~8.8 ms (7.1-12) unsteady` for one not to rely on.
    """
    if found is None:
        return NONE
    if found.unsteady is not None:
        scale, prefix = fitting(found.value, unit.prefixes)
        label = unit.label(prefix)
        typical, least, most = (
            significant(one / scale, 2) for one in (found.value, found.least, found.most)
        )
        return f"~{typical} {label} ({least}-{most}) {tr('unsteady')}"
    if found.low is None or found.high is None:
        return spread(found.value, found.least, found.most, found.n, unit)
    scale, prefix = fitting(found.value, unit.prefixes)
    low, high = significant(found.low / scale), significant(found.high / scale)
    return f"{significant(found.value / scale)} {unit.label(prefix)} [{low}, {high}]"


def brief(found: Summary | None, unit: Unit) -> str:
    """The value alone, for a column beside the main figure: `45.2 W`, or `~45 W` if unsteady."""
    if found is None:
        return NONE
    if found.unsteady is None:
        return value(found.value, unit)
    scale, prefix = fitting(found.value, unit.prefixes)
    return f"~{significant(found.value / scale, 2)} {unit.label(prefix)}"


def spread(typical: float, least: float, most: float, trials: int, unit: Unit) -> str:
    """`1.50 ms (1 trial)` or `1.50 ms (1.48-1.52, 2 trials)`: a range, which is no interval."""
    scale, _ = fitting(typical, unit.prefixes)
    if trials == 1:
        return f"{value(typical, unit)} ({tr('1 trial')})"
    ends = f"{significant(least / scale)}-{significant(most / scale)}"
    return f"{value(typical, unit)} ({ends}, {tr(f'{trials} trials')})"


def size(found: int | None) -> str:
    """`97.5 MiB`."""
    return NONE if found is None else units.size(found)


def error(relative: float) -> str:
    """`1.6e-6` for a relative error."""
    mantissa, exponent = f"{relative:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}" if relative else "0"
