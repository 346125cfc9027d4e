"""What no reading of power can be, in the one place that figures and the conformance kit ask."""

from __future__ import annotations

import pytest

from bench.sensor import MOST_W, Channel, Sample, Scope, SensorProbe, SensorRecord


def most_w(scope: Scope, read_w: float | None = None, **facts: str) -> float:
    samples = () if read_w is None else (Sample(0, {"power_limit_w": read_w}),)
    channel = Channel("power_w", scope)
    return SensorRecord("acme", "npu:0", SensorProbe((channel,), facts=facts), samples).most_w(
        channel
    )


@pytest.mark.parametrize("scope", MOST_W)
def test_without_a_limit_it_is_what_nothing_of_the_scope_draws(scope: Scope) -> None:
    assert most_w(scope) == MOST_W[scope]


def test_it_is_twice_the_limit_of_the_device() -> None:
    assert most_w("board", power_limit_w="300") == 600
    assert most_w("board", read_w=250.0) == 500


def test_a_limit_that_was_lowered_does_not_lower_it() -> None:
    assert most_w("board", power_limit_w="200", power_limit_default_w="300") == 600


def test_the_node_around_a_device_is_not_held_by_its_limit() -> None:
    assert most_w("node", power_limit_w="300") == MOST_W["node"]


@pytest.mark.parametrize("told", ["", "[N/A]", "0", "-1", "nan"])
def test_a_limit_that_is_none_holds_nothing(told: str) -> None:
    assert most_w("board", power_limit_w=told) == MOST_W["board"]
