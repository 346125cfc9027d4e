"""Power curves with a known integral, and sensors that look at them in every way sensors do."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.sensor import Channel, Quantity, Sample, SensorProbe, SensorRecord

SECOND = 1_000_000_000
COUNTED = 250_000.0
"""What counters have counted before."""
NOISE = 0.003
"""Relative noise of a power sensor, standard deviation: none repeats itself to the milliwatt."""


@dataclass(frozen=True)
class Curve:
    """Power over time; `energy(t)` is its exact integral from 0 to t seconds."""

    power: Callable[[float], float]
    energy: Callable[[float], float]

    def __add__(self, other: Curve) -> Curve:
        return Curve(
            lambda t: self.power(t) + other.power(t), lambda t: self.energy(t) + other.energy(t)
        )

    def between(self, start: float, end: float) -> float:
        return self.energy(end) - self.energy(start)


def steady(watts: float) -> Curve:
    return Curve(lambda t: watts, lambda t: watts * t)


def step(at: float, watts: float) -> Curve:
    return Curve(lambda t: watts * (t >= at), lambda t: watts * max(t - at, 0.0))


def ramp(start: float, end: float, watts: float) -> Curve:
    """From 0 at `start` to `watts` at `end`, and level from there."""
    slope = watts / (end - start)

    def energy(t: float) -> float:
        inside = min(max(t - start, 0.0), end - start)
        return slope * inside**2 / 2 + watts * max(t - end, 0.0)

    return Curve(lambda t: slope * min(max(t - start, 0.0), end - start), energy)


def square(period: float, duty: float, watts: float, phase: float = 0.0) -> Curve:
    """`watts` for the share `duty` of every period."""

    def energy(t: float) -> float:
        whole, part = divmod(t - phase, period)
        return watts * (whole * period * duty + min(part, period * duty))

    return Curve(lambda t: watts * (((t - phase) % period) < period * duty), energy)


def wave(period: float, watts: float) -> Curve:
    """Between 0 and `watts`, a sine."""
    k = 2 * math.pi / period
    return Curve(
        lambda t: watts * (1 + math.sin(k * t)) / 2,
        lambda t: watts * (t - math.cos(k * t) / k) / 2,
    )


def record(
    samples: Sequence[Sample],
    *channels: Channel,
    facts: dict[str, str] | None = None,
    failure: str | None = None,
) -> SensorRecord:
    return SensorRecord(
        "synthetic",
        "npu:0",
        SensorProbe(channels, facts=facts or {}),
        tuple(samples),
        failure=failure,
        healthy=failure is None,
    )


def times(
    until: float, spacing: float, rng: random.Random, spread: float = 0.0, start: float = 0.0
) -> list[float]:
    """Moments at which a sampler reads, as bench.energy.sampler chooses them."""
    at, found = start + rng.random() * spacing, []
    while at < until:
        found.append(at)
        at += spacing * (1 + spread * rng.random())
    return found


def counter(
    curve: Curve, until: float, rng: random.Random, period: float = 0.1, jitter: float = 0.0
) -> SensorRecord:
    """A counter that the hardware advances every `period` seconds, in whole millijoules."""
    phase = rng.random() * period
    samples = []
    for t in times(until, max(period, 0.1), rng):
        latched = max(math.floor((t - phase) / period) * period + phase, 0.0)
        joules = COUNTED + math.floor(curve.energy(latched) * 1e3) / 1e3
        samples.append(_sample(t + rng.uniform(-jitter, jitter), "energy_j", joules))
    return record(samples, Channel("energy_j", "board", 1e-3, period))


def averaged(
    curve: Curve,
    until: float,
    rng: random.Random,
    window: float = 1.0,
    period: float = 0.1,
    quantity: Quantity = "power_average_w",
    jitter: float = 0.0,
) -> SensorRecord:
    """Power averaged over the last `window` seconds, renewed every `period` seconds."""
    phase = rng.random() * period
    samples = []
    spread = 0.0 if window >= period else 1.0
    for t in times(until, max(period, 0.1), rng, spread):
        latched = math.floor((t - phase) / period) * period + phase
        watts = curve.between(latched - window, latched) / window
        watts = round(watts * rng.gauss(1, NOISE), 3)
        samples.append(_sample(t + rng.uniform(-jitter, jitter), quantity, watts))
    return record(samples, Channel(quantity, "board", 1e-3, period, window))


def pointwise(
    curve: Curve, until: float, rng: random.Random, period: float = 1.0, step: float = 1.0
) -> SensorRecord:
    """A vendor's tool: power at the moment it is asked, in steps, and it says no more."""
    samples = [
        _sample(t, "power_w", math.floor(curve.power(t) * rng.gauss(1, NOISE) / step) * step)
        for t in times(until, period, rng, 1.0)
    ]
    return record(samples, Channel("power_w", "board", step, period, None))


def _sample(at: float, quantity: Quantity, value: float) -> Sample:
    return Sample(round(at * SECOND), {quantity: value})
