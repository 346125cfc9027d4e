"""Which figures can be relied on, through the command line: trials that differ, trials of too few
samples, searches that did not end by themselves. The simulated device makes them exact."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.figures.metrics import summarize
from bench.results import file as results_file
from tests.conftest import Cli

Write = Callable[..., str]
P50 = "latency_p50_ns"


@pytest.fixture
def run(cli: Cli) -> Callable[..., tuple[Any, int]]:
    """Runs with levels of a device that begin anew; gives the results and the exit code."""

    def go(*args: str, options: str) -> tuple[Any, int]:
        env = {
            "HETBENCH_SIMULATED_STATE": str(cli.folder / f"state{len(list(cli.folder.iterdir()))}")
        }
        done = cli("run", *args, "-t", f"simulated+{options}@sim:0", "--json", env=env)
        return json.loads(done.stdout)["results"], done.returncode

    return go


Run = Callable[..., tuple[Any, int]]


def warned(results: Any) -> list[str]:
    return [one["text"] for one in results["warnings"] if "simulated" not in one["text"]]


def test_two_states_are_unsteady_and_still_ok(run: Run, suite: Write) -> None:
    results, code = run(suite(trials=5), options="latency_us=1000+levels=1,1.7,1,1.7,1")
    (case,) = results["cases"]
    assert (case["status"], code) == ("ok", 0)
    figure = case["summary"][P50]
    assert figure["unsteady"] == "two states: 1.00 ms in 3 trials, 1.70 ms in 2"
    assert figure["least"] == 1e6 and figure["most"] == 1.7e6
    text = "the figures of 1 of 1 cases are unsteady from trial to trial; "
    assert any(one.startswith(text) for one in warned(results))


def test_a_suite_states_its_bounds_and_the_file_holds_them(
    cli: Cli, run: Run, suite: Write
) -> None:
    path = Path(suite(trials=3))
    options = "latency_us=1000+levels=1,1.2,1.4"
    results, code = run(str(path), "--strict", options=options)
    assert (results["cases"][0]["status"], code) == ("ok", 3)
    assert "at most 30% is steady" in results["cases"][0]["summary"][P50]["unsteady"]
    assert results["suite"]["bounds"]["*"] == 0.3
    path.write_text(
        path.read_text().replace("[measure]", "[bounds]\nlatency_p50_ns = 1\n[measure]")
    )
    allowed, code = run(str(path), "--strict", "-o", "r.json", options=options)
    assert allowed["cases"][0]["summary"][P50]["unsteady"] is None
    assert allowed["cases"][0]["summary"]["latency_mean_ns"]["unsteady"] is not None
    assert (allowed["suite"]["bounds"][P50], code) == (1.0, 0)
    assert allowed["suite"]["digest"] != results["suite"]["digest"]
    assert allowed["cases"][0]["version"] == results["cases"][0]["version"]
    # whoever has the file can compute the flags again
    stored = results_file.read(cli.folder / "r.json")
    (case,) = stored.cases
    assert summarize([t.metrics for t in case.trials], stored.suite.bounds) == case.summary


def test_one_or_two_trials_have_a_range_and_no_interval(run: Run, suite: Write) -> None:
    results, code = run(suite(trials=2), "--strict", options="latency_us=1000+levels=1,9")
    assert code == 0
    figure = results["cases"][0]["summary"][P50]
    assert (figure["n"], figure["low"], figure["high"], figure["unsteady"]) == (2, None, None, None)
    assert figure["least"] == 1e6 and figure["most"] == 9e6


def test_a_trial_goes_over_its_budget_for_its_least_samples(run: Run, suite: Write) -> None:
    args = suite(budget_s=0.2, least_s=0.1, warmup_s=0.0)
    results, _ = run(args, options="latency_us=20000+jitter=0.3")
    (trial,) = results["cases"][0]["trials"]
    series = trial["parts"][0]["series"]["latency"]
    assert series["stopped_by"] == "extended"
    assert series["samples"]["n"] - series["warmup"] == 20
    assert not any("budgets" in text for text in warned(results))


def test_a_trial_of_one_sample_has_no_interval_anywhere(cli: Cli, run: Run, suite: Write) -> None:
    args = suite(trials=3, budget_s=0.2, warmup_s=0.0)
    results, code = run(args, "--strict", options="latency_us=45000000+levels=1,2,1e-9")
    (case,) = results["cases"]
    assert (case["status"], code) == ("ok", 3)
    for trial in case["trials"][:2]:
        figure = trial["metrics"][P50]
        assert (figure["n"], figure["low"], figure["high"]) == (1, None, None)
    texts = {one["text"]: one["case"] for one in results["warnings"]}
    said = "the series latency was ended at 4 budgets, still short of samples (as few as 1); "
    said += "raise --budget"
    assert texts[said] == case["id"]
    assert any("without any interval in resnet8" in text for text in texts)
    done = cli("run", args, "-t", "simulated+latency_us=45000000@sim:0", "--trials", "1")
    assert "45.0 s" in done.stdout + done.stderr
    assert "45.0 s [" not in done.stdout + done.stderr


def test_a_trial_with_fewer_samples_than_slots_is_ok(run: Run, suite: Write) -> None:
    args = suite(budget_s=0.1, warmup_s=0.0, slots=4)
    results, _ = run(args, options="latency_us=300000")
    (case,) = results["cases"]
    assert (case["status"], case["reason"]) == ("ok", None)
    assert case["trials"][0]["parts"][0]["series"]["latency"]["samples"]["n"] < 4
    assert case["trials"][0]["metrics"]["device_event_p50_ns"]["value"] == 300e6


def test_what_a_search_found_is_told_from_what_was_fixed(run: Run) -> None:
    args = ["smoke", "-m", "autoencoder", "-s", "offline"]
    searched, _ = run(*args, options="item_us=100")
    (case,) = searched["cases"]
    assert (case["batch"], case["found"]) == (1, {"batch": 1})
    assert (case["batch_search_end"], case["batch_search_reason"]) == ("level", None)
    fixed, _ = run(*args, "-b", "1", options="item_us=100")
    (case,) = fixed["cases"]
    assert (case["batch"], case["found"], case["batch_search_end"]) == (1, {}, None)


def test_a_search_ends_at_the_end_of_memory(run: Run) -> None:
    options = "latency_us=1000+memory_mib=100+item_mib=10"
    results, code = run("smoke", "-s", "offline", "--strict", options=options)
    (case,) = results["cases"]
    assert (case["batch_search_end"], case["found"], code) == ("memory", {"batch": 8}, 0)
    assert not any("search" in text for text in warned(results))


def test_a_search_that_an_error_cut_short_is_said(run: Run) -> None:
    options = "latency_us=1000+memory_mib=100+item_mib=10+fault=wrong-error"
    results, code = run("smoke", "-s", "offline", "--strict", options=options)
    (case,) = results["cases"]
    assert (case["status"], code) == ("ok", 3)
    assert (case["batch_search_end"], case["found"]) == ("cut-short", {"batch": 8})
    why = "at batch 16: ValueError: the request could not be served"
    assert case["batch_search_reason"] == why
    assert case["batch_search"][-1]["batch"] == 16
    texts = {one["text"]: one["case"] for one in results["warnings"]}
    said = f"the batch search was cut short, {why}; a larger batch may be faster: name one with "
    assert texts[f"{said}--batch"] == case["id"]


def test_a_search_that_was_killed_is_said(run: Run) -> None:
    results, _ = run("smoke", "-s", "offline", options="fault=crash-kill")
    (case,) = results["cases"]
    assert (case["status"], case["batch_search_end"]) == ("crashed", "cut-short")
    assert case["batch_search_reason"] == "at batch 1: the process ended with SIGKILL"
    assert case["found"] == {}


def test_a_search_that_hit_its_cap_is_said(run: Run) -> None:
    args = ["smoke", "-m", "autoencoder", "-s", "offline"]
    results, code = run(*args, "--strict", options="latency_us=1000")
    (case,) = results["cases"]
    assert (case["batch_search_end"], case["found"], code) == ("cap", {"batch": 4096}, 0)
    assert any(text.startswith("the batch search hit its cap of 4096") for text in warned(results))


def test_more_than_the_datasheet_allows_is_said_in_the_file(cli: Cli, run: Run) -> None:
    args = ["smoke", "-m", "resnet50", "-s", "single-stream", "--strict", "--budget", "0.01"]
    results, code = run(*args, "-o", "r.json", options="latency_us=40")
    (case,) = results["cases"]
    assert (case["status"], code) == ("ok", 3)
    texts = {one["text"]: one["case"] for one in results["warnings"]}
    (said,) = (text for text in texts if "of what the datasheet allows" in text)
    assert texts[said] == case["id"]
    done = cli("show", "r.json")
    assert done.stdout.count(said) == 1


def test_a_sustained_load_is_not_told_to_warm_up_longer(run: Run) -> None:
    args = ["-b", "1", "--budget", "3"]
    short = "latency_us=1000+throttle_s=0.1+throttle_share=0.5"
    results, _ = run("smoke", "-s", "sustained", *args, options=short)
    (series,) = results["cases"][0]["trials"][0]["parts"][0]["series"].values()
    assert not series["steady"]
    assert not any("warmup_s" in text or "--budget" in text for text in warned(results))
