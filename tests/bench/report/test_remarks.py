"""What stands under the table."""

from __future__ import annotations

from typing import Any

import pytest

from bench.results.records import Warning
from bench.results.telemetry import EnergyFigure, Telemetry

from .. import examples
from .files import LATENCY, case, results, shown, summary


def test_why_a_figure_is_unsteady_is_said() -> None:
    reason = "its interval is 80 % of it wide"
    found = results([case("torch@cpu:0", summary={LATENCY: summary(1e6, unsteady=reason)})])
    assert f"unsteady: {reason} (resnet8/fp32/b1/single-stream/torch@cpu:0)" in shown(found)


def telemetry(**figure: Any) -> Telemetry:
    fields = {
        "sensor": "nvml",
        "device": "cpu:0",
        "quantity": "power_w",
        "scope": "board",
        **dict.fromkeys(("update_period_s", "averaging_window_s", "resolution", "idle_w")),
        **dict.fromkeys(("gross_j", "net_j", "mean_w", "peak_w", "gross_j_per_item")),
        **dict.fromkeys(("net_j_per_item", "items_per_j", "uncertainty", "net_reason")),
        "duration_s": 1.0,
        "items": 9,
        "readings": 3,
        "valid": False,
        "net_valid": False,
        **figure,
    }
    return Telemetry.model_validate(
        {
            "figures": [EnergyFigure(**fields)] if figure else [],
            "sensors": [],
            "idle_start_ns": None,
            "idle_end_ns": None,
            "sampling_cpu_share": 0.0,
            "warnings": [],
        }
    )


def test_energy_that_was_asked_for_and_is_not_there_is_told_per_target() -> None:
    short = examples.trial(
        parts=[examples.part(telemetry=telemetry(reason="the load ran for 1.0 s; 5 s are needed"))]
    )
    none = examples.trial(parts=[examples.part(telemetry=telemetry())])
    energy = {LATENCY: summary(1e6), "joules_per_item": summary(0.1)}
    held = examples.trial(parts=[examples.part(telemetry=telemetry(reason=None, valid=True))])
    text = shown(
        results(
            [
                case("torch@cuda:0", trials=[short]),
                case("torch@cuda:0", "vit-b16", trials=[short]),
                case("torch@cuda:0", "bert", trials=[held], summary=energy),
                case("torch@cuda:1", trials=[none]),
                case("torch@cuda:2", trials=[held], summary=energy),
                case("torch@cuda:3", status="failed", reason="no device"),
            ]
        ),
        200,
    )
    lines = [line for line in text.splitlines() if line.startswith("no valid energy")]
    assert lines == [
        "no valid energy: the load ran for 1.0 s; 5 s are needed (torch@cuda:0, 2 of 3 cases)",
        "no valid energy: the trial held no stretch of steady load to read energy over "
        "(torch@cuda:1, 1 of 1 cases)",
    ]


def test_why_power_is_not_read_is_told_per_target() -> None:
    found = results([case("torch@cpu:0", trials=[examples.trial()])])
    deaf = [found.targets[0].model_copy(update={"power_reason": "no counter is readable"})]
    text = shown(found.model_copy(update={"targets": deaf}))
    assert "power unavailable: no counter is readable (torch@cpu:0)" in text
    assert "no valid energy" not in text  # it was not asked for


def test_equal_remarks_are_one_line() -> None:
    warnings = [Warning(text="too hot", case=f"case{n}") for n in range(9)]
    text = shown(results([case("torch@cpu:0")], warnings=warnings))
    assert "warning: too hot (case0, case1, case2 and 6 more)" in text


def test_a_label_has_the_colon_of_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HETBENCH_LANG", "zh")
    failed = case("torch@cpu:0", status="failed", reason="CUDA error: out of resources")
    text = shown(results([failed], warnings=[Warning(text="too hot", case=None)]))
    assert "失败：CUDA error: out of resources (" in text  # a program's own words stay as they are
    assert "警告：too hot" in text


def test_very_many_warnings_are_counted() -> None:
    warnings = [Warning(text=f"it is {n} too hot", case=None) for n in range(250)]
    text = shown(results([case("torch@cpu:0")], warnings=warnings))
    assert text.count("too hot") == 200
    assert "50 more warnings are in the results file" in text
