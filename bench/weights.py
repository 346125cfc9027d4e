"""Deterministic weights for the models of the zoo: the same bits on every platform.

The benchmark downloads nothing, so weights are drawn; and they are never zeros, because zeros
run faster and cooler than real data. Each tensor has its own stream of numpy's Philox, keyed by
model and tensor name, so adding a layer changes no other. Only integers are drawn
(`Philox.random_raw`, whose stream numpy promises never to change); they become floats by one
exact conversion and one correctly rounded product. A normal distribution would need the
logarithms of the platform's libm, and numpy may change how it makes one, so weights are uniform.

Scales follow He et al. 2015 (https://arxiv.org/abs/1502.01852): the variance of a layer's weights
is gain / fan-in, which keeps the activations' size through the depth of a network.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

_CHUNK = 1 << 15  # 64-bit draws at a time; small enough to stay in the cache
_HALF = np.float32(2**23 - 0.5)

NORM_SPREAD = 0.2
"""Scales of normalization layers, and running variances, lie within this share of 1."""
SHIFT = 0.03
"""Biases, shifts and running means lie within this of 0."""


def build(
    network: Callable[[], nn.Module], model: str, gains: Mapping[str, float] | None = None
) -> nn.Module:
    """Construct `network()` on the CPU in fp32 and eval mode, with the weights of `model`.

    The network is constructed without storage first, so nothing is initialized twice.
    """
    with torch.device("meta"):
        module = network()
    module = module.to_empty(device="cpu").eval().requires_grad_(False)
    fill(module, model, gains or {})
    return module


def fill(module: nn.Module, model: str, gains: Mapping[str, float]) -> None:
    """Overwrite every parameter and buffer of `module` with the weights of `model`.

    `gains` maps the end of a layer's or parameter's path to its gain: the ratio of the variance
    of a layer's output to that of its input, or the scale of a normalization layer.
    """
    for path, layer in module.named_modules():
        for name, tensor in (*layer._parameters.items(), *layer._buffers.items()):
            if tensor is None:
                continue
            if not tensor.is_floating_point():
                tensor.zero_()  # the count of batches a BatchNorm has seen
                continue
            full = f"{path}.{name}".lstrip(".")
            gain = next((g for end, g in gains.items() if f".{full}.".endswith(f".{end}.")), None)
            gain = next((g for end, g in gains.items() if f".{path}.".endswith(f".{end}.")), gain)
            values: NDArray[np.float32] = tensor.numpy().reshape(-1)
            draw(values, f"{model}/{full}")
            if isinstance(layer, (nn.Conv2d, nn.Linear)) and name == "weight":
                rows = values.reshape(len(tensor), -1)
                rows -= (rows.sum(1, dtype=np.float64) / rows.shape[1]).astype(np.float32)[:, None]
                rows *= np.float32(math.sqrt(3.0 * (3.0 if gain is None else gain) / rows.shape[1]))
                if isinstance(layer, nn.Conv2d) and layer.groups > 1:
                    rows += np.float32(math.sqrt(3.0 if gain is None else gain) / rows.shape[1])
                continue
            scale, center = _range(layer, name, tensor, gain)
            values *= np.float32(scale)
            if center:
                values += np.float32(center)


def draw(values: NDArray[np.float32], key: str) -> None:
    """Fill a flat array with numbers uniform in (-1, 1), never 0, that depend on `key` alone."""
    digest = hashlib.sha256(key.encode()).digest()
    generator = np.random.Philox(key=int.from_bytes(digest[:16], "little"))
    for start in range(0, values.size, 2 * _CHUNK):
        part = values[start : start + 2 * _CHUNK]
        integers = generator.random_raw(_CHUNK).astype("<u8", copy=False).view("<u4")
        integers >>= 8
        # 24-bit k becomes (k + 1/2 - 2**23) / 2**23: exact in float32, and never zero.
        np.subtract(integers[: part.size], _HALF, out=part, dtype=np.float32, casting="unsafe")
        part *= np.float32(2.0**-23)


def _range(
    layer: nn.Module, name: str, tensor: torch.Tensor, gain: float | None
) -> tuple[float, float]:
    """(half-width, center) of the values of one tensor."""
    if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)):
        if name == "weight":
            scale = 1.0 if gain is None else gain
            return NORM_SPREAD * scale, scale
        if name == "running_var":
            return NORM_SPREAD, 1.0
        return SHIFT, 0.0
    if name == "bias":
        return SHIFT, 0.0
    if tensor.dim() < 2:
        raise ValueError(f"no rule for the weights {name!r} of {type(layer).__name__}")
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        fan_in = tensor[0].numel()
        return math.sqrt(3.0 * (2.0 if gain is None else gain) / fan_in), 0.0
    return math.sqrt(3.0 * (1.0 if gain is None else gain)), 0.0
