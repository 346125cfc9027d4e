"""Deterministic random inputs: distinct, bounded, and the same for everyone who has the key.

Every item is drawn from its own stream of numpy's Philox, so an item never depends on the batch
it travels in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.axes import BATCH, Axes
from bench.model import InputSpec
from bench.workload import Slot


def slots(specs: Sequence[InputSpec], axes: Axes, count: int, key: str) -> list[Slot]:
    """`count` input sets of these sizes; every item of every set is distinct.

    `key` names the draw, usually model, purpose and seed.
    """
    batch = axes[BATCH]
    return [
        Slot(
            {
                spec.name: np.stack(
                    [_item(spec, axes, f"{key}/{slot * batch + row}") for row in range(batch)]
                )
                for spec in specs
            },
            axes,
        )
        for slot in range(count)
    ]


def _item(spec: InputSpec, axes: Axes, key: str) -> NDArray[np.generic]:
    digest = hashlib.sha256(f"{key}/{spec.name}".encode()).digest()
    random = np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
    values = _draw(spec, spec.at(axes), random).astype(spec.dtype, copy=False)
    if spec.fill == "uniform" and values.dtype.kind == "f":  # rounding may reach the open end
        values = np.minimum(values, np.nextafter(*map(values.dtype.type, (spec.high, spec.low))))
    return values


def _draw(
    spec: InputSpec, shape: tuple[int, ...], random: np.random.Generator
) -> NDArray[np.generic]:
    if spec.fill == "normal":
        return random.standard_normal(shape, np.float32)
    if spec.fill == "pink":
        return _pink(shape, random)
    if spec.fill == "uniform":
        span = np.float32(spec.high) - np.float32(spec.low)
        return np.float32(spec.low) + span * random.random(shape, np.float32)
    if spec.fill == "integers":
        return random.integers(int(spec.low), int(spec.high), shape)
    length = shape[-1]
    padding = random.integers(0, length // 4 + 1, (*shape[:-1], 1))
    return np.arange(length) < length - padding


def _pink(shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.float32]:
    """The sum of block noise of sides 1, 2, 4 ..., of equal variances.

    The largest blocks cut the longer axis in two: were they larger, items would differ in
    contrast so much that a few could not stand for all when int8 ranges are calibrated.
    """
    *channels, height, width = shape
    octaves = (max(height, width) - 1).bit_length()
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        side = 1 << octave
        noise = random.random((*channels, -(-height // side), -(-width // side)), np.float32)
        blocks = noise.repeat(side, -2)[..., :height, :].repeat(side, -1)[..., :width]
        total += blocks - np.float32(0.5)
    return total * np.float32(np.sqrt(12.0 / octaves))
