"""Workloads: what a backend is asked to load, and the inputs that it is run on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.axes import BATCH, Axes, total
from bench.device import Device
from bench.language import units
from bench.model import Arrays, ModelCard, Precision

VALUE_BYTES: Mapping[Precision, int] = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2, "int8": 1}
_INTEGER_BYTES = {"int64": 8, "int32": 4, "int8": 1, "uint8": 1, "bool": 1}


@dataclass(frozen=True, slots=True)
class Rank:
    """A part's place in a collective."""

    index: int
    """From 0."""
    size: int
    """How many take part."""
    store: Path
    """Where the ranks find each other: a path that all share and nothing else uses."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One set of inputs, with its own axes: a session may hold several batch sizes or lengths."""

    arrays: Arrays
    axes: Axes


@dataclass(frozen=True, slots=True)
class Workload:
    """A model at a precision and at the sizes of its axes, ready to be loaded."""

    card: ModelCard
    precision: Precision
    axes: Axes
    """The sizes; the largest of each, where slots differ."""
    purpose: Literal["infer", "train"] = "infer"
    rank: Rank | None = None
    """Of an operator that several devices carry out together; None for all others."""
    onnx: Path | None = None
    """The prepared ONNX file (already quantized for int8), for backends whose format is onnx.
    Its free axes have the names they have here, `batch` first; None while only `supports` is
    asked."""
    module: Callable[[], Any] | None = None
    """Builds the torch module with its deterministic weights on the CPU in fp32, eval mode;
    its forward takes the card's inputs in order and returns one tensor or a tuple of them."""

    @property
    def batch(self) -> int:
        """Items of one inference."""
        return self.axes[BATCH]

    def beside_inference(self) -> str | None:
        """What is asked of a backend that inference alone does not give; None: nothing."""
        if self.purpose == "train":
            return "training"
        if self.rank is not None:
            return "a collective"
        return "generating tokens" if self.card.decoder else None

    def least_bytes(self) -> int | None:
        """The least bytes one inference moves: the weights once and every item's inputs and
        outputs. A lower bound, for rooflines: activations between layers may stay on the chip.
        None where the outputs have no known size."""
        each = self.card.bytes_of(self.axes)
        if each is None:
            return None
        return self.card.parameters * VALUE_BYTES[self.precision] + self.batch * each

    def least_memory_bytes(self) -> int:
        """Memory that no implementation gets by without: weights (and to train a gradient of
        each), one set of inputs, and for a transformer the activation of one layer. What more is
        needed shows when it runs."""
        size = VALUE_BYTES[self.precision]
        item = total(self.card.activations, self.axes) * size
        for spec in self.card.inputs:
            width = size if spec.dtype.startswith("float") else _INTEGER_BYTES[spec.dtype]
            item += math.prod(spec.at(self.axes)) * width
        copies = 2 if self.purpose == "train" else 1
        return copies * self.card.parameters * size + self.batch * item

    def too_large_for(self, device: Device, available_bytes: int | None) -> str | None:
        """Why it cannot fit into the device's memory, with the sizes; None: it may."""
        needed = self.least_memory_bytes()
        if available_bytes is None or needed <= available_bytes:
            return None
        return (
            f"{self.card.name} in {self.precision} at batch {self.batch} needs at least "
            f"{units.size(needed)} of memory and {device.id} has {units.size(available_bytes)} to "
            "give; take a smaller batch, a lower precision or a larger device"
        )
