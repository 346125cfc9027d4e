"""A device that does not exist, scripted by target options: exact, and able to fail in every way.

It is for tests and demonstrations and never picked unless named. It computes a small function of
its inputs instead of the model, and needs no framework. Options: `_simulated_settings.Settings`;
faults: `FAULTS`. For example

    simulated+latency_us=2000+item_us=100@sim:0      a run takes exactly 2000 + 100 x batch us
    simulated+token_us=10@sim:0                      and 10 x batch x sequence us
    simulated+fault=hang+after=20@sim:3              never returns from run 21
    simulated+wall=1+power_w=80+idle_w=20@sim:0      takes real time and draws real-looking power
"""

from __future__ import annotations

import fcntl
import itertools
from collections.abc import Mapping, Sequence
from typing import IO, ClassVar

from bench.adapter import Adapter
from bench.backend import Availability, Backend
from bench.clocks import host
from bench.device import Device
from bench.errors import UsageError
from bench.model import Arrays
from bench.sensors.simulated import FOLDER_VARIABLE, StateFile, state_path
from bench.system import cache
from bench.workload import Slot, Workload

from ._simulated_faults import SESSIONS, stop
from ._simulated_roles import SimulatedOutOfMemory, roles
from ._simulated_session import (
    PEAK_FLOPS,
    SimulatedSession,
    VirtualClock,
    memory_bytes,
    respond,
)
from ._simulated_settings import DISHONESTIES, FAULTS, STOPS, read

DEVICES = 8
_held: dict[str, IO[bytes]] = {}
"""Device -> the lock file of a process that keeps it to itself."""
_turns: dict[str, int] = {}
"""Device -> the turn that this process has."""


class SimulatedBackend(Backend):
    """Eight devices, `sim:0` to `sim:7`, of one make."""

    name: ClassVar[str] = "simulated"
    format = "none"
    simulated: ClassVar[bool] = True

    def __init__(self, adapter: Adapter, options: Mapping[str, str]) -> None:
        super().__init__(adapter, options)
        self._settings = read(options)
        self.clock = host if self._settings.wall else VirtualClock()
        self._listings = itertools.count()

    def probe(self) -> Availability:
        return Availability(True)

    def devices(self) -> list[Device]:
        listing = next(self._listings) if self._settings.fault == "unstable-devices" else 0
        return [self._device(index, listing) for index in range(DEVICES - listing % 2)]

    def supports(self, workload: Workload, device: Device) -> str | None:
        if workload.precision == "tf32" and self._settings.fault != "lying-supports":
            return f"{device.id} has no TF32 mode; ask for fp32, bf16, fp16 or int8"
        return workload.too_large_for(device, self._memory_bytes)

    def load(
        self, workload: Workload, device: Device, slots: Sequence[Slot], threads: int
    ) -> SimulatedSession:
        settings = self._settings
        if settings.fault in STOPS and settings.phase == "load":
            stop(settings)
        if settings.fault == "holds-device":
            _hold(device)
        if workload.precision == "tf32":
            raise RuntimeError(f"{device.id} has no kernel for TF32")
        needed = memory_bytes(workload, settings)
        if needed > self._memory_bytes:
            if settings.fault == "wrong-error":
                raise ValueError("the request could not be served")
            raise SimulatedOutOfMemory(
                f"{device.id} has {self._memory_bytes} bytes of memory, {needed} were asked for"
            )
        path = state_path(device.id) if settings.wall else None
        state = StateFile(path, settings.busy_w, settings.idle_w) if path else None
        played = roles(workload)
        if settings.fault in SESSIONS:
            played = (SESSIONS[settings.fault], *played)
        session: type[SimulatedSession] = type("PlayedSession", played, {})
        return session(settings, workload, slots, self.clock, state, self._level(device))

    def reference(self, workload: Workload, inputs: Arrays) -> Arrays | None:
        """What an honest device makes of the inputs; None of a collective, as that takes the inputs
        of all ranks, and of a step of training, as that takes the steps before."""
        if workload.rank is not None or workload.purpose == "train":
            return None
        return respond(inputs, workload.card.outputs)

    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, MemoryError | SimulatedOutOfMemory)

    def _level(self, device: Device) -> float:
        """What this process's turn is: every process that loads takes the next level."""
        factors = self._settings.factors
        if not factors:
            return 1.0
        if device.id not in _turns:
            path = state_path(device.id)
            if path is None:
                raise UsageError(f"levels are kept in a folder; set {FOLDER_VARIABLE} to one")
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.with_suffix(".turns").open("ab") as file:
                _turns[device.id] = file.tell()
                file.write(b".")
        return factors[_turns[device.id] % len(factors)]

    @property
    def _memory_bytes(self) -> int:
        return round(self._settings.memory_mib * 2**20)

    def _device(self, index: int, listing: int) -> Device:
        uuid = f"SIM-{listing:08x}-0000-4000-8000-{index:012x}"
        return Device(
            id=f"{self.adapter.kind}:{index}",
            kind=self.adapter.kind,
            index=index,
            name="Simulated accelerator",
            uuid=uuid,
            memory_bytes=self._memory_bytes,
            locks=(uuid,),
            properties={
                "simulated": "true",
                "peak_flops": f"{PEAK_FLOPS:.0f}",
                "time": "wall" if self._settings.wall else "virtual",
                "idle_w": f"{self._settings.idle_w:g}",
            },
        )


def _hold(device: Device) -> None:
    """Take the device for this process; raises BlockingIOError when another has it."""
    if device.id not in _held:
        file = cache.open_lock(cache.folder() / f"{device.id.replace(':', '-')}.held")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise
        _held[device.id] = file


BACKEND = SimulatedBackend

__all__ = ["BACKEND", "DISHONESTIES", "FAULTS", "STOPS", "SimulatedBackend"]
