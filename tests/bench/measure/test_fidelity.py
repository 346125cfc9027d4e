"""Fidelity: what passes, what does not, and the sentence that says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.axes import Term
from bench.measure import fidelity
from bench.measure.fidelity import check_batches, check_count, check_items, compare
from bench.model import Arrays, InputSpec, ModelCard, Tolerance
from bench.workload import Slot

TOLERANCE = Tolerance(relative_l2=0.01, top1=0.9)


def card(**fields: Any) -> ModelCard:
    return ModelCard(
        **{
            "name": "tiny",
            "title": "Tiny",
            "family": "tiny",
            "size": "lightweight",
            "task": "classification",
            "parameters": 10,
            "flops": (Term(10),),
            "bytes": (Term(52),),
            "published": "",
            "source": "",
            "inputs": (InputSpec("x", (3,)),),
            "outputs": ("y",),
            "precisions": ("fp32",),
            "tolerance": {"fp32": TOLERANCE},
            **fields,
        }
    )


REFERENCE = np.random.default_rng(2).standard_normal((8, 10))


def verdict(
    outputs: np.ndarray[Any, Any], batch: int = 8, tolerance: Tolerance = TOLERANCE
) -> fidelity.Verdict:
    batches = [{"y": outputs[i : i + batch]} for i in range(0, len(outputs), batch)]
    return compare(batches, batch, {"y": REFERENCE}, card(), tolerance)


def test_equal_outputs_pass() -> None:
    found = verdict(REFERENCE)
    assert found.passed and found.reason is None
    assert (found.relative_l2, found.top1_agreement, found.items) == (0.0, 1.0, 8)


@pytest.mark.parametrize("batch", [1, 2, 3, 8, 12, 16])
def test_every_batch_size_is_held_against_the_same_items(batch: int) -> None:
    slots = check_batches(Slot({"x": np.arange(8)}, {"batch": 8}), batch)
    assert all(slot.axes == {"batch": batch} for slot in slots)
    batches = [slot.arrays for slot in slots]
    assert {len(one["x"]) for one in batches} == {batch}
    assert {int(i) for one in batches for i in one["x"]} == set(range(8))
    outputs = [{"y": REFERENCE[one["x"]]} for one in batches]
    assert compare(outputs, batch, {"y": REFERENCE}, card(), TOLERANCE).relative_l2 == 0
    outputs[-1]["y"] = outputs[-1]["y"][::-1] + 1
    assert not compare(outputs, batch, {"y": REFERENCE}, card(), TOLERANCE).passed


def test_relative_l2_is_the_norm_of_the_difference() -> None:
    noise = np.random.default_rng(4).standard_normal(REFERENCE.shape)
    noise *= 0.005 * np.linalg.norm(REFERENCE) / np.linalg.norm(noise)
    found = verdict(REFERENCE + noise)
    assert found.passed
    assert found.relative_l2 == pytest.approx(0.005, rel=1e-9)


def test_outputs_that_are_too_far_off() -> None:
    found = verdict(REFERENCE * 1.02)
    assert not found.passed
    assert found.reason == (
        "outputs differ from the reference by 0.02 relative L2; 0.01 is allowed at this precision"
    )


def test_the_right_numbers_for_other_items_are_wrong() -> None:
    assert not verdict(np.roll(REFERENCE, 1, axis=0)).passed


def test_close_numbers_with_another_largest_one_are_wrong() -> None:
    close = REFERENCE.copy()
    close[:2] = -close[:2]
    found = verdict(close, tolerance=Tolerance(relative_l2=10, top1=0.9))
    assert found.top1_agreement == 0.75
    assert found.reason == (
        "the largest output agrees with the reference on 75% of the items; 90% is needed"
    )


def test_a_model_that_is_no_classifier_has_no_top1() -> None:
    found = verdict(REFERENCE, tolerance=Tolerance(relative_l2=0.01))
    assert found.passed and found.top1_agreement is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_not_finite(bad: float) -> None:
    broken = REFERENCE.copy()
    broken[3, 4:6] = bad
    found = verdict(broken)
    assert not found.passed and found.relative_l2 is None
    assert (found.not_finite, found.reason) == (2, "2 outputs are NaN or infinite")
    broken[3, 4] = 1.0
    assert verdict(broken).reason == "1 output is NaN or infinite"


def test_a_reference_that_is_not_finite_lets_nothing_pass() -> None:
    broken = REFERENCE.copy()
    broken[0, 0] = np.nan
    found = compare([{"y": REFERENCE}], 8, {"y": broken}, card(), TOLERANCE)
    assert not found.passed and found.reason == "the reference of 'y' is not finite"


@pytest.mark.parametrize(("batch", "rows"), [(8, 7), (8, 1), (8, 0), (16, 8)])
def test_an_answer_for_part_of_the_batch_is_no_answer(batch: int, rows: int) -> None:
    found = compare([{"y": REFERENCE[:rows]}], batch, {"y": REFERENCE}, card(), TOLERANCE)
    assert not found.passed
    assert found.reason == f"the output 'y' does not have {batch} rows for a batch of {batch}"


def test_a_missing_output() -> None:
    found = compare([{"z": REFERENCE}], 8, {"y": REFERENCE}, card(), TOLERANCE)
    assert not found.passed and found.reason == "the output 'y' is missing"


def test_an_output_of_another_shape() -> None:
    found = verdict(REFERENCE[:, :9])
    assert not found.passed
    assert found.reason == "the output 'y' has shape (9,) an item where (10,) belongs"


def test_all_outputs_count() -> None:
    two = card(outputs=("y", "z"))
    good: Arrays = {"y": REFERENCE, "z": REFERENCE}
    bad = {"y": REFERENCE, "z": REFERENCE * 2}
    assert compare([good], 8, good, two, TOLERANCE).passed
    found = compare([bad], 8, good, two, TOLERANCE)
    assert not found.passed and found.relative_l2 == pytest.approx(1)


def test_zeros_are_right_only_where_zeros_belong() -> None:
    zeros = np.zeros((8, 10))
    plain = Tolerance(relative_l2=0.01)
    assert compare([{"y": zeros}], 8, {"y": zeros}, card(), plain).passed
    assert not compare([{"y": zeros + 1}], 8, {"y": zeros}, card(), plain).passed
    assert not verdict(zeros).passed


def test_an_output_without_a_batch_axis() -> None:
    own = card(batch=4)
    outputs: list[Arrays] = [{"y": np.float32(1.5)}, {"y": np.float32(2.5)}]
    reference = {"y": np.array([1.5, 2.5])}
    assert compare(outputs, 4, reference, own, Tolerance(relative_l2=0.01)).passed
    assert not compare(outputs[::-1], 4, reference, own, Tolerance(relative_l2=0.01)).passed


def test_check_items_are_distinct_and_depend_on_the_seed() -> None:
    def drawn(seed: int, **fields: Any) -> np.ndarray[Any, Any]:
        own = card(**fields)
        found: np.ndarray[Any, Any] = check_items(own, own.sizes(), seed).arrays["x"]
        return found

    items = drawn(0)
    assert items.shape == (8, 3) == (check_count(card()), 3)
    assert len({row.tobytes() for row in items}) == 8
    assert not np.array_equal(items, drawn(1))
    assert drawn(0, batch=3).shape == (6, 3)
    assert drawn(0, check_items=4).shape == (4, 3)


def test_a_stored_reference_comes_back(tmp_path: Path) -> None:
    outputs: Arrays = {"y": REFERENCE.astype(np.float32), "z": np.zeros((8, 2, 3), np.float32)}
    fidelity.save(tmp_path / "r.npz", outputs)
    found = fidelity.load(tmp_path / "r.npz")
    assert found.keys() == outputs.keys()
    assert all(np.array_equal(found[name], outputs[name]) for name in outputs)


def test_a_stored_reference_is_never_executed(tmp_path: Path) -> None:
    with (tmp_path / "r.npz").open("wb") as file:
        np.savez(file, y=np.array([print], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        fidelity.load(tmp_path / "r.npz")
