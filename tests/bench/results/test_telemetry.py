"""A figure made from what a foreign sensor told goes into a file only if the file can be read."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from bench.energy.figures import figure
from bench.results.telemetry import Telemetry
from bench.sensor import SensorProbe, SensorRecord

FIGURE = figure(SensorRecord("acme", "npu:0", SensorProbe()), [])


def telemetry(**change: Any) -> Telemetry:
    return Telemetry(
        figures=[replace(FIGURE, **change)],
        sensors=[],
        idle_start_ns=None,
        idle_end_ns=None,
        sampling_cpu_share=0.0,
        warnings=[],
    )


def test_a_figure_comes_back_as_it_was() -> None:
    whole = telemetry(peak_w=300.0)
    assert Telemetry.model_validate_json(whole.model_dump_json()) == whole


@pytest.mark.parametrize(
    "change", [{"peak_w": math.inf}, {"sensor": "x" * 501}, {"items": -1}, {"scope": "rack"}]
)
def test_a_figure_that_no_file_may_hold_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        telemetry(**change)
