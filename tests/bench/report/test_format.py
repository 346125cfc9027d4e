"""Numbers as a person reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report import format
from bench.results import Metric


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1.00"),
        (1.234, "1.23"),
        (12.34, "12.3"),
        (123.4, "123"),
        (1234.5, "1234"),
        (0.012345, "0.0123"),
        (0.5, "0.500"),
        (-2.5, "-2.50"),
        (0.00001234, "0.0000123"),
        (9.996, "10.0"),
        (99.96, "100"),
        (0.9996, "1.00"),
        (999.6, "1000"),
        (1e-15, "0.000000000000"),
    ],
)
def test_three_significant_digits_without_an_exponent(value: float, text: str) -> None:
    assert format.significant(value) == text


@given(st.floats(1e-6, 1e12))
def test_what_is_shown_is_within_half_a_percent(value: float) -> None:
    shown = format.significant(value)
    assert float(shown) == pytest.approx(value, rel=0.00501)
    assert "e" not in shown and len(shown.replace(".", "").lstrip("0")) >= 3


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (8_760_000, "8.76 ms"),
        (999, "999 ns"),
        (1000, "1.00 us"),
        (0.4, "0.400 ns"),
        (999_900, "1.00 ms"),
        (999_400, "999 us"),
        (2.5e9, "2.50 s"),
        (3.6e12, "3600 s"),
    ],
)
def test_a_duration_has_the_unit_that_fits(ns: float, text: str) -> None:
    assert format.duration(Metric(value=ns, n=1)) == text


def test_the_interval_stands_beside_the_value_in_its_unit() -> None:
    found = Metric(value=8_760_000, low=8_700_000, high=8_810_000, n=9)
    assert format.duration(found) == "8.76 ms [8.70, 8.81]"
    assert format.duration(Metric(value=1_010_000, low=990_000, high=1_020_000, n=9)) == (
        "1.01 ms [0.990, 1.02]"
    )
    assert format.duration(Metric(value=1e6, low=9e5, n=9)) == "1.00 ms"  # half an interval is none


def test_rates_are_scaled_by_thousands() -> None:
    assert format.rate(Metric(value=113.6, low=112.9, high=115, n=9)) == "114 [113, 115]"
    assert format.rate(Metric(value=1150.4, n=9)) == "1.15 k"
    assert format.rate(Metric(value=19.5e12, n=9), "FLOP/s") == "19.5 TFLOP/s"
    assert format.rate(Metric(value=0.25, n=9), "/s") == "0.250 /s"


def test_what_is_not_there_is_a_dash() -> None:
    assert format.duration(None) == format.rate(None) == format.size(None) == "-"


@pytest.mark.parametrize(
    ("value", "text"),
    [(25_557_032, "25.6 M"), (0, "0"), (78_666, "78.7 k"), (7e9, "7.00 G"), (8, "8.00")],
)
def test_counts(value: float, text: str) -> None:
    assert format.count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (1024, "1.00 KiB"),
        (102_228_128, "97.5 MiB"),
        (80 << 30, "80.0 GiB"),
        (3 << 40, "3.00 TiB"),
    ],
)
def test_sizes_are_powers_of_two(value: int, text: str) -> None:
    assert format.size(value) == text
