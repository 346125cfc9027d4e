"""The main job on the real runtimes of this machine."""

from __future__ import annotations

import json
import os

import pytest

from bench import scenarios
from bench.results import file as results_file
from tests.conftest import Cli

OPENVINO = "onnxruntime+OpenVINO@cpu:0"
PROVIDERS = {
    "torch@cpu:0": None,
    "onnxruntime@cpu:0": "CPUExecutionProvider",
    OPENVINO: "OpenVINOExecutionProvider",
}
"""Target -> the provider that must run every node."""


@pytest.mark.parametrize(
    "target",
    [
        "torch@cpu:0",
        "onnxruntime@cpu:0",
        pytest.param(OPENVINO, marks=pytest.mark.needs_target(OPENVINO)),
    ],
)
def test_smoke_on_every_runtime(cli: Cli, target: str) -> None:
    person = {"USER": "zaphod", "LOGNAME": "zaphod"}
    results = cli.json("run", "smoke", "-t", target, "-o", "r.json", env=person)
    assert {case["target"] for case in results["cases"]} == {target}
    for case in results["cases"]:
        (trial,) = case["trials"]
        assert case["status"] == "ok", case["reason"]
        assert trial["parts"][0]["fidelity"]["passed"]
        assert trial["parts"][0]["fidelity"]["relative_l2"] < 1e-4
        assert trial["parts"][0]["cold_start"]["load_ns"] > 0
        assert trial["parts"][0]["memory"]["host_peak_bytes"] > 50e6
        if PROVIDERS[target]:
            assert trial["parts"][0]["placement"]["share"] == 1.0
            assert trial["parts"][0]["placement"]["wanted"] == PROVIDERS[target]
            assert len(case["onnx_sha256"]) == 64
    (one,) = results["targets"]
    assert one["threads"] >= 1
    assert "zaphod" not in json.dumps(results)

    # every derived figure can be computed again from the raw samples of the file
    stored = results_file.read(cli.folder / "r.json")
    for record in stored.cases:
        for trial_record in record.trials:
            again = scenarios.derive(record.scenario, trial_record.parts, [record.flops_per_item])
            assert trial_record.metrics == again


@pytest.mark.parametrize("precision", ["int8", "bf16"])
def test_low_precision(cli: Cli, precision: str) -> None:
    target = "onnxruntime@cpu:0" if precision == "int8" else "torch@cpu:0"
    args = ["run", "smoke", "-s", "single-stream", "-p", precision, "-t", target]
    (case,) = cli.json(*args)["cases"]
    assert 1e-4 < case["trials"][0]["parts"][0]["fidelity"]["relative_l2"] < 0.2


def test_a_precision_the_target_lacks_is_unsupported(cli: Cli) -> None:
    args = ["run", "smoke", "-s", "single-stream", "-p", "tf32", "-t", "torch@cpu:0"]
    (case,) = cli.json(*args, code=3)["cases"]
    assert case["status"] == "unsupported"
    assert case["trials"] == []


def test_a_partition_of_the_cpu(cli: Cli) -> None:
    core = min(os.sched_getaffinity(0))
    args = ["run", "smoke", "-s", "single-stream", "-t", f"onnxruntime@cpu:0[{core}]"]
    results = cli.json(*args)
    (target,) = results["targets"]
    assert target["device"]["cores"] == [core]
    assert target["threads"] == 1


def test_the_parent_sleeps_while_a_trial_measures(cli: Cli) -> None:
    args = ["run", "smoke", "-s", "single-stream", "--budget", "4", "-t", "onnxruntime@cpu:0"]
    (case,) = cli.json(*args)["cases"]
    assert case["trials"][0]["parent_cpu_share"] < 0.01


def test_a_flipped_bit_in_a_prepared_file_is_mended_before_anything_runs(cli: Cli) -> None:
    cache = cli.folder / "cache"
    args = ["run", "smoke", "-s", "single-stream", "-m", "ds-cnn", "-t", "onnxruntime@cpu:0"]
    env = {"HETBENCH_CACHE": str(cache)}
    (before,) = cli.json(*args, env=env)["cases"]
    whole = {path.name: path.read_bytes() for path in (*cache.glob("*.onnx"), *cache.glob("*.npz"))}
    assert {name.rpartition(".")[2] for name in whole} == {"onnx", "npz"}
    for name, content in whole.items():
        middle = len(content) // 2
        (cache / name).write_bytes(
            content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        )
    done = cli(*args, "-o", "r.json", env=env)
    assert done.returncode == 0, done.stderr
    for name, content in whole.items():
        assert f"the prepared file {name} was damaged; it is made again" in done.stderr
        if name.endswith(".onnx"):
            assert (cache / name).read_bytes() == content
    (after,) = results_file.read(cli.folder / "r.json").cases
    assert after.onnx_sha256 == before["onnx_sha256"]
    assert f"{after.onnx_sha256}.onnx" in " ".join(whole)
