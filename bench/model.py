"""Model cards: what a model of the fixed zoo is, without building it.

A card is a table of `models/FAMILY.toml`; the network itself is in `models/FAMILY.py`. Reading
cards imports no framework, so that listing models is instant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Precision = Literal["fp32", "tf32", "bf16", "fp16", "int8"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "tf32", "bf16", "fp16", "int8")

Arrays = dict[str, Any]
"""Input or output name -> numpy array in host memory, the batch as first axis."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of a model, without its batch axis."""

    name: str
    shape: tuple[int, ...]
    dtype: Literal["float32", "float16", "int64", "int32", "int8", "uint8", "bool"] = "float32"
    fill: Literal["normal", "pink", "uniform", "integers", "mask"] = "normal"
    """How values are drawn: standard normal, pink (noise of every octave over the last two axes,
    as in natural images, variance 1), uniform in [low, high), integers in [low, high), or an
    attention mask (ones, with a random tail of zeros of at most a quarter)."""
    low: float = 0.0
    high: float = 1.0


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
    size: Literal["lightweight", "large"]
    task: str
    parameters: int
    flops: int | None
    """Floating-point operations of one item's inference: 2 x multiply-accumulates of
    convolutions, matrix products and attention, as torch.utils.flop_counter counts them. None
    for a user's own model whose operators cannot be counted."""
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
    dimensions: Mapping[str, int] = field(default_factory=dict)
    """Further published dimensions: layers, hidden, heads, sequence."""
    batch: int | None = None
    """The only batch size the model takes; None: any."""
    module: str = ""
    """Import path of the package that holds the family's module; filled in by the registry."""

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weights in fp32."""
        return 4 * self.parameters
