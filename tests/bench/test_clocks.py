"""The host's clock."""

from __future__ import annotations

import time

from bench.clocks import host


def test_reading_it_costs_no_call_of_python() -> None:
    assert host.now_ns is time.perf_counter_ns


def test_a_wait_never_ends_early() -> None:
    for ns in (50_000, 1_000_000):
        end = host.now_ns() + ns
        host.wait_until(end)
        assert host.now_ns() >= end


def test_a_time_that_has_passed_is_not_waited_for() -> None:
    host.wait_until(host.now_ns() - 3600 * 10**9)
