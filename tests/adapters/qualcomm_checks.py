"""Qualcomm's NPU stack, its Hexagon processor emulated on x86: answers are real, times are not."""

from __future__ import annotations

import pytest

from .conftest import Command, case_of

TARGET = "onnxruntime@qnn:0"


def test_the_device_is_listed(hetbench: Command) -> None:
    answer = hetbench("devices", "--json")
    listed = {one["target"]: one for one in answer.json["targets"]}
    print(listed[TARGET])
    assert listed[TARGET]["device"]["vendor"] == "Qualcomm"
    assert listed[TARGET]["versions"]["QNNExecutionProvider"]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("model", ["resnet8", "ds-cnn", "autoencoder"])
def test_models_run_on_the_npu_alone(hetbench: Command, model: str, precision: str) -> None:
    case = case_of(hetbench, TARGET, model, precision)
    assert case["status"] == "ok", case["reason"]
    placement = case["trials"][0]["parts"][0]["placement"]
    assert set(placement["nodes"]) == {"QNNExecutionProvider"}
    assert placement["proof"] == "graph assignment"


def test_a_wrong_answer_is_invalid(hetbench: Command) -> None:
    """The emulation of 2.7.0 computes this network's fp16 convolutions 20 % off ONNX Runtime's."""
    case = case_of(hetbench, TARGET, "ds-cnn", "fp16")
    assert case["status"] == "invalid"
    assert case["reason"].startswith("outputs differ from the reference")
