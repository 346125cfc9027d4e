"""Axes: the sizes a workload may vary in, and counts that follow from them.

`batch` is an axis of every model; a model's card names its others, such as `sequence` or `image`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

BATCH = "batch"
"""Items of one inference: an axis of every model, and of every ONNX file that is run."""

Axes = Mapping[str, int]
"""Axis -> size, `batch` first."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Sizes that one axis of a model may have."""

    default: int
    """As published; taken where no other is asked for."""
    least: int
    most: int
    step: int = 1
    """Sizes are multiples of this."""
    free: bool = True
    """Whether one ONNX file serves every size; else each size has a file of its own."""

    def __post_init__(self) -> None:
        """Raises ValueError when no size, or not the default, is allowed."""
        if not 1 <= self.least <= self.default <= self.most <= 1 << 20 or self.step < 1:
            raise ValueError("an axis needs 1 <= least <= default <= most <= 2**20, and a step")
        if self.default % self.step:
            raise ValueError(f"the default {self.default} is no multiple of {self.step}")

    def allows(self, size: int) -> bool:
        """Whether a model may be measured at this size."""
        return self.least <= size <= self.most and size % self.step == 0

    def __str__(self) -> str:
        """`16 to 512`, `32 to 1024 in steps of 16`."""
        if self.step == 1:
            return f"{self.least} to {self.most}"
        return f"{self.least} to {self.most} in steps of {self.step}"


@dataclass(frozen=True, slots=True)
class Term:
    """`each` x the sizes of `axes` / `per`: one summand of a count. An axis may come twice."""

    each: int
    axes: tuple[str, ...] = ()
    per: int = 1

    def at(self, axes: Axes) -> int:
        """The summand at these sizes; raises ValueError where it is no whole number."""
        product = self.each * math.prod(axes[name] for name in self.axes)
        if product % self.per:
            raise ValueError(f"{product} / {self.per} is no whole number")
        return product // self.per


def total(terms: Iterable[Term], axes: Axes) -> int:
    """The sum of the terms at these sizes."""
    return sum(term.at(axes) for term in terms)


def label(batch: int | None, axes: Axes) -> str:
    """As in a case's id: `b8xs512`, or `autoxs512` where the batch is searched.

    A letter is the first of the axis' name.
    """
    sizes = [f"{name[0]}{size}" for name, size in axes.items() if name != BATCH]
    return "x".join(["auto" if batch is None else f"b{batch}", *sizes])
