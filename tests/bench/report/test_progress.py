"""What is shown while a run goes on."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from bench.figures.stats import Estimate
from bench.report.progress import Progress
from bench.results.trial import Metric, Trial
from bench.runner import suites
from bench.suite import Case

from .. import examples

TARGET = "onnxruntime+OpenVINO+device=GPU@cpu:0"
CASE = suites.cases(suites.load("smoke"), [TARGET])[0]


def trial(index: int, ns: float, **fields: object) -> Trial:
    figure = Metric(value=ns, low=ns / 2, high=ns * 2, n=20)
    return examples.trial(index, metrics={"latency_p50_ns": figure}, **fields)


def told(terminal: bool, width: int, trials: list[Trial], case: Case = CASE) -> list[str]:
    """The lines left on the screen after the trials."""
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None)
    progress = Progress(console)  # not entered: what it shows for a moment only is not in it
    for index, one in enumerate(trials):
        progress.trial_started(case, index, index, len(trials))
        progress.trial_finished(case, one)
    return file.getvalue().splitlines()


def test_trials_are_told_by_their_range_and_not_by_an_interval_within_one() -> None:
    lines = told(False, 160, [trial(0, 8.0e6), trial(1, 9.0e6), trial(2, 8.5e6)])
    assert lines == [
        f"[1/3] ok  8.00 ms (1 trial)  {CASE.id} #1",
        f"[2/3] ok  9.00 ms (8.00-9.00, 2 trials)  {CASE.id} #2",
        f"[3/3] ok  8.50 ms (8.00-9.00, 3 trials)  {CASE.id} #3",
    ]


def test_a_trial_that_did_not_run_says_why_and_does_not_count() -> None:
    bad = trial(0, 1.0, status="failed", reason="the device is gone")
    lines = told(False, 160, [bad, trial(1, 8e6)])
    assert lines[0] == f"[1/2] failed  the device is gone  {CASE.id} #1"
    assert "8.00 ms (1 trial)" in lines[1]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_at_80_columns_the_case_has_a_line_of_its_own(
    monkeypatch: pytest.MonkeyPatch, lang: str
) -> None:
    monkeypatch.setenv("HETBENCH_LANG", lang)
    lines = told(True, 80, [trial(0, 8e6), trial(1, 9e6)])
    assert len(lines) == 4
    assert all(cell_len(line) <= 80 for line in lines)
    assert lines[1] == f"    {CASE.id} #1"
    assert "9.00 ms (8.00-9.00, 2 " in lines[2]
    short = replace(CASE, target="torch@cpu:0")
    assert len(told(True, 80, [trial(0, 8e6)], short)) == 1


def test_the_estimate_claims_no_interval() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    progress = Progress(console)
    progress.trial_started(CASE, 0, 0, 3)
    progress.estimate(CASE, Estimate(8e6, 4e6, 9e6, 1), 1)
    assert progress._live is not None
    with console.capture() as capture:
        console.print(progress._live.renderable)
    assert capture.get().splitlines() == ["[1/3]  8.00 ms", f"    {CASE.id} #1"]
