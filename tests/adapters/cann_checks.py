"""ONNX Runtime's Ascend provider without CANN: left to itself it runs on the CPU and says so once,
on standard error."""

from __future__ import annotations

from .conftest import Command


def test_devices_says_what_is_missing(hetbench: Command) -> None:
    answer = hetbench("devices", "--json")
    reasons = [
        one["reason"]
        for one in answer.json["unavailable"]
        if (one["adapter"], one["backend"]) == ("ascend", "onnxruntime")
    ]
    print(reasons)
    assert len(reasons) == 1
    assert "CANNExecutionProvider" in reasons[0]
    assert "libascendcl.so: cannot open shared object" in reasons[0]
    assert "install CANN" in reasons[0]
    assert not [one for one in answer.json["targets"] if one["adapter"] == "ascend"]


def test_a_run_is_refused(hetbench: Command) -> None:
    answer = hetbench("run", "quick", "-t", "onnxruntime@npu:0", "--json")
    print(answer.err)
    assert answer.code == 5
    assert "CANNExecutionProvider" in answer.err
