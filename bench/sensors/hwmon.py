"""Sensors of the Linux kernel's hardware monitoring (hwmon): power, energy and temperature.

The device's chip is found by its PCI address; where there is none, option `chip` names it as the
file `name` does (`amdgpu`, `ina3221`, `power_meter`). A CPU has one chip per package: powers and
energies are added up, the hottest counts. Units follow the kernel's hwmon sysfs interface:
microwatts, microjoules, millidegrees.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from bench.adapter import SensorSpec
from bench.device import Device
from bench.sensor import Channel, Quantity, Sample, Sensor, SensorError, SensorProbe
from bench.sensors import bus_id, options

ROOT = "/sys/class/hwmon"
FILES: dict[Quantity, tuple[str, float]] = {
    "energy_j": ("energy{}_input", 1e-6),
    "power_w": ("power{}_input", 1e-6),
    "power_average_w": ("power{}_average", 1e-6),
    "temperature_c": ("temp{}_input", 1e-3),
    "power_limit_w": ("power{}_cap", 1e-6),
}

CPU_CHIPS = "coretemp k10temp zenpower fam15h_power cpu_thermal"
"""Names of the chips inside CPUs, from the kernel's drivers."""


class Hwmon(Sensor):
    """One chip; option `channel` is the number in its file names, 1 unless said."""

    def __init__(self, device: Device, spec: SensorSpec) -> None:
        super().__init__(device)
        chosen = options(
            spec, chip=CPU_CHIPS if device.kind == "cpu" else "", channel="1", root=ROOT
        )
        self.chips, self.channel = chosen["chip"].split(), chosen["channel"]
        self.root = Path(chosen["root"])
        self.name = "hwmon"
        self.spec = spec
        self._files: dict[Quantity, list[Path]] = {}

    def probe(self) -> SensorProbe:
        """What the chip's files give now, or why there is no chip."""
        if not self.root.is_dir():
            return SensorProbe(
                reason=f"{self.root} does not exist: this machine, virtual machine or container "
                "shows no hardware monitoring"
            )
        try:
            folders = self._find()
        except (OSError, SensorError) as error:
            return SensorProbe(reason=str(error))
        missing: dict[str, str] = {}
        for quantity, (pattern, _) in FILES.items():
            paths = [folder / pattern.format(self.channel) for folder in folders]
            try:
                for path in paths:
                    _number(path)
            except FileNotFoundError as error:
                missing[quantity] = f"there is no file {error.filename}"
            except (OSError, ValueError) as error:
                missing[quantity] = str(error)
            else:
                self._files[quantity] = paths
        if not self._files:
            return SensorProbe(reason=f"nothing of {folders[0]} is readable", missing=missing)
        facts = {
            "chip": ", ".join(f"{folder.name} ({_text(folder / 'name')})" for folder in folders)
        }
        window: float | None = None
        with suppress(OSError, ValueError):  # optional files
            window = _number(folders[0] / f"power{self.channel}_average_interval") / 1e3
        with suppress(OSError, ValueError):
            default_w = _number(folders[0] / f"power{self.channel}_cap_default") / 1e6
            facts["power_limit_default_w"] = str(default_w)
        channels = tuple(
            Channel(
                quantity,
                self.spec.scope,
                FILES[quantity][1],
                self.spec.update_period_s,
                window if quantity == "power_average_w" else None,
            )
            for quantity in self._files
        )
        if "power_limit_w" in self._files:
            facts["power_limit_w"] = str(self.read().values["power_limit_w"])
        return SensorProbe(channels, None, missing, facts)

    def read(self) -> Sample:
        """Every file that the probe found readable."""
        start = time.monotonic_ns()
        values: dict[Quantity, float] = {}
        reason = ""
        for quantity, paths in self._files.items():
            try:
                numbers = [_number(path) * FILES[quantity][1] for path in paths]
            except (OSError, ValueError) as error:
                reason = str(error)
            else:
                values[quantity] = max(numbers) if quantity == "temperature_c" else sum(numbers)
        if not values:
            raise SensorError(f"the sensor {self.name} cannot be read any more: {reason}")
        end = time.monotonic_ns()
        return Sample((start + end) // 2, values, (), end - start)

    def _find(self) -> list[Path]:
        """The device's chip, or a CPU's chips; raises SensorError when it cannot be told."""
        chips = sorted(p for p in self.root.iterdir() if (p / "name").is_file())
        address = bus_id(self.device)
        mine = [p for p in chips if address and (p / "device").resolve().name == address]
        named = [p for p in mine or chips if _text(p / "name") in self.chips]
        found = named or mine
        if len(found) == 1:
            return found
        kinds = {_text(p / "name") for p in found}
        if len(kinds) == 1 and self.device.kind == "cpu":
            return found
        seen = ", ".join(_text(p / "name") for p in chips) or "none"
        raise SensorError(
            f"{len(found)} hwmon chips could be {self.device.id}'s; give the device its PCI "
            f"address, or the sensor an option chip that fits one of: {seen}"
        )


def _text(path: Path) -> str:
    return path.read_text().strip()


def _number(path: Path) -> int:
    return int(path.read_bytes())


SENSOR = Hwmon
