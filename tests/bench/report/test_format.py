"""Numbers as a person reads them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.language import units
from bench.report import format
from bench.results.records import Summary


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
    assert units.significant(value) == text


@given(st.floats(1e-6, 1e12))
def test_what_is_shown_is_within_half_a_percent(value: float) -> None:
    shown = units.significant(value)
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
    assert format.value(ns, format.TIME) == text


def figure(value: float, n: int = 5, **fields: Any) -> Summary:
    return Summary(**{"value": value, "n": n, "least": value, "most": value, **fields})


def test_the_interval_stands_beside_the_value_in_its_unit() -> None:
    found = figure(8_760_000, low=8_700_000, high=8_810_000)
    assert format.summary(found, format.TIME) == "8.76 ms [8.70, 8.81]"
    found = figure(1_010_000, low=990_000, high=1_020_000)
    assert format.summary(found, format.TIME) == "1.01 ms [0.990, 1.02]"


def test_one_or_two_trials_have_a_range_and_no_interval() -> None:
    assert format.summary(figure(1.5e6, 1), format.TIME) == "1.50 ms (1 trial)"
    two = figure(1.5e6, 2, least=1.48e6, most=1.52e6)
    assert format.summary(two, format.TIME) == "1.50 ms (1.48-1.52, 2 trials)"
    half = figure(1e6, 4, low=9e5, least=8e5, most=2e6)  # half an interval is none
    assert format.summary(half, format.TIME) == "1.00 ms (0.800-2.00, 4 trials)"


@pytest.mark.parametrize(
    ("value", "least", "most", "text"),
    [
        (1.54e6, 1.1e6, 2.04e6, "~1.5 ms (1.1-2.0) unsteady"),
        (154e6, 96e6, 1.24e9, "~150 ms (96-1200) unsteady"),
        (9.96e6, 9.04e6, 12.3e6, "~10 ms (9.0-12) unsteady"),
    ],
)
def test_an_unsteady_figure_claims_two_digits(
    value: float, least: float, most: float, text: str
) -> None:
    found = figure(value, low=least, high=most, least=least, most=most, unsteady="two states")
    assert format.summary(found, format.TIME) == text
    assert format.brief(found, format.TIME) == text.split(" (")[0]


def test_rates_are_scaled_by_thousands() -> None:
    found = figure(113.6, low=112.9, high=115)
    assert format.summary(found, format.ITEMS_PER_S) == "114 items/s [113, 115]"
    assert format.value(1150.4, format.ITEMS_PER_S) == "1.15 k items/s"
    assert format.value(19.5e12, format.FLOP_PER_S) == "19.5 TFLOP/s"
    assert format.value(0.25, format.ITEMS_PER_S) == "0.250 items/s"


def test_energy_and_power_have_units_that_fit() -> None:
    assert format.brief(figure(0.01234), format.JOULES) == "12.3 mJ"
    assert format.brief(figure(12.3e-6), format.JOULES) == "12.3 uJ"
    assert format.brief(figure(612.3), format.WATTS) == "612 W"


def test_what_is_not_there_is_a_dash() -> None:
    assert format.summary(None, format.TIME) == format.brief(None, format.WATTS) == "-"
    assert format.size(None) == "-"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 %"), (1.25e-5, "<0.01 %"), (0.0123, "0.0123 %"), (12.34, "12.3 %"), (100, "100 %")],
)
def test_a_small_share_is_no_row_of_zeros(value: float, text: str) -> None:
    assert units.percent(value) == text


@pytest.mark.parametrize(
    ("relative", "text"), [(1.64e-6, "1.6e-6"), (0.0092, "9.2e-3"), (0, "0"), (1.5, "1.5e0")]
)
def test_errors(relative: float, text: str) -> None:
    assert format.error(relative) == text


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
