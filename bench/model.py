"""Model cards: what a model of the fixed zoo is, without building it.

A card is a table of `models/FAMILY.toml`; the network itself is in `models/FAMILY.py`. Reading
cards imports no framework, so that listing models is instant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bench.axes import BATCH, Axes, Axis, Term, total

Precision = Literal["fp32", "tf32", "bf16", "fp16", "int8"]
Size = Literal["lightweight", "large"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "tf32", "bf16", "fp16", "int8")

Arrays = dict[str, Any]
"""Input or output name -> numpy array in host memory, the batch as first axis."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of a model, without its batch axis."""

    name: str
    shape: tuple[int | str, ...]
    """A name is an axis of the model's card."""
    dtype: Literal["float32", "float16", "int64", "int32", "int8", "uint8", "bool"] = "float32"
    fill: Literal["normal", "pink", "uniform", "integers", "mask"] = "normal"
    """How values are drawn: standard normal, pink (noise of every octave over the last two axes,
    as in natural images, variance 1), uniform in [low, high), integers in [low, high), or an
    attention mask (ones, with a random tail of zeros of at most a quarter)."""
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        """Raises ValueError when `fill` cannot be drawn in this shape and type."""
        real = self.dtype.startswith("float")
        if self.fill in ("normal", "pink", "uniform") and not real:
            raise ValueError(f"the fill {self.fill!r} needs a float dtype, not {self.dtype}")
        axes = {"pink": 2, "mask": 1}.get(self.fill, 0)
        if len(self.shape) < axes:
            raise ValueError(f"the fill {self.fill!r} needs at least {axes} axes in the shape")
        if self.fill not in ("uniform", "integers"):
            return
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError("low and high must be finite, and low less than high")
        least, most = _INTEGERS.get(self.dtype, (-(2.0**24), 2.0**24))
        if self.fill == "integers" and not least <= self.low < self.high <= most + 1:
            raise ValueError(f"integers from {self.low} to {self.high} do not fit {self.dtype}")

    def at(self, axes: Axes) -> tuple[int, ...]:
        """The shape of one item at these sizes."""
        return tuple(axes[size] if isinstance(size, str) else size for size in self.shape)


_INTEGERS: dict[str, tuple[float, float]] = {
    "bool": (0, 1),
    "int8": (-(2**7), 2**7 - 1),
    "uint8": (0, 2**8 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2.0**53), 2.0**53),
    "float16": (-(2**11), 2**11),
}
"""Integers each type holds exactly, as far as a float can say them."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far outputs may be from the fp32 reference before a result is invalid."""

    relative_l2: float
    top1: float | None = None
    """Least share of items whose largest output is at the same place; None: not a classifier."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known about a model before it is built. Counts are for one item (batch 1)."""

    name: str
    title: str
    family: str
    """Module in the folder of the card that defines `build(name)`."""
    size: Size
    task: str
    parameters: int
    flops: tuple[Term, ...] | None
    """Floating-point operations of one item's inference: 2 x multiply-accumulates of
    convolutions, matrix products and attention, as torch.utils.flop_counter counts them. None
    for a user's own model whose operators cannot be counted."""
    bytes: tuple[Term, ...] | None
    """The least that one item's inference moves beside the weights: its inputs and outputs, with
    float32 for floats. None for a user's own model whose outputs have no known size."""
    published: str
    """What the publication says of parameters and operations, with its own way of counting."""
    source: str
    """Where the dimensions come from."""
    inputs: tuple[InputSpec, ...]
    outputs: tuple[str, ...]
    precisions: tuple[Precision, ...]
    tolerance: Mapping[str, Tolerance]
    """Per precision."""
    channels_last: bool = False
    """True for convolutional networks, which most accelerators run faster in NHWC memory."""
    axes: Mapping[str, Axis] = field(default_factory=dict)
    """What may vary beside the batch: `sequence`, `image`."""
    activations: tuple[Term, ...] = ()
    """Values that one item has between two layers, where all layers have as many: the tokens of a
    transformer x hidden."""
    decoder: bool = False
    """True for a model that generates tokens: what is loaded is a `bench.backend.Decoder`, its
    first input are token ids, and the prompt's length is the axis `sequence`."""
    dimensions: Mapping[str, int] = field(default_factory=dict)
    """Further published dimensions: layers, hidden, heads."""
    check_items: int = 8
    """Distinct items whose outputs are checked; a larger batch repeats them."""
    calibration_sets: int = 32
    """Input sets that int8 ranges are taken from. With 8 the small models' ranges are guesses: 32
    halve ResNet-8's error, bring the autoencoder's from 0.28 to 0.10; large models gain nothing
    and take minutes."""
    batch: int | None = None
    """The only batch size the model takes; None: any."""
    module: str = ""
    """Import path of the package that holds the family's module; filled in by the registry."""

    def __post_init__(self) -> None:
        """Raises ValueError for axes that ids cannot tell apart, and for one that is not told."""
        letters = [name[:1] for name in (BATCH, *self.axes)]
        if len(set(letters)) < len(letters):
            raise ValueError("axes must begin with different letters, and not with b as batch")
        terms = (*(self.flops or ()), *(self.bytes or ()), *self.activations)
        named = {size for spec in self.inputs for size in spec.shape if isinstance(size, str)}
        for name in named.union(*(term.axes for term in terms)):
            if name not in self.axes:
                raise ValueError(f"the axis {name!r} is named, and `axes` does not tell its sizes")

    def sizes(self, batch: int = 1, axes: Axes | None = None) -> Axes:
        """All axes of a workload: the batch, and each axis as given or as published."""
        given = axes or {}
        rest = {name: given.get(name, axis.default) for name, axis in self.axes.items()}
        return {BATCH: batch, **rest}

    def flops_of(self, axes: Axes) -> int | None:
        """Operations of one item's inference at these sizes."""
        return None if self.flops is None else total(self.flops, axes)

    def bytes_of(self, axes: Axes) -> int | None:
        """The least bytes that one item's inference moves beside the weights, at these sizes."""
        return None if self.bytes is None else total(self.bytes, axes)

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weights in fp32."""
        return 4 * self.parameters
