"""What stands under the table."""

from __future__ import annotations

from typing import Any

import pytest

from bench.results.records import Case, Warning
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
        "no valid energy: in 2 of 3 cases: the load ran for 1.0 s; 5 s are needed (torch@cuda:0)",
        "no valid energy: in 1 of 1 cases: the trial held no stretch of steady load to read energy "
        "over (torch@cuda:1)",
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


def test_remarks_that_differ_in_their_figures_are_one_line() -> None:
    def loose(percent: int) -> dict[str, Any]:
        return {"summary": {LATENCY: summary(1e6, unsteady=f"the interval is {percent}% wide")}}

    drift = "drift: the power of npu:{} went from {} W to {} W under load"
    warnings = [
        Warning(text=drift.format(0, 80, 95.5), case="a"),
        Warning(text=drift.format(0, 90, 101), case="a"),
        Warning(text=drift.format(1, 70, 80), case="b"),
        Warning(text="the trial ended with exit code 3", case=None),
        Warning(text="the trial ended with exit code 4", case=None),
        Warning(text="the energy pass ran -7 % off", case="a"),
        Warning(text="the energy pass ran +6 % off", case="b"),
    ]
    cases = [case("torch@cpu:0", **loose(97)), case("torch@cpu:0", "vit-b16", **loose(101))]
    lines = shown(results(cases, warnings=warnings), 200).splitlines()
    assert lines[-6:] == [
        "unsteady: the interval is 97-101% wide (resnet8/fp32/b1/single-stream/torch@cpu:0, "
        "vit-b16/fp32/b1/single-stream/torch@cpu:0)",
        "warning: drift: the power of npu:0 went from 80-90 W to 95.5-101 W under load (a)",
        "warning: drift: the power of npu:1 went from 70 W to 80 W under load (b)",
        "warning: the trial ended with exit code 3",
        "warning: the trial ended with exit code 4",
        "warning: the energy pass ran -7 to +6 % off (a, b)",
    ]


def short_of(name: str, *targets: str) -> list[Case]:
    """Cases of the targets; the trials of the first one's series of this name ended too soon."""
    plain = examples.trial(0)
    (part,) = plain.parts
    series = {name: part.series["latency"].model_copy(update={"stopped_by": "limit"})}
    short = part.model_copy(update={"series": {**part.series, **series}})
    cut = plain.model_copy(update={"parts": [short]})
    first, *rest = (case(target) for target in targets)
    return [first.model_copy(update={"trials": [cut]}), *rest]


def test_a_steady_case_that_is_not_ranked_says_why() -> None:
    targets = ("torch@cpu:0", "torch@npu:0", "torch@npu:1")
    text = shown(results(short_of("end_to_end_round", *targets)), 200)
    said = "not ranked: too few samples in the series end_to_end_round"
    assert f"{said} (resnet8/fp32/b1/single-stream/torch@cpu:0)" in text
    assert "not ranked" not in shown(results(short_of("end_to_end_round", "torch@cpu:0")))


def test_remarks_call_the_targets_as_the_table_does() -> None:
    long = "simulated+latency_us=1500+memory_mib=512+jitter=0.02@sim:0"
    failed = case(long, status="failed", reason=f"{long} is gone")
    name = f"resnet8/fp32/b1/single-stream/{long}"
    warnings = [Warning(text=f"the worst is in {name}; wait", case=name)]
    found = results([failed, case("torch@cpu:0")], warnings=warnings)
    lines = shown(found, 80).splitlines()
    assert lines[0].startswith(f"T1  {long}")
    assert "failed: T1 is gone (resnet8/fp32/b1/single-stream/T1)" in lines
    assert "warning: the worst is in resnet8/fp32/b1/single-stream/T1; wait" in " ".join(lines)
    assert "T1" not in shown(found, 250)


def test_what_a_ratio_means_is_said() -> None:
    rivals = [case("torch@cpu:0"), case("torch@npu:0", summary={LATENCY: summary(1e6)})]
    text = shown(results(rivals), 200)
    said = (
        "1.50x: the median divided by the best one's; of a time more is slower, of a rate less is"
    )
    assert said in text
    assert said not in shown(results(rivals[:1]), 200)


def test_a_label_has_the_colon_of_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HETBENCH_LANG", "zh")
    failed = case("torch@cpu:0", status="failed", reason="CUDA error: out of resources")
    text = shown(results([failed], warnings=[Warning(text="too hot", case=None)]))
    assert "失败：CUDA error: out of resources (" in text  # a program's own words stay as they are
    assert "警告：too hot" in text


def test_very_many_warnings_are_counted() -> None:
    warnings = [Warning(text=f"npu:{n} is too hot", case=None) for n in range(250)]
    text = shown(results([case("torch@cpu:0")], warnings=warnings))
    assert text.count("too hot") == 200
    assert "50 more warnings are in the results file" in text
