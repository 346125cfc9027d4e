"""The honest simulated device: a queue on a clock, and outputs that depend on every input."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from bench.axes import BATCH, Axes
from bench.backend import Session
from bench.clocks import Clock
from bench.model import Arrays
from bench.sensors.simulated import StateFile
from bench.workload import Slot, Workload

from ._simulated_settings import Settings

PEAK_FLOPS = 1e14
"""The device's limit in operations a second, at every precision."""
_LAUNCH_NS = 100_000.0
_ITEM_NS = 20_000.0
_OUTPUTS = 10
_PASSES = {"infer": 1, "train": 3}
"""A step of training goes forward, and backward at twice that work."""


class VirtualClock(Clock):
    """The device's own time, which passes only when something takes time: exact."""

    name = "simulated"

    def __init__(self) -> None:
        self._now = 0

    def now_ns(self) -> int:
        return self._now

    def wait_until(self, ns: int) -> None:
        self._now = max(self._now, ns)


class Staged:
    """The copy of a slot's inputs on the device, and what they give, once it is asked for."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = {name: array.copy() for name, array in arrays.items()}
        self._outputs: Arrays | None = None

    def holds(self, arrays: Arrays) -> bool:
        """Whether a new copy would be the same."""
        return all(np.array_equal(self.arrays[name], array) for name, array in arrays.items())

    def outputs(self, names: Sequence[str]) -> Arrays:
        """New arrays each time."""
        if self._outputs is None:
            self._outputs = respond(self.arrays, names)
        return {name: array.copy() for name, array in self._outputs.items()}


class SimulatedSession(Session):
    """Work is queued in order and takes the time that the settings say."""

    def __init__(
        self,
        settings: Settings,
        workload: Workload,
        slots: Sequence[Slot],
        clock: Clock,
        state: StateFile | None,
        level: float = 1.0,
    ) -> None:
        self.settings = settings
        self.workload = workload
        self.slots = slots
        self.runs = 0
        self.busy_until = 0
        self._clock = clock
        self._state = state
        self._level = level
        self._random = random.Random(settings.seed)
        self._worked_ns = 0
        self._staged: dict[int, Staged] = {}
        self._running: Staged | None = None
        self._axes = workload.axes
        """Sizes of the last run."""

    @property
    def faulty(self) -> bool:
        """Whether a fault plays yet."""
        return self.runs > self.settings.after

    def stage(self, slot: int) -> None:
        arrays = self.slots[slot].arrays
        if slot not in self._staged or not self._staged[slot].holds(arrays):
            self._staged[slot] = Staged(arrays)
        self._enqueue(round(self.settings.h2d_us * 1e3))

    def run(self, slot: int) -> None:
        if slot not in self._staged:
            raise RuntimeError(f"slot {slot} was never staged")
        self._axes = self.slots[slot].axes
        self._running = self.taken(self._staged[slot])
        self.runs += 1
        self.launch(self.duration_ns(nominal_ns(self.workload, self._axes, self.settings)))

    def taken(self, staged: Staged) -> Staged:
        """What a run works on."""
        return staged

    def launch(self, duration_ns: int) -> None:
        """Enqueue work, which takes the host a moment."""
        start = self._clock.now_ns()
        self._enqueue(duration_ns)
        self._clock.wait_until(start + round(self.settings.enqueue_us * 1e3))

    def synchronize(self) -> None:
        self._clock.wait_until(self.busy_until)

    def fetch(self) -> Arrays:
        outputs = self.outputs()  # in wall time the device's work hides what this takes
        self._clock.wait_until(self.busy_until)
        self._clock.wait_until(self._clock.now_ns() + round(self.settings.d2h_us * 1e3))
        return outputs

    def close(self) -> None:
        self._staged.clear()
        self._running = None
        if self._state is not None:
            self._state.close()
            self._state = None

    def device_time_ns(self, slot: int) -> int:
        start = max(self._clock.now_ns(), self.busy_until)
        self.run(slot)
        self._clock.wait_until(self.busy_until)
        return self.busy_until - start

    def peak_memory_bytes(self) -> int:
        return memory_bytes(self.workload, self.settings)

    def facts(self) -> dict[str, str]:
        facts = {
            "simulated": "true",
            "time": "wall" if self.settings.wall else "virtual",
            "duration_ns": str(nominal_ns(self.workload, self.workload.axes, self.settings)),
        }
        return facts | ({"fault": self.settings.fault} if self.settings.fault else {})

    def outputs(self) -> Arrays:
        """What the last run makes of its inputs."""
        if self._running is None:
            raise RuntimeError("nothing was run yet")
        return self._running.outputs(self.workload.card.outputs)

    def duration_ns(self, nominal_ns: int) -> int:
        """Device time of the work being enqueued, with warm-up, throttling and jitter."""
        settings = self.settings
        duration = nominal_ns * self._level
        if self.runs <= settings.warmup_runs:
            duration *= settings.warmup_factor
        if settings.throttle_s and self._worked_ns >= settings.throttle_s * 1e9:
            duration /= 1 - settings.throttle_share
        if settings.jitter:
            duration *= max(self._random.gauss(1, settings.jitter), 0.01)
        self._worked_ns += round(duration)
        return max(round(duration), 1)

    def _enqueue(self, duration_ns: int) -> None:
        now = self._clock.now_ns()
        self.busy_until = max(now, self.busy_until) + duration_ns
        if self._state is not None:
            self._state.busy(now, self.busy_until)


def nominal_ns(workload: Workload, axes: Axes, settings: Settings) -> int:
    """Device time of a run of these sizes without warm-up, throttling and jitter."""
    batch = axes[BATCH]
    if settings.latency_us is settings.item_us is settings.token_us is None:
        flops = _PASSES[workload.purpose] * (workload.card.flops_of(axes) or 0)
        return round(_LAUNCH_NS + batch * (_ITEM_NS + flops / (PEAK_FLOPS / 2) * 1e9))
    item_us = (settings.item_us or 0) + axes.get("sequence", 0) * (settings.token_us or 0)
    return round(((settings.latency_us or 0) + batch * item_us) * 1e3)


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
