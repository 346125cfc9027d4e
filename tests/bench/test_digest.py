"""One digest of values: the ids of results files and the names of prepared files hang on it."""

from __future__ import annotations

import math

import pytest

from bench.digest import digest


def test_it_is_of_the_value_and_not_of_the_order_of_its_keys() -> None:
    assert digest({"a": 1, "b": [2.5, "é"]}, 12) == digest({"b": [2.5, "é"], "a": 1}, 12)
    assert digest({"a": 1}, 12) != digest({"a": 2}, 12)


def test_it_is_the_same_for_ever() -> None:
    """A stored baseline and a cache outlive the program that wrote them."""
    assert digest({"b": 1, "a": [1, "x"]}, 12) == "a88dede55f33"


def test_what_json_has_no_word_for_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        digest([math.nan], 12)
