"""Ascend's torch plug-in installed without CANN, where `import torch` by itself raises."""

from __future__ import annotations

import subprocess
import sys

from .conftest import Command, case_of


def test_torch_alone_cannot_be_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import torch"], capture_output=True, text=True, timeout=60
    )
    print(done.stderr.splitlines()[-1])
    assert done.returncode != 0
    assert "Failed to load the backend extension: torch_npu" in done.stderr


def test_devices_says_what_is_missing(hetbench: Command) -> None:
    hetbench("devices", "--json")  # fills the disk cache
    answer = hetbench("devices", "--json")
    reasons = [
        one["reason"]
        for one in answer.json["unavailable"]
        if (one["adapter"], one["backend"]) == ("ascend", "torch")
    ]
    print(reasons)
    assert len(reasons) == 1
    assert "torch_npu cannot be imported: libhccl.so: cannot open shared object" in reasons[0]
    assert "install CANN" in reasons[0]
    assert "torch@cpu:0" in {one["target"] for one in answer.json["targets"]}


def test_the_cpu_is_measured_all_the_same(hetbench: Command) -> None:
    case = case_of(hetbench, "torch@cpu:0", "resnet8", "fp32")
    assert case["status"] == "ok", case["reason"]


def test_a_run_on_the_missing_device_is_refused(hetbench: Command) -> None:
    answer = hetbench("run", "quick", "-t", "torch@npu:0", "--json")
    print(answer.err)
    assert answer.code == 5
    assert "libhccl.so" in answer.err
