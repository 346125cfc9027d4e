"""Which axes of an ONNX model's inputs are what: numbers, the batch, or not bound yet.

Every axis but the batch axis must be a number, in the file or by `--shape`:
- All inputs begin with the same free axis: that is the batch axis, of any size. `--shape` may
  write `N` there; a number makes it the only batch size.
- All inputs begin with the same number: that is the only batch size.
- Otherwise the inputs as a whole are one item.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.errors import RefusedInput, UsageError

FREE = "N"
"""How `--shape` writes the batch axis."""

Axis = int | str | None
"""An axis in the file: fixed, free with a name, or free without one."""
_SHAPE = re.compile(rf"(\d{{1,9}}|{FREE})(x\d{{1,9}})*|")


@dataclass(frozen=True, slots=True)
class Binding:
    """Item shapes by input, without the batch axis."""

    items: Mapping[str, tuple[int, ...]]
    batch: int | None
    """The only batch size; None: any."""
    whole: bool = False
    """True when the file's inputs have no batch axis and are one item together."""


def parse(texts: Sequence[str]) -> dict[str, tuple[int | str, ...]]:
    """Read `name=1x3x224x224` or `name=Nx3x224x224`; raises UsageError."""
    shapes: dict[str, tuple[int | str, ...]] = {}
    for text in texts:
        name, equals, shape = text.rpartition("=")
        if not equals or not name or _SHAPE.fullmatch(shape) is None:
            raise UsageError(
                f"{text!r} is not a shape; write NAME=1x3x224x224, with N for a free batch axis"
            )
        words = filter(None, shape.split("x"))
        shapes[name] = tuple(FREE if word == FREE else int(word) for word in words)
        if 0 in shapes[name]:
            raise UsageError(f"{text!r} has an axis of size 0")
    return shapes


def bind(
    axes: Mapping[str, Sequence[Axis]],
    given: Mapping[str, tuple[int | str, ...]],
    batched_outputs: bool = True,
) -> Binding:
    """Decide the shape of every input.

    `axes` has the file's axes by input, `given` the shapes of `--shape`; `batched_outputs` is
    False when the outputs are known to have no batch axis. Raises RefusedInput: a shape for an
    unknown input, of another rank, against a fixed axis, or axes that nothing binds.
    """
    for name in given:
        if name not in axes:
            raise RefusedInput(
                f"--shape names the input {name!r}; the model has {', '.join(sorted(axes))}"
            )
    known: dict[str, int] = {}
    merged = {name: _merged(name, axes[name], given.get(name), known) for name in axes}
    bound = {
        name: [known.get(axis, axis) if isinstance(axis, str) else axis for axis in shape]
        for name, shape in merged.items()
    }
    leads = {shape[0] if shape else 0 for shape in bound.values()}
    free = batched_outputs and len(leads) == 1 and not isinstance(next(iter(leads)), int)
    open_axes = {
        name: [i for i, axis in enumerate(shape) if not isinstance(axis, int) and (i or not free)]
        for name, shape in bound.items()
    }
    if any(open_axes.values()):
        raise _unbound(bound, open_axes, free)
    return _binding(bound, free, batched_outputs)


def _merged(
    name: str,
    axes: Sequence[Axis],
    given: tuple[int | str, ...] | None,
    known: dict[str, int],
) -> list[Axis]:
    """The file's axes with the given numbers; collects what named axes are now known to be."""
    if given is None:
        return list(axes)
    if len(given) != len(axes):
        raise RefusedInput(
            f"--shape gives {name!r} {len(given)} axes where the model has {len(axes)}: "
            f"{_written(axes)}"
        )
    merged: list[Axis] = []
    for axis, number in zip(axes, given, strict=True):
        fixed = known.get(axis) if isinstance(axis, str) else axis
        if fixed not in (None, number):
            raise RefusedInput(
                f"--shape gives {name!r} an axis of {number} where the model has {fixed}: "
                f"{_written(axes)}"
            )
        if isinstance(axis, str) and isinstance(number, int):
            known[axis] = number
        merged.append(axis if number == FREE else number)
    return merged


def _binding(bound: Mapping[str, Sequence[Axis]], free: bool, batched_outputs: bool) -> Binding:
    shapes = {
        name: tuple(axis for axis in shape if isinstance(axis, int))
        for name, shape in bound.items()
    }
    if free:
        return Binding(shapes, None)
    leads = {shape[0] if shape else 0 for shape in shapes.values()}
    if batched_outputs and len(leads) == 1 and leads != {0}:
        return Binding({name: shape[1:] for name, shape in shapes.items()}, next(iter(leads)))
    return Binding(shapes, 1, whole=True)


def _unbound(
    bound: Mapping[str, Sequence[Axis]], open_axes: Mapping[str, Sequence[int]], free: bool
) -> RefusedInput:
    names, flags = [], []
    for name, places in open_axes.items():
        if not places:
            continue
        axes = bound[name]
        names += [
            f"{axes[place]} of the input {name!r}"
            if axes[place]
            else f"axis {place} of the input {name!r}"
            for place in places
        ]
        example = [
            axis if isinstance(axis, int) else 128 if len(axes) < 3 else 224 for axis in axes
        ]
        shape: list[Axis] = [*example]
        if not isinstance(axes[0], int):
            shape[0] = FREE if free else 1
        flags.append(f"--shape {name}={_written(shape)}")
    return RefusedInput(
        f"the model leaves axes open: {', '.join(names)}; bind them, for example with "
        f"{' '.join(flags)}"
    )


def _written(axes: Sequence[Axis]) -> str:
    return "x".join(str(axis or "?") for axis in axes)
