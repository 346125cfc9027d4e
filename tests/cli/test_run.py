"""The main job through the command line, on the simulated device, whose time is exact."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.conftest import Cli

Write = Callable[..., str]
SIM = "simulated+latency_us=1500+item_us=500@sim:0"


def test_exact_figures(cli: Cli) -> None:
    results = cli.json("run", "smoke", "-t", SIM, "--trials", "3", "-o", "r.json")
    by_scenario = {case["scenario"]: case for case in results["cases"]}
    latency = by_scenario["single-stream"]["summary"]["latency_p50_ns"]
    # 2 ms on the device and 1 us of host time to enqueue, which a single inference waits for
    assert latency["value"] == pytest.approx(2e6, rel=1e-3)
    assert latency["low"] == pytest.approx(latency["high"])
    assert latency["n"] == 3
    offline = by_scenario["offline"]
    batch = offline["batch"]
    rate = offline["summary"]["throughput_items_per_s"]["value"]
    assert rate == pytest.approx(batch / (1.5e-3 + 0.5e-3 * batch), rel=1e-2)
    assert results["simulated"] is True
    assert any("simulated" in warning["text"] for warning in results["warnings"])


def test_the_search_stops_where_a_larger_batch_gains_nothing(cli: Cli) -> None:
    args = ["run", "smoke", "-s", "offline", "-t", "simulated+item_us=100@sim:0"]
    (case,) = cli.json(*args)["cases"]
    assert case["batch"] == 1
    assert [point["batch"] for point in case["batch_search"]] == [1, 2, 4]


def test_the_search_stops_at_the_end_of_memory(cli: Cli) -> None:
    target = "simulated+latency_us=1000+memory_mib=100+item_mib=10@sim:0"
    (case,) = cli.json("run", "smoke", "-s", "offline", "-t", target)["cases"]
    assert case["batch"] == 8
    assert case["batch_search"][-1]["batch"] == 16
    assert "memory ran out" in case["batch_search"][-1]["reason"]


def test_an_unsupported_percentile_is_absent(cli: Cli, suite: Write) -> None:
    results = cli.json("run", suite(budget_s=0.1), "-t", "simulated+latency_us=5000@sim:0")
    metrics = results["cases"][0]["trials"][0]["metrics"]
    assert "latency_p50_ns" in metrics
    assert "latency_p99_ns" not in metrics
    results = cli.json(
        "run", suite(budget_s=2.0, least_s=1.9), "-t", "simulated+latency_us=1000@sim:0"
    )
    assert "latency_p99_ns" in results["cases"][0]["trials"][0]["metrics"]


def test_warm_up_is_kept_and_marked(cli: Cli, suite: Write) -> None:
    target = "simulated+latency_us=1000+warmup_runs=30@sim:0"
    results = cli.json("run", suite(warmup_s=0.5), "-t", target)
    series = results["cases"][0]["trials"][0]["parts"][0]["series"]["latency"]
    assert series["warmup"] >= 30
    assert series["steady"]
    latency = results["cases"][0]["summary"]["latency_p50_ns"]["value"]
    assert latency == pytest.approx(1e6, rel=2e-2)


def test_order_is_seeded_and_interleaved(cli: Cli) -> None:
    args = ["run", "smoke", "-t", "simulated@sim:0", "--trials", "2"]
    args += ["-b", "1"]  # a search has no say in the order
    orders = [cli.json(*args, "--seed", seed)["run"]["order"] for seed in ("1", "1", "4")]
    assert orders[0] == orders[1] != orders[2]
    for block in range(2):
        cases = [step.split("#")[0] for step in orders[0][2 * block : 2 * block + 2]]
        assert len(set(cases)) == 2


def test_the_same_case_has_the_same_id_and_version_in_every_run(cli: Cli) -> None:
    args = ["run", "smoke", "--dry-run", "-t", "simulated@sim:0"]
    cases = cli.json(*args)["cases"]
    assert cli.json(*args)["cases"] == cases
    other = cli.json(*args, "--budget", "9")["cases"]
    assert [case["id"] for case in other] == [case["id"] for case in cases]
    assert [case["version"] for case in other] != [case["version"] for case in cases]


def test_a_dry_run_leaves_nothing(cli: Cli) -> None:
    before = sorted(cli.folder.iterdir())
    done = cli("run", "smoke", "--dry-run", "-t", "simulated@sim:0")
    assert done.returncode == 0
    assert "resnet8/fp32/b1/single-stream/simulated@sim:0" in done.stdout
    assert "cases: 2, trials: 2; takes about" in done.stdout
    assert sorted(cli.folder.iterdir()) == before


def test_only_json_on_standard_output(cli: Cli) -> None:
    done = cli("run", "smoke", "-t", "simulated@sim:0", "--json")
    assert json.loads(done.stdout)["results"]["kind"] == "hetbench-results"
    assert "[1/2]" in done.stderr


def test_the_table(cli: Cli) -> None:
    done = cli("run", "smoke", "-t", "simulated+latency_us=2000@sim:0", "-o", "r.json")
    assert done.returncode == 0
    for word in ("resnet8", "2.00 ms", "SIMULATED", "results file: r.json", "power unavailable"):
        assert word in done.stdout
    shown = cli("show", "r.json")
    assert shown.returncode == 0
    assert shown.stdout.splitlines()[:4] == done.stdout.splitlines()[:4]


def test_simulated_is_never_picked_unless_named(cli: Cli) -> None:
    cases = cli.json("run", "smoke", "--dry-run")["cases"]
    assert cases
    assert not any("simulated" in case["id"] for case in cases)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["run", "quik"], "quick"),
        (["run", "-m", "resnet51"], "resnet50"),
        (["run", "-p", "fp8"], "fp16"),
        (["run", "-s", "ofline"], "offline"),
        (["run", "-t", "torhc@cpu:0"], "torch"),
        (["run", "-t", "torch"], "torch@cuda:0"),
        (["run", "-t", "simulated@sim:9"], "sim:7"),
        (["run", "-t", "simulated+fault=hnag@sim:0"], "hang"),
        (["run", "-t", "onnxruntime+OpenVIN@cpu:0"], "OpenVINO"),
        (["run", "--shape", "x=1x3"], "--onnx"),
        (["run", "-b", "0", "-t", "simulated@sim:0"], "batch"),
        (["run", "--budget", "-1", "-t", "simulated@sim:0"], "budget_s"),
        (["run", "--nonsense"], "--nonsense"),
    ],
)
def test_usage_errors_name_what_is_near(cli: Cli, args: list[str], words: str) -> None:
    done = cli(*args)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_bad_suite_names_line_and_key(cli: Cli, suite: Write) -> None:
    path = suite(models='["resnet8", "resnet9"]')
    done = cli("run", path, "-t", "simulated@sim:0")
    assert done.returncode == 4
    assert f"{path}:11" in done.stderr
    assert "cases.0.models.1" in done.stderr
    assert "resnet8" in done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not complete JSON"),
        ('{"kind": "hetbench-results", ', "truncated"),
        ("[" * 100_000, "nested too deeply"),
        ('{"kind": "other"}', "not a hetbench results file"),
        ('{"kind": "hetbench-results", "schema_version": 99}', "schema version 99"),
        ('{"kind": "hetbench-results", "schema_version": "1-draft"}', "not a valid results file"),
    ],
)
def test_a_foreign_file_is_refused_in_one_sentence(cli: Cli, text: str, words: str) -> None:
    (cli.folder / "r.json").write_text(text)
    done = cli("show", "r.json")
    assert done.returncode == 4
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_sustained_finds_a_device_that_throttles(cli: Cli) -> None:
    target = "simulated+latency_us=1000+throttle_s=60+throttle_share=0.3@sim:0"
    args = ["run", "smoke", "-s", "sustained", "-b", "1", "--budget", "180", "-t", target]
    done = cli(*args, "-o", "r.json")
    assert done.returncode == 0, done.stderr
    # said before it starts, and one trial is enough of a load that takes as long as one asks for
    assert "cases: 1, trials: 1; takes about" in done.stderr
    (case,) = cli.json("show", "r.json")["cases"]
    drop = case["summary"]["throughput_drop_percent"]["value"]
    assert drop == pytest.approx(30, abs=2)
    assert f"{drop:.1f} %" in done.stdout
    assert f"warning: throughput fell by {drop:.1f} %" in done.stdout


def test_sustained_does_not_cry_throttle_without_reason(cli: Cli) -> None:
    args = ["run", "smoke", "-s", "sustained", "-b", "1", "--budget", "180"]
    done = cli(*args, "-t", "simulated+latency_us=1000@sim:0", "-o", "r.json")
    assert "drop" in done.stdout
    assert "throttles" not in done.stdout


def test_a_dry_run_says_how_long_it_would_take(cli: Cli) -> None:
    args = ["run", "smoke", "--dry-run", "-t", "simulated@sim:0"]
    assert cli.json(*args)["trials"] == 2
    longer = cli.json(*args, "--trials", "7")
    assert longer["trials"] == 14
    assert longer["at_most_s"] > longer["about_s"] > cli.json(*args)["about_s"]


def test_chinese(cli: Cli) -> None:
    env = {"HETBENCH_LANG": "zh"}
    done = cli("run", "smoke", "-t", "simulated+fault=nan@sim:0", env=env)
    assert "警告" in done.stdout
    assert "中位数" in done.stdout
    wrong = cli("run", "quik", env=env)
    assert "quick" in wrong.stderr
    assert "no suite" not in wrong.stderr
