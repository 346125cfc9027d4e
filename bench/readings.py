"""Reading a vendor's tool: an adapter's patterns over what the program printed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from bench.adapter import SensorSpec, fill_pattern
from bench.device import Device
from bench.sensor import Quantity, SensorError

_NEVER_ZERO = frozenset({"power_w", "power_average_w", "power_limit_w"})
"""Tools print 0 for these where they mean that they do not know."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What one output says of one device."""

    values: Mapping[Quantity, float]
    """In the quantities' own units."""
    missing: Mapping[str, str]
    """Quantity -> why it is not in `values`: not found, or no number (`NA`, `N/A`, `-`)."""


def read(spec: SensorSpec, device: Device, text: str) -> Readings:
    """Search the patterns of a `command` sensor in its program's output.

    Raises SensorError when the output is another program's, has no part about the device, or when
    the patterns ask for a UUID and the device has none.
    """
    program = spec.command[0]
    if spec.require and not re.search(spec.require, text):
        raise SensorError(
            f"{program} is another vendor's program: {spec.require!r} is not in its output"
        )
    try:
        part = re.search(fill_pattern(spec.select, device), text) if spec.select else None
        patterns = {name: fill_pattern(text, device) for name, text in spec.patterns.items()}
    except ValueError as error:
        raise SensorError(f"{program} cannot be asked about {device.id}: {error}") from error
    if spec.select and part is None:
        raise SensorError(f"{program} prints nothing about {device.id}")
    about = part[0] if part else text
    values: dict[Quantity, float] = {}
    missing: dict[str, str] = {}
    for name, pattern in patterns.items():
        match = re.search(pattern, about)
        number = _number(match[1]) if match else None
        if match is None:
            missing[name] = f"{program} does not print it"
        elif number is None:
            missing[name] = f"{program} prints {match[1]!r}"
        elif name in _NEVER_ZERO and number <= 0:
            missing[name] = f"{program} prints {match[1]!r}, which no running device draws"
        else:
            values[cast(Quantity, name)] = number * spec.scale.get(name, 1.0)
    return Readings(values, missing)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
