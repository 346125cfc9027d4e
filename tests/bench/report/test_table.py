"""The results table: what it says, and that no width or language cuts any of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, SupportsIndex

import pytest
from rich.cells import cell_len

from bench.figures.metrics import summarize
from bench.results.records import Case, Results, Summary
from bench.results.trial import Fidelity

from .. import examples
from .files import LATENCY, RATE, case, results, row, shown, summary


def test_targets_stand_under_their_model_with_the_best_marked() -> None:
    found = results(
        [
            case("torch@cpu:0"),
            case("torch@cpu:0", "vit-b16"),
            case("onnxruntime@cpu:0", summary={LATENCY: summary(1e6)}),
            case("onnxruntime@cpu:0", "vit-b16", summary={LATENCY: summary(6e6)}),
        ]
    )
    lines = [line.rstrip() for line in shown(found).splitlines()]
    start = lines.index("resnet8  fp32  single-stream  b1")
    assert [line.split() for line in lines[start + 1 : start + 3]] == [
        ["torch@cpu:0", "1.50", "ms", "[1.47,", "1.53]", "1.50x", "ok"],
        ["onnxruntime@cpu:0", "1.00", "ms", "[0.980,", "1.02]", "best", "ok"],
    ]
    assert lines[start + 3] == "vit-b16  fp32  single-stream  b1"
    assert lines[start + 4].split()[-2:] == ["best", "ok"]
    assert lines[start + 5].split()[-2:] == ["4.00x", "ok"]


def test_of_throughput_the_largest_is_best() -> None:
    offline = {"scenario": "offline", "batch": 8}
    found = results(
        [
            case("torch@cpu:0", summary={RATE: summary(300)}, **offline),
            case("torch@cuda:0", summary={RATE: summary(1200)}, **offline),
        ]
    )
    assert "best" in row(found, "torch@cuda:0")
    assert "0.250x" in row(found, "torch@cpu:0")
    assert "1.20 k items/s [1.18, 1.22]" in row(found, "torch@cuda:0")


@pytest.mark.parametrize(
    ("fields", "figure"),
    [
        ({"summary": {LATENCY: summary(1e5, 1)}}, "100 us (1 trial)"),
        ({"summary": {LATENCY: summary(1e5, 2)}}, "100 us (98.0-102, 2 trials)"),
        (
            {"summary": {LATENCY: summary(1e5, spread=0.5, unsteady="two states")}},
            "~100 us (50-150) unsteady",
        ),
        ({"status": "invalid", "reason": "wrong", "summary": {LATENCY: summary(1e5)}}, "100 us"),
    ],
)
def test_what_cannot_be_relied_on_is_never_best_and_has_no_ratio(
    fields: dict[str, Any], figure: str
) -> None:
    others = [case("torch@cpu:0"), case("onnxruntime@cpu:0", summary={LATENCY: summary(3e6)})]
    found = results([case("torch@cuda:0", **fields), *others])
    cells = row(found, "torch@cuda:0")
    assert cells[1].startswith(figure)
    assert not {cell for cell in cells if cell == "best" or cell.endswith("x")}
    doubted = "unsteady" in figure  # what may be faster leaves nothing to be best
    assert ("1.00x" if doubted else "best") in row(found, "torch@cpu:0")
    assert "2.00x" in row(found, "onnxruntime@cpu:0")


def test_intervals_that_reach_each_other_are_tied() -> None:
    near = case("onnxruntime@cpu:0", summary={LATENCY: summary(1.53e6)})
    far = case("torch@cuda:0", summary={LATENCY: summary(3e6)})
    found = results([case("torch@cpu:0"), near, far])
    assert "tied" in row(found, "torch@cpu:0") and "tied" in row(found, "onnxruntime@cpu:0")
    assert "2.00x" in row(found, "torch@cuda:0")


def test_what_is_impossible_or_too_few_samples_is_not_ranked() -> None:
    series = {"latency": examples.timed().model_copy(update={"stopped_by": "limit"})}
    cut = case(
        "torch@cuda:0",
        summary={LATENCY: summary(1e5)},
        trials=[examples.trial(parts=[examples.part(series=series)])],
    )
    others = [case("torch@cpu:0"), case("onnxruntime@cpu:0", summary={LATENCY: summary(3e6)})]
    found = results([cut, *others])
    assert "best" in row(found, "torch@cpu:0")
    assert not {cell for cell in row(found, "torch@cuda:0") if cell == "best" or cell.endswith("x")}


def test_a_load_of_a_set_time_is_ranked_by_what_is_left_at_its_end() -> None:
    last = "throughput_last_items_per_s"
    common = {"scenario": "sustained", "batch": 8}
    fades = case("torch@cpu:0", summary={RATE: summary(4000), last: summary(2000)}, **common)
    holds = case("torch@cuda:0", summary={RATE: summary(3800), last: summary(3800)}, **common)
    found = results([fades, holds])
    assert "best" in row(found, "torch@cuda:0")
    assert "0.526x" in row(found, "torch@cpu:0")


def test_a_scenario_of_another_version_is_shown_without_its_figure() -> None:
    later = [case(f"torch@cpu:{n}", scenario="of-a-later-version") for n in range(2)]
    text = shown(results(later))
    assert "of-a-later-version" in text and "best" not in text
    assert row(results(later), "torch@cpu:0") == ["torch@cpu:0", "-", "ok"]


def test_one_that_can_be_ranked_alone_is_not_called_best() -> None:
    unsteady = case("torch@cuda:0", summary={LATENCY: summary(1e5, unsteady="two states")})
    assert "best" not in shown(results([case("torch@cpu:0"), unsteady]))


def test_a_column_is_there_when_it_has_something_to_say() -> None:
    plain = results([case("torch@cpu:0")])
    titles = next(line for line in shown(plain, 200).splitlines() if line.startswith("  target"))
    assert titles.split() == ["target", "median", "status"]
    figures = {
        LATENCY: summary(1e6),
        "latency_p99_ns": summary(2e6),
        "joules_per_item": summary(0.0123),
        "mean_power_w": summary(612),
        "achieved_flops_per_s": summary(5e12),
        "throughput_drop_percent": Summary(value=12.34, n=1, least=12.34, most=12.34),
    }
    assert row(results([case("torch@cpu:0", summary=figures)]), "torch@cpu:0", 200)[2:] == [
        "12.3 %",
        "2.00 ms",
        "612 W",
        "12.3 mJ",
        "5.00 TFLOP/s",
        "ok",
    ]


def test_what_did_not_drop_has_no_minus() -> None:
    flat = Summary(value=-0.04, n=3, least=-0.1, most=0.02)
    cells = row(
        results([case("torch@cpu:0", summary={RATE: summary(9), "throughput_drop_percent": flat})]),
        "torch@cpu:0",
    )
    assert "0.0 %" in cells


def test_a_searched_batch_is_told_from_a_fixed_one() -> None:
    common = {"scenario": "offline", "batch": 64, "summary": {RATE: summary(9)}}
    search = case("torch@cpu:0", **common, found={"batch": 64})
    fixed = case("torch@cpu:0", **common)
    assert "b64*" in row(results([search]), "torch@cpu:0")
    assert "* the batch that a search found" in shown(results([search]))
    assert "resnet8  fp32  offline  b64" in shown(results([fixed])).splitlines()
    assert "*" not in shown(results([fixed]))
    # what was searched and what was fixed are two groups: they are not held against each other
    assert "best" not in shown(
        results([search, fixed.model_copy(update={"target": "torch@cuda:0"})])
    )


@pytest.mark.parametrize("id", ["", "m0", "resnet8/auto", "a/b/auto/c/d", "//auto"])
def test_an_id_may_be_anything(id: str) -> None:
    foreign = case("torch@cpu:0", scenario="offline", batch=64, id=id)
    assert "resnet8  fp32  offline  b64" in shown(results([foreign])).splitlines()


def test_a_case_that_ended_before_its_search_stands_beside_those_searched() -> None:
    common = {"scenario": "offline", "summary": {}}
    ended = case("torch@cpu:0", **common, id="resnet8/fp32/auto/offline/torch@cpu:0")
    search = case("torch@cuda:0", **common, batch=64, found={"batch": 64})
    lines = shown(results([ended, search])).splitlines()
    assert lines.count("resnet8  fp32  offline") == 1


def test_the_share_of_the_datasheet() -> None:
    fields = {"summary": {LATENCY: summary(1e6), "achieved_flops_per_s": summary(49.47e12)}}
    found = results([case("torch@cuda:0", precision="tf32", **fields)])
    device = found.targets[0].device.model_copy(update={"name": "NVIDIA H100 80GB HBM3"})
    h100 = found.targets[0].model_copy(update={"device": device})
    known = found.model_copy(update={"targets": [h100]})
    assert "10.0 %" in row(known, "torch@cuda:0")
    assert "datasheet" not in shown(known)
    assert "%" not in shown(found)  # no datasheet of `A processor`
    fields = {"summary": {LATENCY: summary(1e6), "achieved_flops_per_s": summary(989.4e12)}}
    beyond = known.model_copy(update={"cases": [case("torch@cuda:0", precision="tf32", **fields)]})
    assert "200 % of what the datasheet allows" in shown(beyond)
    fields["summary"]["achieved_flops_per_s"] = summary(494.8e12)
    hardly = known.model_copy(update={"cases": [case("torch@cuda:0", precision="tf32", **fields)]})
    assert "100.1 % of what the datasheet allows" in shown(hardly)


def test_fidelity_says_what_it_is() -> None:
    def trial(error: float | None, agreement: float | None) -> Any:
        fidelity = Fidelity(
            relative_l2=error,
            top1_agreement=agreement,
            not_finite=0 if error is not None else 3,
            items=4,
            tolerance_relative_l2=0.1,
            tolerance_top1=None,
            reference="fp32",
            passed=True,
        )
        return examples.trial(parts=[examples.part(fidelity=fidelity)])

    def said(*trials: Any) -> list[str]:
        return row(results([case("torch@cpu:0", trials=list(trials))]), "torch@cpu:0")[2:-1]

    assert said(trial(1.64e-6, None), trial(1e-7, None)) == ["err 1.6e-6"]
    assert said(trial(1e-3, 1.0), trial(8.01e-2, 0.75)) == ["err 8.0e-2", "top-1 3 of 4"]
    assert said(trial(1e-3, 0.99)) == ["err 1.0e-3", "top-1 3 of 4"]
    assert said(trial(None, None)) == ["err NaN"]


TARGETS = [
    "torch@cpu:0",
    "onnxruntime+OpenVINO+device=AUTO:GPU,CPU@cpu:0[0-31]",
    *(f"torch+compile=max-autotune@npu:{n}" for n in range(5)),
    "simulated+latency_us=1500+item_us=500@sim:0",
]
MODELS = ["resnet8", "a-model-of-a-person-who-likes-names-that-say-everything-there-is-to-say.v2"]


def everything() -> Results:
    """Eight targets, long names, and every way a case can end or be uncertain."""
    full = {
        "latency_p99_ns": summary(123_456_789),
        "joules_per_item": summary(0.0123),
        "mean_power_w": summary(612),
        "achieved_flops_per_s": summary(5e12),
        "throughput_drop_percent": Summary(value=12.34, n=1, least=12.34, most=12.34),
    }
    kinds: list[dict[str, Any]] = [
        {"summary": {LATENCY: summary(123_456_789), **full}},
        {"summary": {LATENCY: summary(1.54e6, spread=0.3, unsteady="two states"), **full}},
        {"status": "unsupported", "reason": "bf16 is not offered here", "summary": {}},
        {"status": "out-of-memory", "reason": "memory ran out", "summary": {}},
        {"status": "invalid", "reason": "8 outputs are NaN", "summary": {}},
        {"summary": {LATENCY: summary(987_654_321, 2)}},
        {"summary": {LATENCY: summary(9.99e9, 1)}},
        {"scenario": "offline", "summary": {RATE: summary(123_456), **full}},
    ]
    cases = [
        case(target, model, **fields)
        for model in MODELS
        for target, fields in zip(TARGETS, kinds, strict=True)
    ]
    return results(cases)


FIGURES = {
    "en": [
        *("123 ms [121, 126]", "~1.5 ms (1.1-2.0) unsteady", "988 ms (968-1007, 2 trials)"),
        *("9.99 s (1 trial)", "123 k items/s [121, 126]"),
        *("ok", "unsupported", "out-of-memory", "invalid"),
    ],
    "zh": [
        *("123 ms [121, 126]", "~1.5 ms (1.1-2.0) 不稳定", "988 ms (968-1007, 2 次试验)"),
        *("9.99 s (1 次试验)", "123 k 样本/秒 [121, 126]"),
        *("正常", "不支持", "内存不足", "无效"),
    ],
}


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_cell_is_cut(monkeypatch: pytest.MonkeyPatch, lang: str, width: int) -> None:
    monkeypatch.setenv("HETBENCH_LANG", lang)
    lines = shown(everything(), width).splitlines()
    assert "…" not in "".join(lines)
    assert not [line for line in lines if cell_len(line) > width]
    rows = [line for line in lines if re.match(r"  T\d ", line)]
    assert len(rows) == len(TARGETS) * len(MODELS)
    for wanted in FIGURES[lang]:
        assert [line for line in rows if re.search(rf"  {re.escape(wanted)}(  |$)", line)], wanted
    text = "".join(lines)
    for name in (*TARGETS, *MODELS):  # long ones are folded, or stand in the legend
        assert name in text
    assert text.count("fp32") >= len(MODELS)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_wider_terminal_shows_more(monkeypatch: pytest.MonkeyPatch, lang: str) -> None:
    monkeypatch.setenv("HETBENCH_LANG", lang)
    cells = []
    for width in (80, 100, 120):
        lines = shown(everything(), width).splitlines()
        first = next(line for line in lines if line.startswith("  T1 "))
        cells.append(len(re.split(r"  +", first.strip())))
    assert cells[0] < cells[1] <= cells[2]


def test_whether_outputs_are_right_has_room_before_their_tail() -> None:
    check = Fidelity(
        relative_l2=1.6e-6,
        top1_agreement=None,
        not_finite=0,
        items=4,
        tolerance_relative_l2=0.1,
        tolerance_top1=None,
        reference="fp32",
        passed=True,
    )
    fields = {
        "summary": {LATENCY: summary(1e6, unsteady="two states"), "latency_p99_ns": summary(2e6)},
        "trials": [examples.trial(parts=[examples.part(fidelity=check)])],
    }
    lines = shown(results([case("onnxruntime@cpu:0", **fields)]), 70).splitlines()
    (titles,) = (line for line in lines if line.startswith("  target"))
    assert titles.split() == ["target", "median", "fidelity", "status"]


def test_a_column_that_few_rows_fill_gives_way() -> None:
    flops = {"achieved_flops_per_s": summary(5e12)}
    tail = {LATENCY: summary(1e6), "latency_p99_ns": summary(2e6), **flops}
    cases = [case("torch@cpu:0", name, summary=tail) for name in ("a", "b", "c")]
    assert " p99 " in shown(results(cases), 60) and "FLOP/s " not in shown(results(cases), 60)
    bare = [case("torch@cpu:0", name, summary={LATENCY: summary(1e6), **flops}) for name in "bc"]
    found = shown(results([cases[0], *bare]), 60)
    assert " FLOP/s " in found and "no room for: p99" in found


def test_what_had_no_room_is_named() -> None:
    assert re.search("no room for: .*FLOP/s", shown(everything(), 80).replace("\n", " "))
    assert "no room for" not in shown(everything(), 250)


def test_short_names_only_where_they_are_needed() -> None:
    found = results([case("torch@cpu:0"), case("onnxruntime+OpenVINO@cpu:0")])
    assert "T1" not in shown(found, 80)
    assert "T1" not in shown(everything(), 250)
    assert "T8  simulated+latency_us=1500" in shown(everything(), 80)


class Counted(list[Case]):
    """Cases that count how often they are gone through."""

    times = 0

    def __iter__(self) -> Iterator[Case]:
        self.times += 1
        return super().__iter__()

    def __getitem__(self, at: SupportsIndex | slice) -> Any:
        raise AssertionError("the cases are not looked up one by one")


def test_the_work_does_not_grow_with_targets_times_cases() -> None:
    def passes(count: int) -> int:
        cases = Counted(case(f"torch@npu:{n}") for n in range(count))
        shown(results(cases).model_copy(update={"cases": cases}))
        return cases.times

    assert passes(40) == passes(4)


def test_a_real_summary_goes_through() -> None:
    plain = examples.results()
    assert "1.00 ms [1.00, 1.00]" in shown(plain)
    two = summarize([trial.metrics for trial in plain.cases[0].trials[:2]])
    cases = [plain.cases[0].model_copy(update={"summary": two})]
    assert "(1.00-1.00, 2 trials)" in shown(plain.model_copy(update={"cases": cases}))


def test_no_cases_at_all() -> None:
    assert "torch@cpu:0" in shown(examples.results(cases=[]))
