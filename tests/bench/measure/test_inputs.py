"""Inputs are distinct, bounded, of the card's dtype, and the same for everyone with the key."""

from __future__ import annotations

import hashlib
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from bench.measure.inputs import slots
from bench.model import InputSpec

FLOATS = ("float32", "float16")
INTEGERS = ("int64", "int32", "int8", "uint8")


def one(spec: InputSpec, batch: int = 64) -> np.ndarray:
    drawn: np.ndarray = slots([spec], {"batch": batch}, 1, "test")[0].arrays[spec.name]
    return drawn


def test_slots_have_the_asked_number_shape_and_type() -> None:
    specs = [
        InputSpec("ids", (8,), "int64", "integers", high=100),
        InputSpec("image", (3, 5, 7), "float32", "pink"),
    ]
    sets = [slot.arrays for slot in slots(specs, {"batch": 2}, count=3, key="test")]
    assert len(sets) == 3
    for one_set in sets:
        assert list(one_set) == ["ids", "image"]
        assert one_set["ids"].shape == (2, 8)
        assert one_set["ids"].dtype == np.int64
        assert one_set["image"].shape == (2, 3, 5, 7)
        assert one_set["image"].dtype == np.float32
        assert all(array.flags.c_contiguous for array in one_set.values())


def test_every_item_of_every_set_is_distinct() -> None:
    sets = slots([InputSpec("x", (16,))], {"batch": 3}, count=4, key="test")
    items = [item for slot in sets for item in slot.arrays["x"]]
    assert not any(np.array_equal(a, b) for a, b in combinations(items, 2))


def test_an_item_does_not_depend_on_the_batch_it_travels_in() -> None:
    spec = InputSpec("x", (16,))
    together = slots([spec], {"batch": 6}, count=1, key="test")[0].arrays["x"]
    apart = np.concatenate([slot.arrays["x"] for slot in slots([spec], {"batch": 2}, 3, "test")])
    np.testing.assert_array_equal(together, apart)


def test_keys_and_names_draw_apart() -> None:
    first, second = InputSpec("a", (16,)), InputSpec("b", (16,))
    axes = {"batch": 1}
    same = slots([first, second], axes, 1, "test")[0].arrays
    assert not np.array_equal(same["a"], same["b"])
    assert not np.array_equal(same["a"], slots([first], axes, 1, "other")[0].arrays["a"])
    np.testing.assert_array_equal(same["a"], slots([first], axes, 1, "test")[0].arrays["a"])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("fill", ["normal", "pink"])
def test_noise_has_mean_0_and_variance_1(fill: str, dtype: str) -> None:
    drawn = one(InputSpec("x", (2, 24, 17), dtype, fill)).astype(np.float64)  # type: ignore[arg-type]
    assert np.isfinite(drawn).all()
    assert abs(drawn.mean()) < 0.1
    assert 0.9 < drawn.var() < 1.1


def test_pink_noise_differs_between_items_at_every_scale() -> None:
    pink = one(InputSpec("x", (1, 32, 32), fill="pink"))
    white = one(InputSpec("x", (1, 32, 32), fill="normal"))
    assert pink.mean(axis=(1, 2, 3)).std() > 0.2
    assert white.mean(axis=(1, 2, 3)).std() < 0.1


@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform_values_stay_below_the_upper_bound(dtype: str) -> None:
    spec = InputSpec("x", (1000,), dtype, "uniform", low=-3.0, high=5.0)  # type: ignore[arg-type]
    drawn = one(spec)
    assert drawn.min() >= -3.0
    assert drawn.max() < 5.0
    assert drawn.min() < -2.9
    assert drawn.max() > 4.9


@pytest.mark.parametrize("dtype", [*INTEGERS, "bool"])
def test_integers_cover_their_range_and_no_more(dtype: str) -> None:
    low, high = (0, 2) if dtype == "bool" else (3, 9)
    spec = InputSpec("x", (100,), dtype, "integers", low=low, high=high)  # type: ignore[arg-type]
    drawn = one(spec)
    assert drawn.dtype == np.dtype(dtype)
    assert set(np.unique(drawn).tolist()) == set(range(low, high))


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS, "bool"])
def test_masks_are_ones_with_a_tail_of_zeros(dtype: str) -> None:
    masks = one(InputSpec("x", (128,), dtype, "mask")).astype(np.int64)  # type: ignore[arg-type]
    lengths = masks.sum(1)
    assert np.array_equal(masks, np.arange(128) < lengths[:, None])
    assert lengths.min() >= 96
    assert lengths.max() <= 128
    assert len(set(lengths.tolist())) > 8


def test_integers_and_pink_noise_are_the_same_on_every_platform() -> None:
    specs = [
        InputSpec("ids", (64,), "int64", "integers", high=30522),
        InputSpec("image", (3, 9, 7), fill="pink"),
    ]
    drawn = slots(specs, {"batch": 2}, 1, "digest")[0].arrays
    digests = {
        name: hashlib.sha256(array.astype(array.dtype.newbyteorder("<")).tobytes()).hexdigest()
        for name, array in drawn.items()
    }
    assert digests == {
        "ids": "39e7c2b79143b05107334aa24633a1c9530130ad597e0ad223ba2e84e14944bd",
        "image": "2783d352c9b81d0e5dd1f8667245d3b3b4545fcdb4680044cf7621ba52f1cc4b",
    }


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"shape": (4, 4), "dtype": "int64"}, "needs a float dtype"),
        ({"shape": (4,), "fill": "pink"}, "at least 2 axes"),
        ({"shape": (), "dtype": "int64", "fill": "mask"}, "at least 1 axes"),
        ({"shape": (4,), "fill": "uniform", "low": 1.0, "high": 1.0}, "low less than high"),
        ({"shape": (4,), "fill": "uniform", "high": float("inf")}, "finite"),
        ({"shape": (4,), "dtype": "uint8", "fill": "integers", "high": 300.0}, "do not fit uint8"),
        ({"shape": (4,), "dtype": "bool", "fill": "integers", "low": -1.0}, "do not fit bool"),
    ],
)
def test_what_cannot_be_drawn_is_refused(spec: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        InputSpec("x", **spec)
