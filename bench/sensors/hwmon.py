"""Sensors of the Linux kernel's hardware monitoring (hwmon): power, energy and temperature.

The device's chip is found by its PCI address; where there is none, option `chip` names it as the
file `name` does (`amdgpu`, `ina3221`, `power_meter`). Units follow the kernel's hwmon sysfs
interface: microwatts, microjoules, millidegrees.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from bench.adapter import SensorSpec
from bench.device import Device
from bench.sensor import Channel, Quantity, Sample, Sensor, SensorError, SensorProbe
from bench.sensors import options

ROOT = "/sys/class/hwmon"
FILES: dict[Quantity, tuple[str, float]] = {
    "energy_j": ("energy{}_input", 1e-6),
    "power_w": ("power{}_input", 1e-6),
    "power_average_w": ("power{}_average", 1e-6),
    "temperature_c": ("temp{}_input", 1e-3),
    "power_limit_w": ("power{}_cap", 1e-6),
}


class Hwmon(Sensor):
    """One chip; option `channel` is the number in its file names, 1 unless said."""

    def __init__(self, device: Device, spec: SensorSpec) -> None:
        super().__init__(device)
        chosen = options(spec, chip="", channel="1", root=ROOT)
        self.chip, self.channel, self.root = chosen["chip"], chosen["channel"], Path(chosen["root"])
        self.name = f"hwmon:{self.chip}" if self.chip else "hwmon"
        self.spec = spec
        self._files: dict[Quantity, tuple[Path, float]] = {}

    def probe(self) -> SensorProbe:
        """What the chip's files give now, or why there is no chip."""
        if not self.root.is_dir():
            return SensorProbe(
                reason=f"{self.root} does not exist: this machine, virtual machine or container "
                "shows no hardware monitoring"
            )
        try:
            folder = self._find()
        except (OSError, SensorError) as error:
            return SensorProbe(reason=str(error))
        missing: dict[str, str] = {}
        for quantity, (pattern, unit) in FILES.items():
            path = folder / pattern.format(self.channel)
            try:
                _number(path)
            except FileNotFoundError:
                missing[quantity] = f"the chip has no file {path.name}"
            except (OSError, ValueError) as error:
                missing[quantity] = str(error)
            else:
                self._files[quantity] = (path, unit)
        if not self._files:
            return SensorProbe(reason=f"nothing of {folder} is readable", missing=missing)
        facts = {"chip": _text(folder / "name"), "folder": folder.name}
        window: float | None = None
        with suppress(OSError, ValueError):  # optional files
            window = _number(folder / f"power{self.channel}_average_interval") / 1e3
        with suppress(OSError, ValueError):
            default_w = _number(folder / f"power{self.channel}_cap_default") / 1e6
            facts["power_limit_default_w"] = str(default_w)
        channels = tuple(
            Channel(
                quantity,
                self.spec.scope,
                unit,
                self.spec.update_period_s,
                window if quantity == "power_average_w" else None,
            )
            for quantity, (_, unit) in self._files.items()
        )
        return SensorProbe(channels, None, missing, facts)

    def read(self) -> Sample:
        """Every file that the probe found readable."""
        start = time.monotonic_ns()
        values: dict[Quantity, float] = {}
        reason = ""
        for quantity, (path, unit) in self._files.items():
            try:
                values[quantity] = _number(path) * unit
            except (OSError, ValueError) as error:
                reason = str(error)
        if not values:
            raise SensorError(f"the sensor {self.name} cannot be read any more: {reason}")
        end = time.monotonic_ns()
        return Sample((start + end) // 2, values, (), end - start)

    def _find(self) -> Path:
        chips = sorted(p for p in self.root.iterdir() if (p / "name").is_file())
        properties = self.device.properties
        bus_id = properties.get("pci", properties.get("pci_bus_id", self.device.uuid or ""))
        address = bus_id.lower()
        mine = [p for p in chips if address and (p / "device").resolve().name == address]
        named = [p for p in mine or chips if _text(p / "name") == self.chip or not self.chip]
        if len(named) == 1:
            return named[0]
        seen = ", ".join(_text(p / "name") for p in chips) or "none"
        wanted = self.chip or address or "a chip"
        if named:
            raise SensorError(
                f"{len(named)} hwmon chips could be {wanted}: give the device its PCI address, or "
                f"set the sensor's option chip; found: {seen}"
            )
        raise SensorError(f"{self.root} has no chip {wanted}; found: {seen}")


def _text(path: Path) -> str:
    return path.read_text().strip()


def _number(path: Path) -> int:
    return int(path.read_text())


SENSOR = Hwmon
