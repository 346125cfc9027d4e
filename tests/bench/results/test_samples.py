"""Packed samples: exact, compact, and harmless when they come from a stranger."""

from __future__ import annotations

import base64
import math
import struct
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.results.samples import MAX_SAMPLES, Packed, pack, unpack

INT64 = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(INT64))
def test_integers_come_back_exactly(values: list[int]) -> None:
    packed = pack(values)
    assert packed["n"] == len(values) and packed["dtype"] == "int64"
    found = unpack(packed)
    assert found.dtype == np.int64 and found.tolist() == values


def test_differences_wider_than_an_integer_come_back_exactly() -> None:
    ends = [-(2**63), 2**63 - 1] * 3 + [0, 2**63 - 1, -1, -(2**63)]
    assert unpack(pack(ends)).tolist() == ends


@given(st.lists(st.floats(width=64), min_size=1))
def test_floats_come_back_bit_by_bit(values: list[float]) -> None:
    packed = pack(values)
    assert packed["dtype"] == "float64"
    bits = [struct.pack("<d", value) for value in values]
    assert [struct.pack("<d", value) for value in unpack(packed).tolist()] == bits


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.array([1, 2], np.int32), "int64"),
        (np.array([1, 2], np.uint32), "int64"),
        (np.array([1.5, 2.5], np.float32), "float64"),
        (np.array([], np.float64), "int64"),
    ],
)
def test_narrower_arrays_are_widened(values: np.ndarray[Any, Any], dtype: str) -> None:
    packed = pack(values)
    assert packed["dtype"] == dtype and unpack(packed).tolist() == values.tolist()


@pytest.mark.parametrize(
    "values",
    [[2**63], [2**64], [-(2**63) - 1], np.array([1], np.uint64), np.array([1j]), ["1"]],
    ids=["2^63", "2^64", "-2^63-1", "uint64", "complex", "text"],
)
def test_what_would_lose_something_is_not_packed(values: Any) -> None:
    with pytest.raises(ValueError, match="do not fit into int64 or float64"):
        pack(values)


def test_more_than_is_ever_read_is_not_packed() -> None:
    with pytest.raises(ValueError, match=f"at most {MAX_SAMPLES}"):
        pack(np.zeros(MAX_SAMPLES + 1, np.int8))


def test_latencies_take_less_than_three_bytes_each() -> None:
    latencies = 2e6 * (1 + 0.02 * np.random.default_rng(3).standard_normal(10_000))
    assert len(pack(latencies.astype(np.int64))["data"]) < 3 * 10_000 * 4 / 3


def whole(n: int, data: bytes, dtype: str = "int64") -> Packed:
    return Packed(dtype=dtype, n=n, data=base64.b64encode(data).decode())  # type: ignore[typeddict-item]


GOOD = base64.b64decode(pack([1, 2, 3])["data"])


@pytest.mark.parametrize(
    "packed",
    [
        Packed(dtype="int64", n=3, data="not base64!"),
        Packed(dtype="int64", n=3, data="é"),
        Packed(dtype="int64", n=3, data=""),
        whole(3, b"not zlib"),
        whole(3, GOOD[:-1]),
        whole(3, GOOD[:-6]),
        whole(3, GOOD + b"x"),
        whole(3, GOOD + GOOD),
        whole(3, GOOD[:-1] + bytes([GOOD[-1] ^ 1])),
        whole(2, GOOD),
        whole(4, GOOD),
        whole(0, GOOD),
        whole(3, zlib.compress(bytes(25))),
        whole(-1, GOOD),
        whole(MAX_SAMPLES + 1, GOOD),
        whole(3, GOOD, "object"),
        whole(3, GOOD, "complex128"),
    ],
    ids=[
        *("not base64", "not ascii", "empty", "not zlib", "checksum cut", "cut", "one byte more"),
        *("twice", "checksum wrong", "n too small", "n too large", "n zero", "odd length"),
        *("n negative", "n huge", "dtype object", "dtype complex"),
    ],
)
def test_anything_else_is_refused(packed: Packed) -> None:
    with pytest.raises(ValueError, match="samples"):
        unpack(packed)


@given(st.binary(max_size=200), st.integers(0, 30))
def test_random_bytes_are_refused_or_numbers(data: bytes, n: int) -> None:
    try:
        found = unpack(whole(n, zlib.compress(data)))
    except ValueError:
        return
    assert len(found) == n == len(data) / 8


def test_a_bomb_stays_small() -> None:
    bomb = whole(1000, zlib.compress(bytes(64 << 20), 1))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="complete stream of 8000 bytes"):
            unpack(bomb)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_packed_values_that_are_missing_stay_missing() -> None:
    found = unpack(pack([1.0, math.nan, 3.0]))
    assert found[0] == 1 and math.isnan(found[1]) and found[2] == 3
