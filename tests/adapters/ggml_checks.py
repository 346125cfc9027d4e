"""A provider that starts, is listed first by get_providers(), and takes no node."""

from __future__ import annotations

from pathlib import Path

from .conftest import Command, case_of

ADAPTER = ("--adapter", Path(__file__).with_name("ggml.toml"), "--trust-adapter")


def test_it_is_listed(hetbench: Command) -> None:
    answer = hetbench("devices", *ADAPTER, "--json")
    assert "onnxruntime@ggml:0" in {one["target"] for one in answer.json["targets"]}


def test_a_run_on_the_cpu_instead_is_invalid(hetbench: Command) -> None:
    case = case_of(hetbench, "onnxruntime@ggml:0", "resnet8", "fp32", *ADAPTER)
    assert case["status"] == "invalid"
    assert case["reason"].startswith("ran on CPU: ")
    assert set(case["trials"][0]["parts"][0]["placement"]["nodes"]) == {"CPUExecutionProvider"}
