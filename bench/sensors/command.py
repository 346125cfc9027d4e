"""A vendor's command-line tool, and one regular expression per quantity.

Everything comes from the adapter's table, which has been checked when it was read: the program
has a time limit and bounded output, and the expressions match in linear time.
`NA`, `N/A`, `-` and the like mean that the tool cannot tell: the quantity is left out.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import cast

from bench.adapter import SensorSpec, fill, fill_pattern
from bench.device import Device
from bench.sensor import WATTS, Channel, Quantity, Sample, Sensor, SensorError, SensorProbe
from bench.sensors import options
from bench.settings import patterns
from bench.system import command

LIMIT_S = 10.0
_NEVER_ZERO = frozenset({*WATTS, "power_limit_w"})
"""Tools print 0 for these where they mean that they do not know."""
_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d{1,9})?")


class Command(Sensor):
    """Runs the tool once per reading."""

    def __init__(self, device: Device, spec: SensorSpec) -> None:
        super().__init__(device)
        options(spec)
        self.name = f"command:{Path(spec.command[0]).name}"
        self.spec = spec
        self._missing: dict[str, str] = {}
        self._steps: dict[Quantity, float] = {}

    def probe(self) -> SensorProbe:
        """Run the tool once: a channel for each number found, a reason for each that was not."""
        try:
            sample = self.read()
        except SensorError as error:
            return SensorProbe(reason=str(error), missing=dict(self._missing))
        channels = tuple(
            Channel(quantity, self.spec.scope, self._steps[quantity], self.spec.update_period_s)
            for quantity in sample.values
        )
        return SensorProbe(channels, None, dict(self._missing), {"program": self.spec.command[0]})

    def read(self) -> Sample:
        """One run of the tool."""
        start = time.monotonic_ns()
        try:
            argv = [fill(word, self.device) for word in self.spec.command]
            text = command.run(argv, LIMIT_S).text
            end = time.monotonic_ns()
            values = self._values(self._part(text))
        except (command.CommandError, ValueError) as error:
            raise SensorError(str(error)) from error
        if not values:
            reasons = "; ".join(f"{q}: {why}" for q, why in self._missing.items())
            raise SensorError(f"{argv[0]} gave no figure of {self.device.id}: {reasons}")
        return Sample((start + end) // 2, values, (), end - start)

    def _part(self, text: str) -> str:
        """The device's part of the output, once the banner shows that this is the right tool."""
        if self.spec.require and not patterns.search(self.spec.require, text):
            raise SensorError(
                f"{self.spec.command[0]} is another program of that name: its output has "
                f"no {self.spec.require!r}"
            )
        if not self.spec.select:
            return text
        found = patterns.search(fill_pattern(self.spec.select, self.device), text)
        if found is None:
            raise SensorError(f"{self.spec.command[0]} does not show {self.device.id}")
        return found[0] or ""

    def _values(self, text: str) -> dict[Quantity, float]:
        values: dict[Quantity, float] = {}
        self._missing = {}
        for quantity, pattern in self.spec.patterns.items():
            found = patterns.search(fill_pattern(pattern, self.device), text)
            if found is None or (group := found[1]) is None:
                self._missing[quantity] = "not in the tool's output"
                continue
            printed = group.strip()
            if _NUMBER.fullmatch(printed) is None:
                self._missing[quantity] = f"the tool prints {printed[:40]!r}"
                continue
            if quantity in _NEVER_ZERO and float(printed) <= 0:
                self._missing[quantity] = f"the tool prints {printed!r}, which means unknown"
                continue
            scale = self.spec.scale.get(quantity, 1.0)
            name = cast(Quantity, quantity)
            values[name] = float(printed) * scale
            self._steps[name] = scale * 0.1 ** len(printed.partition(".")[2])
        return values


SENSOR = Command
