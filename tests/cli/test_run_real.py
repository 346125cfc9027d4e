"""The main job on the real runtimes of this machine."""

from __future__ import annotations

import json
import os

import pytest

from bench import metrics, results_file
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
        assert trial["fidelity"]["passed"]
        assert trial["fidelity"]["relative_l2"] < 1e-4
        assert trial["cold_start"]["load_ns"] > 0
        assert trial["memory"]["host_peak_bytes"] > 50e6
        if PROVIDERS[target]:
            assert trial["placement"]["share"] == 1.0
            assert trial["placement"]["wanted"] == PROVIDERS[target]
            assert len(case["onnx_sha256"]) == 64
    (one,) = results["targets"]
    assert one["threads"] >= 1
    assert "zaphod" not in json.dumps(results)

    # every derived figure can be computed again from the raw samples of the file
    stored = results_file.read(cli.folder / "r.json")
    for record in stored.cases:
        for trial_record in record.trials:
            again = metrics.derive(
                trial_record.series,
                record.flops_per_item,
                record.items_per_run or 1,
                trial_record.device_event_ns,
            )
            assert trial_record.metrics == again


@pytest.mark.parametrize("precision", ["int8", "bf16"])
def test_low_precision(cli: Cli, precision: str) -> None:
    target = "onnxruntime@cpu:0" if precision == "int8" else "torch@cpu:0"
    args = ["run", "smoke", "-s", "single-stream", "-p", precision, "-t", target]
    (case,) = cli.json(*args)["cases"]
    assert 1e-4 < case["trials"][0]["fidelity"]["relative_l2"] < 0.2


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
