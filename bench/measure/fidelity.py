"""Fidelity: are the outputs of the session that was timed right?

Outputs on inputs the session has not seen before are compared with an fp32 reference computed on
the CPU. A fast wrong answer is `invalid`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.axes import BATCH, Axes
from bench.measure import inputs
from bench.model import Arrays, ModelCard, Tolerance
from bench.workload import Slot


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far outputs are from the reference."""

    relative_l2: float | None
    """Largest over the outputs of ||out - ref|| / ||ref||; None if an output is not finite."""
    top1_agreement: float | None
    not_finite: int
    items: int
    tolerance: Tolerance
    passed: bool
    problem: str | None = None
    """Why the outputs could not be compared at all."""

    @property
    def reason(self) -> str | None:
        """The sentence for an invalid trial; None when passed."""
        if self.passed:
            return None
        if self.problem:
            return self.problem
        if self.not_finite:
            if self.not_finite == 1:
                return "1 output is NaN or infinite"
            return f"{self.not_finite} outputs are NaN or infinite"
        if self.relative_l2 is None or self.relative_l2 > self.tolerance.relative_l2:
            return (
                f"outputs differ from the reference by {self.relative_l2:.2g} relative L2; "
                f"{self.tolerance.relative_l2:.2g} is allowed at this precision"
            )
        return (
            f"the largest output agrees with the reference on {self.top1_agreement:.0%} of the "
            f"items; {self.tolerance.top1:.0%} is needed"
        )


def check_items(card: ModelCard, axes: Axes, seed: int) -> Slot:
    """Inputs a session has not seen before its outputs on them are compared, one row an item.

    As many as the card says, at the sizes of `axes` but its batch.
    """
    sizes = card.sizes(check_count(card), axes)
    return inputs.slots(card.inputs, sizes, 1, f"{card.name}/check/{seed}")[0]


def check_count(card: ModelCard) -> int:
    """How many distinct items are checked."""
    return 2 * card.batch if card.batch else card.check_items


def check_batches(items: Slot, batch: int) -> list[Slot]:
    """The items in batches, each in one; a batch larger than their number repeats them."""
    return [
        Slot(
            {
                name: array.take(range(first, first + batch), 0, mode="wrap")
                for name, array in items.arrays.items()
            },
            {**items.axes, BATCH: batch},
        )
        for first in range(0, items.axes[BATCH], batch)
    ]


def compare(
    batches: Sequence[Arrays], batch: int, reference: Arrays, card: ModelCard, tolerance: Tolerance
) -> Verdict:
    """Compare the outputs on `check_batches(..., batch)` with the reference's on `check_items`.

    Row i is held against the reference's row i modulo their number. Every row must be there: an
    answer for half the batch is half the work.
    """
    items = check_count(card)
    worst = 0.0
    not_finite = 0
    agree = 0
    compared = 0
    for name in card.outputs:
        wanted = np.atleast_1d(np.asarray(reference[name], dtype=np.float64))
        if not np.isfinite(wanted).all():
            return _unusable(f"the reference of {name!r} is not finite", items, tolerance)
        if any(name not in one for one in batches):
            return _unusable(f"the output {name!r} is missing", items, tolerance)
        parts = [np.atleast_1d(np.asarray(one[name], dtype=np.float64)) for one in batches]
        rows = len(wanted) * batch // items
        if any(len(part) != rows for part in parts):
            return _unusable(
                f"the output {name!r} does not have {rows} rows for a batch of {batch}",
                items,
                tolerance,
            )
        got = np.concatenate(parts)
        if got.shape[1:] != wanted.shape[1:]:
            return _unusable(
                f"the output {name!r} has shape {got.shape[1:]} an item where "
                f"{wanted.shape[1:]} belongs",
                items,
                tolerance,
            )
        expected = wanted[np.arange(len(got)) % len(wanted)]
        bad = int(np.count_nonzero(~np.isfinite(got)))
        not_finite += bad
        if bad:
            continue
        norm = float(np.linalg.norm(expected)) or 1.0
        worst = max(worst, float(np.linalg.norm(got - expected)) / norm)
        if tolerance.top1 is not None:
            flat, right = got.reshape(len(got), -1), expected.reshape(len(got), -1)
            agree += int(np.count_nonzero(flat.argmax(1) == right.argmax(1)))
            compared += len(got)
    top1 = agree / compared if compared else None
    near = not not_finite and worst <= tolerance.relative_l2
    agreed = tolerance.top1 is None or (top1 is not None and top1 >= tolerance.top1)
    return Verdict(
        relative_l2=None if not_finite else worst,
        top1_agreement=top1,
        not_finite=not_finite,
        items=items,
        tolerance=tolerance,
        passed=near and agreed,
    )


def _unusable(problem: str, items: int, tolerance: Tolerance) -> Verdict:
    return Verdict(None, None, 0, items, tolerance, False, problem)


def save(path: Path, outputs: Arrays) -> None:
    """Store a reference, one float32 array an output."""
    with path.open("wb") as file:
        np.savez(file, **outputs)


def load(path: Path) -> Arrays:
    """Read a stored reference; nothing in it can be executed."""
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
