"""Tests of an optional runtime are skipped where it has no device, and for no other reason."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench.errors import UsageError
from tests import conftest, runtimes

OPENVINO = "onnxruntime+OpenVINO@cpu:0"

ASK = """
import importlib.util, json
import onnxruntime as ort
answer = None
if importlib.util.find_spec("onnxruntime_ep_openvino") is None:
    answer = "is not installed"
elif not hasattr(ort, "register_execution_provider_library"):
    answer = "takes no plug-in providers"
else:
    import onnxruntime_ep_openvino as plugin
    name = plugin.get_ep_name()
    ort.register_execution_provider_library(name, plugin.get_library_path())
    if not [d for d in ort.get_ep_devices() if d.ep_name == name and d.device.type.name == "CPU"]:
        answer = f"is installed, but its {name} offers no CPU device on this machine"
print(json.dumps(answer))
"""
"""What ONNX Runtime itself says of OpenVINO, without a line of ours."""


def test_openvino_is_skipped_exactly_where_onnx_runtime_offers_no_device_of_it() -> None:
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    said, reason = json.loads(done.stdout), runtimes.unavailable(OPENVINO)
    assert (reason is None) == (said is None), (reason, said)
    assert (said or "") in (reason or "")


@pytest.mark.parametrize("reason", [None, "it offers no device on this machine"])
def test_a_test_runs_where_its_target_is_and_is_skipped_with_the_reason_elsewhere(
    reason: str | None, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "unavailable", {OPENVINO: reason}.__getitem__)
    request.node.add_marker(pytest.mark.needs_target(OPENVINO))
    skipped = None
    try:
        conftest.pytest_runtest_setup(request.node)
    except pytest.skip.Exception as skip:
        skipped = skip.msg
    assert skipped == reason


@pytest.mark.parametrize("target", ["onnxruntime+OpenVIN@cpu:0", "onnxrumtime@cpu:0", "torch@cpx"])
def test_a_misspelt_target_is_no_reason_to_skip(target: str) -> None:
    with pytest.raises(UsageError):
        runtimes.unavailable(target)


@pytest.mark.parametrize("target", ["torch@cpu:0", "onnxruntime@cpu:0", "simulated@sim:0"])
def test_what_hetbench_depends_on_is_always_here(target: str) -> None:
    assert runtimes.unavailable(target) is None
