"""Which of several adapters a target means, and what is said where none has its device."""

from __future__ import annotations

import pytest

from bench import registry
from bench.devices import discover
from bench.devices.discover import Found
from bench.errors import Unavailable

NOT_INSTALLED = "the package onnxruntime_ep_openvino is not installed"
NOT_BUILT_IN = "this build of ONNX Runtime (1.31.1) has no OpenVINOExecutionProvider"


def test_the_adapter_that_declares_a_provider_explains_its_absence() -> None:
    """The CPU's own adapter is asked too, as a build may have the provider; it knows no remedy."""
    target = "onnxruntime+OpenVINO@cpu:0"
    wanted = discover.named([target], registry.adapters().values())
    reasons = {"intel": NOT_INSTALLED, "cpu": NOT_BUILT_IN}
    assert {one.adapter.name for one in wanted} == set(reasons)
    found = [Found(one, reasons[one.adapter.name], {}, (), False) for one in wanted]
    with pytest.raises(Unavailable) as error:
        discover.resolve(target, found)
    assert str(error.value) == f"{target} is not available: {NOT_INSTALLED}"


def test_a_provider_that_no_adapter_declares_is_explained_by_the_build() -> None:
    target = "onnxruntime+Xnnpack@cpu:0"
    wanted = discover.named([target], registry.adapters().values())
    found = [
        Found(one, "this build has no XnnpackExecutionProvider", {}, (), False) for one in wanted
    ]
    with pytest.raises(Unavailable, match="this build has no XnnpackExecutionProvider"):
        discover.resolve(target, found)
