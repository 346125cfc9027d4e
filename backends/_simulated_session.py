"""The honest simulated device: a queue on a clock, and outputs that depend on every input."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from bench.backend import Session, Workload
from bench.model import Arrays
from bench.sensors.simulated import StateFile

from ._simulated_settings import Settings

PEAK_FLOPS = 1e14
"""The device's limit in operations a second, at every precision."""
_LAUNCH_NS = 100_000.0
_ITEM_NS = 20_000.0
_OUTPUTS = 10
_SPIN_NS = 200_000
"""The end of a wait is spun, since a sleep ends up to 0.1 ms late."""


class VirtualTime:
    """The device's own time, which passes only when something takes time: exact."""

    def __init__(self) -> None:
        self._now = 0

    def now(self) -> int:
        return self._now

    def wait_until(self, ns: int) -> None:
        self._now = max(self._now, ns)


class WallTime:
    """Real time: waiting waits."""

    def now(self) -> int:
        return time.monotonic_ns()

    def wait_until(self, ns: int) -> None:
        while (left := ns - time.monotonic_ns()) > 0:
            if left > _SPIN_NS:
                time.sleep((left - _SPIN_NS) / 1e9)


class Staged:
    """The copy of a slot's inputs on the device, and what they give, once it is asked for."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = {name: array.copy() for name, array in arrays.items()}
        self._outputs: Arrays | None = None

    def holds(self, arrays: Arrays) -> bool:
        """Whether a new copy would be the same."""
        return all(np.array_equal(self._arrays[name], array) for name, array in arrays.items())

    def outputs(self, names: Sequence[str]) -> Arrays:
        """New arrays each time."""
        if self._outputs is None:
            self._outputs = respond(self._arrays, names)
        return {name: array.copy() for name, array in self._outputs.items()}


class SimulatedSession(Session):
    """Work is queued in order and takes the time that the settings say."""

    def __init__(
        self,
        settings: Settings,
        workload: Workload,
        inputs: Sequence[Arrays],
        clock: VirtualTime | WallTime,
        state: StateFile | None,
        level: float = 1.0,
    ) -> None:
        self.settings = settings
        self.workload = workload
        self.inputs = inputs
        self.runs = 0
        self.busy_until = 0
        self._clock = clock
        self._state = state
        self._level = level
        self._random = random.Random(settings.seed)
        self._worked_ns = 0
        self._staged: dict[int, Staged] = {}
        self._running: Staged | None = None

    @property
    def faulty(self) -> bool:
        """Whether a fault plays yet."""
        return self.runs > self.settings.after

    def stage(self, slot: int) -> None:
        if slot not in self._staged or not self._staged[slot].holds(self.inputs[slot]):
            self._staged[slot] = Staged(self.inputs[slot])
        self._enqueue(round(self.settings.h2d_us * 1e3))

    def run(self, slot: int) -> None:
        if slot not in self._staged:
            raise RuntimeError(f"slot {slot} was never staged")
        start = self._clock.now()
        self._running = self._staged[slot]
        self.runs += 1
        self._enqueue(self.duration_ns())
        self._clock.wait_until(start + round(self.settings.enqueue_us * 1e3))

    def synchronize(self) -> None:
        self._clock.wait_until(self.busy_until)

    def fetch(self) -> Arrays:
        outputs = self.outputs()  # in wall time the device's work hides what this takes
        self._clock.wait_until(self.busy_until)
        self._clock.wait_until(self._clock.now() + round(self.settings.d2h_us * 1e3))
        return outputs

    def close(self) -> None:
        self._staged.clear()
        self._running = None
        if self._state is not None:
            self._state.close()
            self._state = None

    def device_time_ns(self, slot: int) -> int:
        start = max(self._clock.now(), self.busy_until)
        self.run(slot)
        self._clock.wait_until(self.busy_until)
        return self.busy_until - start

    def peak_memory_bytes(self) -> int:
        return memory_bytes(self.workload, self.settings)

    def facts(self) -> dict[str, str]:
        facts = {
            "simulated": "true",
            "time": "wall" if self.settings.wall else "virtual",
            "duration_ns": str(nominal_ns(self.workload, self.settings)),
        }
        return facts | ({"fault": self.settings.fault} if self.settings.fault else {})

    def outputs(self) -> Arrays:
        """What the last run makes of its inputs."""
        if self._running is None:
            raise RuntimeError("nothing was run yet")
        return self._running.outputs(self.workload.card.outputs)

    def duration_ns(self) -> int:
        """Device time of the run being enqueued."""
        settings = self.settings
        duration = nominal_ns(self.workload, settings) * self._level
        if self.runs <= settings.warmup_runs:
            duration *= settings.warmup_factor
        if settings.throttle_s and self._worked_ns >= settings.throttle_s * 1e9:
            duration /= 1 - settings.throttle_share
        if settings.jitter:
            duration *= max(self._random.gauss(1, settings.jitter), 0.01)
        self._worked_ns += round(duration)
        return max(round(duration), 1)

    def _enqueue(self, duration_ns: int) -> None:
        now = self._clock.now()
        self.busy_until = max(now, self.busy_until) + duration_ns
        if self._state is not None:
            self._state.busy(now, self.busy_until)


def nominal_ns(workload: Workload, settings: Settings) -> int:
    """Device time of a run without warm-up, throttling and jitter."""
    if settings.latency_us is None and settings.item_us is None:
        item_ns = _ITEM_NS + (workload.card.flops or 0) / (PEAK_FLOPS / 2) * 1e9
        return round(_LAUNCH_NS + workload.batch * item_ns)
    each_us = (settings.latency_us or 0) + workload.batch * (settings.item_us or 0)
    return round(each_us * 1e3)


def memory_bytes(workload: Workload, settings: Settings) -> int:
    """Device memory that the workload takes."""
    return workload.least_memory_bytes() + round(workload.batch * settings.item_mib * 2**20)


def respond(arrays: Arrays, names: Sequence[str]) -> Arrays:
    """The device's stand-in for a model: per item and output ten sums of all input values, each
    value with a random weight of its own."""
    items = len(next(iter(arrays.values())))
    flat = np.concatenate(
        [np.asarray(arrays[name], np.float32).reshape(items, -1) for name in sorted(arrays)], 1
    )
    columns = flat.shape[1]
    padded = np.zeros((items, -(-columns // _OUTPUTS) * _OUTPUTS), np.float32)
    np.multiply(flat, _weights(columns), out=padded[:, :columns])
    sums = padded.reshape(items, -1, _OUTPUTS).sum(1)
    return {name: np.roll(sums, place, 1) for place, name in enumerate(names)}


@lru_cache(maxsize=4)
def _weights(count: int) -> Any:
    return np.random.Generator(np.random.Philox(0)).standard_normal(count, dtype=np.float32)
