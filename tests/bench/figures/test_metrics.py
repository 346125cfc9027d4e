"""Derived figures: by hand from small series, and again from a stored file."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench import scenarios
from bench.energy.meter import energy_metrics
from bench.figures import metrics
from bench.figures.metrics import measured, summarize
from bench.results import file as results_file
from bench.results.records import Summary
from bench.results.telemetry import EnergyFigure
from bench.results.trial import Metric
from bench.scenarios.scenario import Seen
from bench.suite import BOUNDED

from ..examples import part, results, samples, series

MS = 1_000_000


def test_latency_figures_are_order_statistics_after_warm_up() -> None:
    values = [50 * MS, *range(1 * MS, 11 * MS, MS)]  # one warm-up, then 1 to 10 ms
    found = metrics.latency(series(values, warmup=1), None)
    assert found == {
        "latency_p50_ns": Metric(value=5 * MS, low=2 * MS, high=9 * MS, n=10),
        "latency_mean_ns": Metric(value=5.5 * MS, n=10),
    }


@pytest.mark.parametrize(
    ("n", "names"),
    [
        (43, {"p50"}),
        (44, {"p50", "p90"}),
        (459, {"p50", "p90", "p99"}),
        (4603, {"p50", "p90", "p99", "p999"}),
    ],
)
def test_percentiles_the_samples_cannot_support_are_absent(n: int, names: set[str]) -> None:
    found = metrics.latency(series([MS] * n), None)
    assert found.keys() == {"latency_mean_ns", *(f"latency_{name}_ns" for name in names)}


def test_a_suite_may_bound_every_metric_but_changes_in_percent() -> None:
    """What no metric is called would bound nothing, and is refused."""
    names = ("latency", "query", "round", "end_to_end_round")
    made = dict.fromkeys(names, series([MS] * 5000))
    one = part(series=made, device_event_ns=samples([MS] * 9))
    known = {metric for name in scenarios.names() for metric in scenarios.derive(name, [one], [1])}
    numbers = {one.name: 1.0 for one in fields(EnergyFigure)}
    figure = SimpleNamespace(**{**numbers, "device": "cpu:0", "readings": 9})
    telemetry: Any = SimpleNamespace(figures=[figure])
    known |= set(energy_metrics(telemetry, "cpu:0"))
    assert known == {*BOUNDED, "throughput_drop_percent"}


def test_flops_are_those_of_all_items_of_a_run_over_the_median() -> None:
    found = metrics.latency(series([2 * MS] * 10, items=8), 3_000_000)
    rate = found["achieved_flops_per_s"]
    assert rate == Metric(value=12e9, low=12e9, high=12e9, n=10)


def test_throughput_is_items_over_time() -> None:
    rounds = series([*[100 * MS] * 6, 50 * MS, 100 * MS], items=20, warmup=1)
    found = metrics.throughput("throughput", rounds)
    assert found["throughput_items_per_s"].value == pytest.approx(200)
    mean = found["throughput_mean_items_per_s"]
    assert (mean.value, mean.n) == (pytest.approx(7 * 20 / 0.65), 7)


def test_the_ends_of_a_rate_s_interval_are_those_of_the_time_exchanged() -> None:
    rounds = series([(100 + i) * MS for i in range(11)], items=100)
    time = metrics.latency(rounds, None)["latency_p50_ns"]
    rate = metrics.throughput("throughput", rounds)["throughput_items_per_s"]
    assert time.low is not None and time.high is not None
    assert rate.low == 100 * 1e9 / time.high
    assert rate.high == 100 * 1e9 / time.low
    assert rate.low < rate.value < rate.high
    flops = metrics.achieved(rounds, 7)["achieved_flops_per_s"]
    assert flops.value == pytest.approx(7 * rate.value)


def test_resident_and_end_to_end_throughput_are_measured_apart() -> None:
    both = {
        "round": series([10 * MS] * 8, items=4),
        "end_to_end_round": series([20 * MS] * 8, items=4),
    }
    found = scenarios.get("offline").figures([Seen(both, None)])
    assert found["throughput_items_per_s"].value == pytest.approx(400)
    assert found["throughput_end_to_end_items_per_s"].value == pytest.approx(200)
    assert not any(name.startswith("latency") for name in found)


def test_sustained_load_compares_its_first_and_last_minute() -> None:
    # ten minutes in rounds of a second that take 1.25 s from the fifth minute on
    values = [1000 * MS] * 300 + [1250 * MS] * 240
    found = metrics.over_time(series(values, items=10, stopped_by="time"))
    first, last = (found[f"throughput_{end}_items_per_s"] for end in ("first", "last"))
    assert (first.value, first.n) == (pytest.approx(10), 60)
    assert (last.value, last.n) == (pytest.approx(8), 48)
    assert found["throughput_drop_percent"].value == pytest.approx(20)


def test_a_short_sustained_load_compares_its_first_and_last_sixth() -> None:
    values = [100 * MS] * 15 + [150 * MS] * 40 + [200 * MS] * 7 + [100 * MS]  # 9 s
    found = metrics.over_time(series(values, items=1, stopped_by="time"))
    first, last = (found[f"throughput_{end}_items_per_s"] for end in ("first", "last"))
    assert (first.value, first.n) == (pytest.approx(10), 15)
    assert (last.value, last.n) == (pytest.approx(8 / 1.5), 8)


def test_one_long_round_is_its_own_first_and_last_stretch() -> None:
    found = metrics.over_time(series([5000 * MS], items=1, stopped_by="time"))
    assert found["throughput_drop_percent"].value == 0


def test_device_time_stands_beside_host_time() -> None:
    latency = series([2 * MS] * 8)
    found = scenarios.derive(
        "single-stream",
        [part(series={"latency": latency}, device_event_ns=samples([1 * MS] * 20))],
        [None],
    )
    assert found["device_event_p50_ns"].value == MS
    assert found["latency_p50_ns"].value == 2 * MS


@pytest.mark.parametrize(
    ("values", "warmup"), [([], 0), ([MS] * 5, 5), ([MS, 0, MS], 0), ([MS, -1], 0)]
)
def test_a_series_without_time_is_an_error(values: list[int], warmup: int) -> None:
    with pytest.raises(ValueError, match="no samples after its warm-up"):
        metrics.latency(series(values, warmup=warmup), None)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
def test_foreign_samples_that_are_no_times_are_an_error(bad: float) -> None:
    with pytest.raises(ValueError, match="took no time"):
        measured(series([MS, MS], samples=samples([1e6, bad])))


def test_sums_of_foreign_samples_do_not_wrap_around() -> None:
    found = metrics.throughput("throughput", series([MS], samples=samples([2**62] * 4)))
    assert found["throughput_mean_items_per_s"].value == pytest.approx(1e9 / 2**62)


def one(value: float, low: float | None = None, high: float | None = None) -> dict[str, Metric]:
    return {"x": Metric(value=value, low=low, high=high, n=100)}


def test_a_case_is_the_geometric_mean_of_its_trials() -> None:
    found = summarize([one(1.0), one(2.0), one(4.0)])["x"]
    assert found.value == pytest.approx(2)
    assert found.n == 3
    assert found.low is not None and found.high is not None
    assert (found.least, found.most) == (1, 4)
    assert found.low * found.high == pytest.approx(4)  # symmetric around 2 as ratios
    # t(0.975, 2) = 4.3027, standard deviation of the logarithms ln 2
    assert found.high == pytest.approx(2 * math.exp(4.3027 * math.log(2) / math.sqrt(3)), rel=1e-4)


def test_below_three_trials_there_is_a_range_and_no_interval() -> None:
    alone = summarize([one(10, 9, 11)])["x"]
    assert alone == Summary(value=10, n=1, least=10, most=10)
    pair = summarize([one(9, 8, 10), one(11, 10, 12)])["x"]
    assert (pair.low, pair.high, pair.n) == (None, None, 2)
    assert (pair.least, pair.most) == (9, 11)


def test_a_metric_that_some_trial_lacks_has_no_summary() -> None:
    assert summarize([one(10), {}, one(10)]) == {}
    assert summarize([{}, one(10)]) == {}


def test_a_change_in_percent_is_averaged_as_it_is() -> None:
    drops = [{"throughput_drop_percent": Metric(value=v, n=9)} for v in (0.01, 10.0, 1.99)]
    assert summarize(drops)["throughput_drop_percent"].value == pytest.approx(4)
    assert summarize([one(0.0), one(2.0)])["x"].value == 1


def test_nothing_comes_of_nothing() -> None:
    with pytest.raises(ValueError, match="it holds no series 'latency'"):
        scenarios.derive("single-stream", [part(series={})], [None])
    with pytest.raises(ValueError, match="there is no scenario 'solo'"):
        scenarios.derive("solo", [part()], [None])
    with pytest.raises(ValueError, match="it holds 2 parts, and its scenario has one"):
        scenarios.derive("single-stream", [part(), part()], [None, None])
    assert summarize([]) == {}


def test_every_figure_of_a_file_can_be_computed_again(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    path.write_text(results_file.dumps(results()))
    stored = results_file.read(path).cases[0]
    for one in stored.trials:
        again = scenarios.derive(stored.scenario, one.parts, [stored.flops_per_item])
        assert again == one.metrics
        assert again["latency_p50_ns"].value > 0
    assert summarize([trial.metrics for trial in stored.trials]) == stored.summary


def test_the_median_agrees_with_numpy() -> None:
    values = np.random.default_rng(5).integers(MS, 2 * MS, 1001)
    found = metrics.latency(series(values.tolist()), None)
    assert found["latency_p50_ns"].value == np.median(values)
