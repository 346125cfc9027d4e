"""Energy counters of CPU packages: Linux powercap, filled by RAPL on Intel and AMD.

Option `domain`: `package` (the default), `core`, `dram` or `psys` (the platform). Counters of
several packages are added up. `energy_uj` starts again at 0 after `max_energy_range_uj`; only
root may read it since CVE-2020-8694.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from bench.adapter import SensorSpec
from bench.device import Device
from bench.errors import UsageError
from bench.sensor import Channel, Sample, Scope, Sensor, SensorError, SensorProbe
from bench.sensors import options

ROOT = "/sys/class/powercap"
UPDATE_S = 0.001
"""The hardware updates its counters about every millisecond (Intel SDM, volume 3, 15.10)."""
SCOPES: dict[str, Scope] = {"package": "package", "core": "die", "dram": "module", "psys": "node"}


@dataclass(slots=True)
class Counter:
    """One zone's counter, laps added up."""

    path: Path
    name: str
    range_uj: int
    last_uj: int
    total_uj: int = 0

    def advance(self) -> None:
        """Read the counter and add what it has gained."""
        now = _number(self.path / "energy_uj")
        gained = now - self.last_uj
        self.total_uj += gained if gained >= 0 else gained + self.range_uj
        self.last_uj = now


class Rapl(Sensor):
    """One kind of domain over all packages of the machine."""

    def __init__(self, device: Device, spec: SensorSpec) -> None:
        super().__init__(device)
        chosen = options(spec, domain="package", root=ROOT)
        self.domain, self.root = chosen["domain"], Path(chosen["root"])
        if self.domain not in SCOPES:
            raise UsageError(f"{self.domain!r} is no RAPL domain; write {', '.join(SCOPES)}")
        self.name = f"rapl:{self.domain}"
        self._counters: list[Counter] = []

    def probe(self) -> SensorProbe:
        """One energy channel, or why there is none."""
        if not self.root.is_dir():
            return SensorProbe(
                reason=f"{self.root} does not exist: this machine, virtual machine or container "
                "shows no RAPL counters"
            )
        try:
            self._counters = [self._open(zone) for zone in self._zones()]
        except PermissionError as error:
            return SensorProbe(
                reason=f"{error.filename} is readable by root only; run as root, or allow it: "
                f"sudo chmod a+r {self.root}/intel-rapl*/energy_uj"
            )
        except (OSError, ValueError) as error:
            return SensorProbe(reason=f"the RAPL counters cannot be read: {error}")
        if not self._counters:
            return SensorProbe(reason=f"{self.root} has no RAPL domain {self.domain}")
        wrap_j = min(counter.range_uj for counter in self._counters) / 1e6
        channel = Channel("energy_j", SCOPES[self.domain], 61e-6, UPDATE_S, 0.0, wrap_j)
        zones = ", ".join(f"{c.path.name} ({c.name})" for c in self._counters)
        return SensorProbe((channel,), facts={"zones": zones, "wrap_j": str(wrap_j)})

    def read(self) -> Sample:
        """Joules since the probe."""
        start = time.monotonic_ns()
        try:
            for counter in self._counters:
                counter.advance()
        except (OSError, ValueError) as error:
            raise SensorError(f"the RAPL counters cannot be read any more: {error}") from error
        end = time.monotonic_ns()
        joules = sum(counter.total_uj for counter in self._counters) / 1e6
        return Sample((start + end) // 2, {"energy_j": joules}, (), end - start)

    def _zones(self) -> list[Path]:
        """Zones of the domain. `intel-rapl-mmio` shows the packages a second time: left out."""
        zones = []
        for path in sorted(self.root.glob("intel-rapl:*")):
            name = (path / "name").read_text().strip()
            if name == self.domain or name.startswith(f"{self.domain}-"):
                zones.append(path)
        return zones

    def _open(self, zone: Path) -> Counter:
        return Counter(
            zone,
            (zone / "name").read_text().strip(),
            _number(zone / "max_energy_range_uj"),
            _number(zone / "energy_uj"),
        )


def _number(path: Path) -> int:
    return int(path.read_bytes())


SENSOR = Rapl
