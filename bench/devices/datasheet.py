"""Datasheet limits of devices: `configs/devices/*.toml`, each figure with its source beside it.

What a device achieves is shown as a share of them; above 100 % the measurement is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from bench.errors import RefusedInput
from bench.model import PRECISIONS, Precision
from bench.plugins import HOME
from bench.results.records import Case
from bench.settings import patterns, toml


class Named(Protocol):
    """A device of this machine, or one in a results file."""

    @property
    def name(self) -> str:
        """As the framework prints it."""


@dataclass(frozen=True, slots=True)
class Datasheet:
    """The limits of one kind of device. What no public source gives is None or left out."""

    name: str
    vendor: str
    match: str
    """Regular expression that the whole name of the device matches."""
    peak_flops: Mapping[str, float] = field(default_factory=dict)
    """Precision -> dense operations a second, without sparsity, of its fastest units."""
    memory_bandwidth_bytes_per_s: float | None = None
    board_power_w: float | None = None

    def __post_init__(self) -> None:
        patterns.check(self.match)
        for precision in self.peak_flops:
            if precision not in PRECISIONS:
                raise ValueError(f"{precision!r} is no precision; known: {', '.join(PRECISIONS)}")
        figures = [*self.peak_flops.values(), self.memory_bandwidth_bytes_per_s, self.board_power_w]
        for figure in figures:
            if figure is not None and not 0 < figure < math.inf:
                raise ValueError(f"{figure} is no limit; it must be above 0")


def load(path: Path) -> tuple[Datasheet, ...]:
    """The tables `device` of one file; raises RefusedInput."""
    table = toml.read(path)
    for key in table:
        if key != "device":
            raise toml.problem(path, (key,), "unknown key; the tables are called [[device]]")
    devices = table.get("device", [])
    if not isinstance(devices, list):
        raise toml.problem(path, ("device",), "write [[device]], with two brackets")
    return tuple(
        toml.convert(Datasheet, one, path, ("device", place)) for place, one in enumerate(devices)
    )


@lru_cache(maxsize=1)
def shipped() -> tuple[Datasheet, ...]:
    """Every datasheet that comes with the harness."""
    folder = HOME / "configs" / "devices"
    return tuple(one for path in sorted(folder.glob("*.toml")) for one in load(path))


def find(device: Named) -> Datasheet | None:
    """The device's datasheet; None when there is none. Raises RefusedInput when two claim it."""
    found = [one for one in shipped() if patterns.fullmatch(one.match, device.name)]
    if len(found) > 1:
        names = " and ".join(one.name for one in found)
        raise RefusedInput(f"the datasheets of {names} both match the device {device.name!r}")
    return found[0] if found else None


def peak_flops(device: Named, precision: Precision) -> tuple[float | None, str]:
    """Operations a second that the device cannot exceed, or None and the reason why not known."""
    sheet = find(device)
    if sheet is None:
        return None, f"configs/devices has no datasheet of {device.name}"
    peak = sheet.peak_flops.get(precision)
    if peak is None:
        return None, f"the datasheet of {sheet.name} gives no {precision} peak"
    return peak, ""


def share(case: Case, device: Named) -> float | None:
    """Operations a second as a share of the device's datasheet, 1 being all of it."""
    found = case.summary.get("achieved_flops_per_s")
    peak, _ = peak_flops(device, case.precision)
    return found.value / peak if found is not None and peak is not None else None


def excess(case: Case, device: Named) -> str | None:
    """What is to be said of a figure that the datasheet does not allow; None of any other."""
    found = share(case, device)
    if found is None or found <= 1:
        return None
    # rounded up, so that what is above never reads as 100
    percent = math.ceil(1000 * found) / 10
    return (
        f"{percent:g} % of what the datasheet allows: the measurement is wrong, or the datasheet's "
        "entry is"
    )
