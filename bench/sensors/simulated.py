"""Power of simulated devices that run in wall time: a file that the device writes and this reads.

Both sides find it through $HETBENCH_SIMULATED_STATE, a folder. A device in virtual time has no
power, since its seconds are not those of the samples.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

from bench.adapter import SensorSpec
from bench.device import Device
from bench.sensor import Channel, Quantity, Sample, Sensor, SensorError, SensorProbe
from bench.sensors import options

FOLDER_VARIABLE = "HETBENCH_SIMULATED_STATE"
IDLE_W = 20.0
"""What a device draws without load, unless it says otherwise."""
UPDATE_PERIOD_S = 0.01

_BODY = struct.Struct("<qdqdd")
_CHECK = struct.Struct("<I")
_SIZE = _BODY.size + _CHECK.size
_ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class PowerState:
    """What a device draws from `stamp_ns` on, on the clock time.monotonic_ns: `busy_w` until its
    queue is empty at `busy_until_ns`, then `idle_w`."""

    stamp_ns: int
    energy_j: float
    busy_until_ns: int
    busy_w: float
    idle_w: float

    def power_w(self, now_ns: int) -> float:
        """The draw at that moment."""
        return self.busy_w if now_ns < self.busy_until_ns else self.idle_w

    def energy_until_j(self, now_ns: int) -> float:
        """The counter's value at that moment."""
        elapsed_ns = max(now_ns - self.stamp_ns, 0)
        busy_ns = min(max(self.busy_until_ns - self.stamp_ns, 0), elapsed_ns)
        return self.energy_j + (busy_ns * self.busy_w + (elapsed_ns - busy_ns) * self.idle_w) / 1e9


def state_path(device_id: str) -> Path | None:
    """The device's file; None when the folder's variable is not set."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return Path(folder) / f"{device_id.replace(':', '-')}.state" if folder else None


def read_state(path: Path, idle_w: float) -> PowerState:
    """The device's last words; before its first ones, `idle_w` since the machine's start.

    Raises SensorError for a file that is no such state, OSError for one that cannot be read.
    """
    for _ in range(_ATTEMPTS):  # a reading that falls into a writing does not check out
        try:
            with path.open("rb") as file:
                data = file.read(_SIZE)
        except FileNotFoundError:
            return PowerState(0, 0.0, 0, idle_w, idle_w)
        body = data[: _BODY.size]
        if len(data) == _SIZE and _CHECK.unpack(data[_BODY.size :])[0] == zlib.crc32(body):
            return PowerState(*_BODY.unpack(body))
    raise SensorError(f"{path} holds no state of a simulated device; remove it")


class StateFile:
    """The device's side. The energy goes on from where an earlier process left it."""

    def __init__(self, path: Path, busy_w: float, idle_w: float) -> None:
        now = time.monotonic_ns()
        before = read_state(path, idle_w)
        if before.stamp_ns > now:  # left from before the machine's last start
            before = PowerState(0, 0.0, 0, idle_w, idle_w)
        self._state = PowerState(now, before.energy_until_j(now), now, busy_w, idle_w)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            file.truncate(_SIZE)
            self._map = mmap.mmap(file.fileno(), _SIZE)
        self._write()

    def busy(self, now_ns: int, until_ns: int) -> None:
        """The queue holds work from now until then."""
        state = self._state
        self._state = PowerState(
            now_ns, state.energy_until_j(now_ns), until_ns, state.busy_w, state.idle_w
        )
        self._write()

    def close(self) -> None:
        """Let go of the file, which stays for the next process."""
        self._map.close()

    def _write(self) -> None:
        state = self._state
        body = _BODY.pack(
            state.stamp_ns, state.energy_j, state.busy_until_ns, state.busy_w, state.idle_w
        )
        self._map[:] = body + _CHECK.pack(zlib.crc32(body))


class Simulated(Sensor):
    """Energy counter and instantaneous power of one simulated device."""

    name = "simulated"

    def __init__(self, device: Device, spec: SensorSpec) -> None:
        super().__init__(device)
        options(spec)
        self._scope = spec.scope
        self._path = state_path(device.id)
        self._idle_w = float(device.properties.get("idle_w", IDLE_W))

    def probe(self) -> SensorProbe:
        """Readable of a device in wall time, where the folder is named."""
        if self.device.properties.get("time") != "wall":
            return SensorProbe(
                reason=f"{self.device.id} draws power in wall time alone; add +wall=1 to the target"
            )
        if self._path is None:
            return SensorProbe(
                reason=f"{self.device.id} has nowhere to publish its power; set {FOLDER_VARIABLE} "
                "to a folder"
            )
        try:
            read_state(self._path, self._idle_w)
        except (OSError, SensorError) as error:
            return SensorProbe(reason=str(error))
        return SensorProbe(
            channels=(
                Channel("energy_j", self._scope, 1e-6, UPDATE_PERIOD_S, 0.0),
                Channel("power_w", self._scope, 1e-6, UPDATE_PERIOD_S, 0.0),
            ),
            facts={"simulated": "true"},
        )

    def read(self) -> Sample:
        """Both quantities at one moment."""
        if self._path is None:
            raise SensorError(f"{FOLDER_VARIABLE} is not set")
        start = time.monotonic_ns()
        state = read_state(self._path, self._idle_w)
        now = time.monotonic_ns()
        values: dict[Quantity, float] = {
            "energy_j": state.energy_until_j(now),
            "power_w": state.power_w(now),
        }
        return Sample(now, values, (), now - start)


SENSOR = Simulated
