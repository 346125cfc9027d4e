"""What a simulated device does wrong: ways to end a trial, and one session a dishonesty."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.axes import BATCH
from bench.backend import Placement
from bench.model import Arrays

from ._simulated_session import PEAK_FLOPS, SimulatedSession, Staged
from ._simulated_settings import STOPS, Settings

_BLOCK_MIB = 16


def stop(settings: Settings) -> None:
    """End the trial in the way the fault says."""
    sys.stderr.write(f"simulated fault: {settings.fault}: {STOPS[settings.fault]}\n")
    sys.stderr.flush()
    _STOPPING[settings.fault](settings)


def _hang(settings: Settings) -> None:
    if settings.fault == "hang-deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(3600)


def _allocate(settings: Settings) -> None:
    blocks = [b"\1" * (_BLOCK_MIB << 20) for _ in range(settings.allocate_mib // _BLOCK_MIB)]
    raise RuntimeError(f"no memory limit stopped an allocation of {len(blocks) * _BLOCK_MIB} MiB")


def _memory_error(settings: Settings) -> None:
    raise MemoryError(STOPS[settings.fault])


def _raise(settings: Settings) -> None:
    raise RuntimeError("the simulated device reports error 507035")


_STOPPING: dict[str, Callable[[Settings], None]] = {
    "crash-segv": lambda _: os.kill(os.getpid(), signal.SIGSEGV),
    "crash-kill": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda _: os._exit(3),
    "memory-error": _memory_error,
    "allocate": _allocate,
    "hang": _hang,
    "hang-deaf": _hang,
    "raise": _raise,
}


class Stopping(SimulatedSession):
    """Plays a fault that ends the trial, in run."""

    def run(self, slot: int) -> None:
        super().run(slot)
        if self.faulty:
            stop(self.settings)


class NotANumber(SimulatedSession):
    def outputs(self) -> Arrays:
        outputs = super().outputs()
        if self.faulty:
            next(iter(outputs.values())).flat[0] = np.nan
        return outputs


class Wrong(SimulatedSession):
    def outputs(self) -> Arrays:
        outputs = super().outputs()
        return {name: -a for name, a in outputs.items()} if self.faulty else outputs


class EarlySync(SimulatedSession):
    def synchronize(self) -> None:
        if not self.faulty:
            super().synchronize()


class Caching(SimulatedSession):
    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self._kept: dict[int, Staged] = {}

    def run(self, slot: int) -> None:
        super().run(slot)
        if self.faulty and self._running is not None:
            self._running = self._kept.setdefault(slot, self._running)


class Constant(SimulatedSession):
    def outputs(self) -> Arrays:
        outputs = super().outputs()
        if self.faulty:
            for array in outputs.values():
                array[...] = np.arange(array.size).reshape(array.shape)
        return outputs


class StaleFetch(SimulatedSession):
    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self._newest: Staged | None = None

    def run(self, slot: int) -> None:
        before = self._newest
        super().run(slot)
        self._newest = self._running
        if self.faulty and before is not None:
            self._running = before


class Leaking(SimulatedSession):
    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self._leaked: list[bytes] = []

    def run(self, slot: int) -> None:
        super().run(slot)
        if self.faulty:
            self._leaked.append(b"\1" * (1 << 20))

    def peak_memory_bytes(self) -> int:
        return super().peak_memory_bytes() + (len(self._leaked) << 20)


class TooFast(SimulatedSession):
    def duration_ns(self, nominal_ns: int) -> int:
        if not self.faulty:
            return super().duration_ns(nominal_ns)
        operations = self._axes[BATCH] * (self.workload.card.flops_of(self._axes) or 0)
        return max(round(operations / (10 * PEAK_FLOPS) * 1e9), 1)


class Fallback(SimulatedSession):
    def placement(self) -> Placement:
        return Placement("sim", {"sim": 1, "CPU": 9}, {"Conv": 9}, "simulated")


SESSIONS: dict[str, type[SimulatedSession]] = {
    "nan": NotANumber,
    "wrong": Wrong,
    "early-sync": EarlySync,
    "cache": Caching,
    "constant": Constant,
    "stale-fetch": StaleFetch,
    "leak": Leaking,
    "too-fast": TooFast,
    "fallback": Fallback,
    **dict.fromkeys(STOPS, Stopping),
}
"""Fault -> the session that plays it; the others are played by the backend or in its settings."""
