"""Deterministic weights for the models of the zoo: the same bits on every platform.

The benchmark downloads nothing, so weights are drawn; and they are never zeros, because zeros
run faster and cooler than real data. Each tensor has its own stream of numpy's Philox, keyed by
model and tensor name, so that changing one layer changes no other. Only integers are drawn
(`Philox.random_raw`, whose stream numpy promises to keep); they become floats by exact or
correctly rounded operations. A normal distribution would need the logarithms of the platform's
libm, and numpy may change how it makes one, so weights are uniform.

Variances are gain / fan-in (He et al. 2015, https://arxiv.org/abs/1502.01852), which keeps the
size of activations through the depth of a network. Each filter's weights sum to zero (Qiao et al.
2019, https://arxiv.org/abs/1903.10520): without training, activations would otherwise be mostly
a mean that is the same for every input, and outputs could not tell one input from another.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Network = TypeVar("Network", bound=nn.Module)

_CHUNK = 1 << 15  # 64-bit draws at a time; small enough to stay in the cache
_HALF = np.float32(2**23 - 0.5)

ACTIVATED_GAIN = 3.0
"""Gain of a convolution or linear layer: a rectifier leaves a third of the variance, since the
mean it adds is cancelled by filters that sum to zero."""
SPREAD = 0.2
"""Scales of normalization layers and running variances lie within this share of their center."""
SHIFT = 0.03
"""Biases and running means lie within this of their center."""


def build(
    network: Callable[[], Network], model: str, gains: Mapping[str, float] | None = None
) -> Network:
    """Construct `network()` on the CPU in fp32 and eval mode, with the weights of `model`.

    The network is constructed without storage first, so that nothing is initialized twice.
    """
    with torch.device("meta"):
        module = network()
    module = module.to_empty(device="cpu").eval().requires_grad_(False)
    fill(module, model, gains or {})
    return module


def fill(module: nn.Module, model: str, gains: Mapping[str, float]) -> None:
    """Overwrite every parameter and buffer of `module`, on the CPU, with the weights of `model`.

    `gains` maps the end of a layer's path to its gain, the variance of its output over that of
    its input; for a normalization layer to the center of its scale; the end of a bias's path to
    the center of the bias. The first match counts.
    """
    for path, layer in module.named_modules():
        for name, tensor in (*layer._parameters.items(), *layer._buffers.items()):
            if tensor is None:
                continue
            if not tensor.is_floating_point():
                tensor.zero_()  # the count of batches a BatchNorm has seen
                continue
            values: NDArray[np.float32] = tensor.numpy().reshape(-1)
            draw(values, f"{model}/{path}.{name}")
            label = f".{path}" if name == "weight" else f".{path}.{name}"
            gain = next((gain for end, gain in gains.items() if label.endswith(f".{end}")), None)
            _scale(values, layer, name, tensor, gain)


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


def _scale(
    values: NDArray[np.float32],
    layer: nn.Module,
    name: str,
    tensor: torch.Tensor,
    gain: float | None,
) -> None:
    """Turn uniform `values` in (-1, 1), the flat storage of `tensor`, into its weights."""
    if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)):
        if name in ("weight", "running_var"):
            center = 1.0 if gain is None else gain
            values *= np.float32(SPREAD * center)
            values += np.float32(center)
            return
    elif name != "bias":
        filters = isinstance(layer, (nn.Conv2d, nn.Linear))
        if gain is None:
            gain = ACTIVATED_GAIN if filters else 1.0
        fan_in = tensor[0].numel() if filters else 1
        rows = values.reshape(-1, fan_in)
        if filters:
            # The sum is exact, whatever its order: float32 in (-1, 1), added up in float64.
            rows -= (rows.sum(1, dtype=np.float64) / fan_in).astype(np.float32)[:, None]
        rows *= np.float32(math.sqrt(3.0 * gain / fan_in))
        if isinstance(layer, nn.Conv2d) and layer.groups > 1:
            # One channel in: a filter that sums to zero would lose all that varies slowly.
            rows += np.float32(math.sqrt(gain) / fan_in)
        return
    values *= np.float32(SHIFT)
    if gain is not None:
        values += np.float32(gain)
