"""Scenarios: how load is applied to a session. Each returns a trial's raw observations."""

from __future__ import annotations

from collections.abc import Callable

from bench.scenarios import offline, single_stream, sustained
from bench.scenarios.collect import Load, Observations

SCENARIOS: dict[str, Callable[[Load], Observations]] = {
    "single-stream": single_stream.observe,
    "offline": offline.observe,
    "sustained": sustained.observe,
}
