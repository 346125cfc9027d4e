"""Which ways of which adapters a target means, and what is said where none has its device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from bench import registry
from bench.adapter import Adapter
from bench.device import Device
from bench.devices import matching
from bench.errors import Unavailable, UsageError
from bench.target import Found, Target
from bench.way import OnnxProvider

NOT_INSTALLED = "the package onnxruntime_ep_openvino is not installed"
NOT_BUILT_IN = "this build of ONNX Runtime (1.31.1) has no OpenVINOExecutionProvider"


def answers(target: Target, reasons: Mapping[str, str]) -> list[Found]:
    """No candidate has a device, for the reason of its adapter."""
    candidates = matching.meant(target, registry.adapters().values())
    assert {candidate.adapter.name for candidate in candidates} == set(reasons)
    return [
        Found(candidate, reasons[candidate.adapter.name], {}, (), False) for candidate in candidates
    ]


def test_the_adapter_that_declares_a_provider_explains_its_absence() -> None:
    """The CPU's own adapter is asked too, as a build may have the provider; it knows no remedy."""
    target = Target.parse("onnxruntime+OpenVINO@cpu:0")
    found = answers(target, {"intel": NOT_INSTALLED, "cpu": NOT_BUILT_IN})
    with pytest.raises(Unavailable) as error:
        matching.pick(target, found)
    assert str(error.value) == f"{target} is not available: {NOT_INSTALLED}"


def test_a_provider_that_no_adapter_declares_is_explained_by_the_build() -> None:
    target = Target.parse("onnxruntime+Xnnpack@cpu:0")
    found = answers(target, {"cpu": "this build has no XnnpackExecutionProvider"})
    with pytest.raises(Unavailable, match="this build has no XnnpackExecutionProvider"):
        matching.pick(target, found)


def test_a_word_that_others_lack_is_no_mistake_where_an_adapter_declares_it() -> None:
    target = Target.parse("onnxruntime+Second@npu:0")
    found = [
        Found(one, "no TensorX" if one.adapter is OTHER else "absent", {}, (), False)
        for one in matching.meant(target, [OTHER, SEVERAL])
    ]
    found = [replace(one, misused=one.candidate.adapter is OTHER) for one in found]
    with pytest.raises(Unavailable, match="is not available: absent"):
        matching.pick(target, found)
    with pytest.raises(UsageError, match="no TensorX"):
        matching.pick(target, found[1:])


def test_remedies_of_several_vendors_are_not_told_as_one() -> None:
    target = Target.parse("torch@cuda:0")
    names = [candidate.adapter.name for candidate in matching.meant(target, ADAPTERS)]
    found = answers(target, {name: f"no such card; install {name}" for name in names})
    with pytest.raises(Unavailable, match="no such card; 'hetbench devices --all' names each"):
        matching.pick(target, found)


ADAPTERS = list(registry.adapters().values())
SEVERAL = Adapter(
    "several",
    "X",
    "npu",
    onnxruntime=(
        OnnxProvider("First", "FirstExecutionProvider"),
        OnnxProvider("Second", "SecondExecutionProvider"),
        OnnxProvider("Host", "HostExecutionProvider", kind="cpu"),
    ),
)
OTHER = Adapter("other", "Y", "npu", onnxruntime=(OnnxProvider("Third", "ThirdProvider"),))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("onnxruntime@npu:0", [("other", "Third", {}), ("several", "First", {})]),
        (
            "onnxruntime+First@npu:0",
            [("several", "First", {}), ("other", "Third", {"First": ""})],
        ),
        (
            "onnxruntime+Second@npu:0",
            [("several", "Second", {"Second": ""}), ("other", "Third", {"Second": ""})],
        ),
        ("onnxruntime+Host@cpu:0", [("several", "Host", {"Host": ""})]),
        (
            "onnxruntime+sECOND@npu:0",
            [("several", "Second", {"Second": ""}), ("other", "Third", {"sECOND": ""})],
        ),
        (
            "onnxruntime+ThirdProvider@npu:0",
            [("other", "Third", {}), ("several", "First", {"ThirdProvider": ""})],
        ),
        (
            "onnxruntime+Fourth@npu:0",
            [("other", "Third", {"Fourth": ""}), ("several", "First", {"Fourth": ""})],
        ),
    ],
)
def test_a_word_chooses_a_way(text: str, meant: list[tuple[str, str, dict[str, str]]]) -> None:
    """First the way of the adapter that declares it; a way that needs no word loses its own."""
    found = matching.meant(Target.parse(text), [OTHER, SEVERAL])
    assert [(one.adapter.name, one.way.option, one.options) for one in found] == meant


def test_what_is_meant_by_its_word_has_the_id_that_it_has_without() -> None:
    target = Target.parse("onnxruntime+First@npu:0")
    device = Device("npu:0", "npu", 0, "N")
    found = [
        Found(one, None, {}, (device,), False) for one in matching.meant(target, [OTHER, SEVERAL])
    ]
    resolved = matching.pick(target, found)
    assert (resolved.target, resolved.adapter) == ("onnxruntime@npu:0", SEVERAL)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("onnxruntime@cpu:0", "no device of onnxruntime is called 'cpu:0'; known and near: cpu"),
        ("onnxruntime+First+Second@npu:0", "no device of onnxruntime is called 'npu:0'"),
        ("torch@npu:0", "no device of torch is called 'npu:0'"),
        ("onnxruntime+host@npu:0", "Host does not run on npu devices; write"),
        ("torhc@npu:0", "no backend is called 'torhc'; known and near: torch"),
    ],
)
def test_what_does_not_exist_is_refused_before_anything_is_asked(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        matching.meant(Target.parse(text), [SEVERAL])
    assert said in str(error.value)
