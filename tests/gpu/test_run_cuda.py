"""The main job on a CUDA GPU: large models, outputs checked, energy counted."""

from __future__ import annotations

import pytest
import torch

from tests.conftest import Cli

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not torch.cuda.is_available(), reason=f"torch {torch.__version__} sees no CUDA GPU"
    ),
    pytest.mark.timeout(900),
]

RUN = ["run", "large", "--trials", "1", "--budget", "5", "-t", "torch@cuda:0"]


@pytest.mark.parametrize("model", ["resnet50", "bert-large"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_large_models(cli: Cli, model: str, precision: str) -> None:
    results = cli.json(*RUN, "-m", model, "-p", precision, timeout=800)
    for case in results["cases"]:
        (trial,) = case["trials"]
        assert case["status"] == "ok", case["reason"]
        assert trial["parts"][0]["fidelity"]["passed"]
        assert trial["parts"][0]["memory"]["device_peak_bytes"] > case["weight_bytes"] / 2
        assert trial["metrics"]["device_event_p50_ns"]["value"] > 0
    assert results["targets"][0]["device"]["vendor"] == "NVIDIA"


def test_the_energy_counter_agrees_with_integrated_power(cli: Cli) -> None:
    args = ["-m", "bert-large", "-p", "bf16", "-s", "sustained", "-b", "32"]
    results = cli.json(*RUN, "--budget", "60", *args, timeout=800)
    (trial,) = results["cases"][0]["trials"]
    (figure, *_) = trial["parts"][0]["telemetry"]["figures"]
    assert figure["valid"], figure["reason"]
    assert figure["mean_w"] > figure["idle_w"]
    assert not [
        text for text in trial["parts"][0]["telemetry"]["warnings"] if "disagreement" in text
    ]
