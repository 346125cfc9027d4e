"""The torch backend on the CPU, and its handling of plug-ins and foreign devices."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from bench.plugins.backends import _torch_accelerator as accelerator
from torch import nn

from bench import registry
from bench.adapter import Adapter
from bench.axes import Term
from bench.backend import Session
from bench.device import Device
from bench.devices import cpu
from bench.errors import UsageError
from bench.model import Arrays, InputSpec, ModelCard, Precision, Tolerance
from bench.way import TorchPlugin
from bench.workload import Rank, Slot, Workload

TorchBackend: Any = registry.backend("torch")
CPU = Adapter(name="cpu", vendor="", kind="cpu", torch=TorchPlugin("cpu"))
CARD = ModelCard(
    name="tiny",
    title="Tiny",
    family="tiny",
    size="lightweight",
    task="",
    parameters=1000,
    flops=(Term(1000),),
    bytes=(Term(812),),
    published="",
    source="",
    inputs=(InputSpec("image", (3, 8, 8)), InputSpec("scale", (1,), "int64", "integers", 1, 9)),
    outputs=("logits", "mean"),
    precisions=("fp32", "bf16", "fp16"),
    tolerance={"fp32": Tolerance(1e-5)},
    channels_last=True,
)


RANK = Rank(0, 2, Path("store"))


class Tiny(nn.Module):
    """A convolution, two inputs of different kinds, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 5)

    def forward(self, image: torch.Tensor, scale: torch.Tensor) -> tuple[torch.Tensor, ...]:
        pooled = self.conv(image).relu().mean((2, 3))
        return self.head(pooled) * scale, pooled.mean(1)


def slots(count: int = 3, batch: int = 2) -> list[Slot]:
    rng = np.random.default_rng(0)
    return [
        Slot(
            {
                "image": rng.standard_normal((batch, 3, 8, 8)).astype(np.float32),
                "scale": rng.integers(1, 9, (batch, 1)),
            },
            {"batch": batch},
        )
        for _ in range(count)
    ]


def expected(arrays: Arrays) -> Arrays:
    with torch.inference_mode():
        logits, mean = Tiny()(torch.tensor(arrays["image"]), torch.tensor(arrays["scale"]))
    return {"logits": logits.numpy(), "mean": mean.numpy()}


def load(inputs: list[Slot], precision: Precision = "fp32", **options: str) -> Session:
    backend = TorchBackend(CPU, options)
    workload = Workload(CARD, precision, inputs[0].axes, module=lambda: Tiny().eval())
    return backend.load(workload, backend.devices()[0], inputs, threads=1)


def infer(session: Session, slot: int) -> Arrays:
    session.stage(slot)
    session.run(slot)
    return session.fetch()


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 3e-2), ("fp16", 3e-3)]
)
def test_outputs_of_every_slot_agree_with_plain_torch(
    precision: Precision, tolerance: float
) -> None:
    inputs = slots()
    session = load(inputs, precision)
    outputs = [infer(session, slot) for slot in (0, 1, 2, 0)]
    session.close()
    for given, out in zip([*inputs, inputs[0]], outputs, strict=True):
        for name, right in expected(given.arrays).items():
            assert out[name].dtype == np.float32
            np.testing.assert_allclose(out[name], right, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_one_session_holds_slots_of_several_batches(precision: Precision) -> None:
    inputs = [*slots(1, 4), *slots(1, 1), *slots(1, 2)]
    session = load(inputs, precision)
    for slot in (0, 1, 2, 1):
        right = expected(inputs[slot].arrays)["logits"]
        out = infer(session, slot)["logits"]
        assert out.shape == right.shape
        np.testing.assert_allclose(out, right, rtol=3e-2, atol=3e-2)
    session.close()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_stage_copies_what_the_array_holds_now(precision: Precision) -> None:
    inputs = slots()
    session = load(inputs, precision)
    before = infer(session, 1)["logits"].copy()
    inputs[1].arrays["image"][...] = inputs[2].arrays["image"]
    inputs[1].arrays["scale"][...] = inputs[2].arrays["scale"]
    after = infer(session, 1)["logits"]
    other = infer(session, 2)["logits"]
    session.close()
    np.testing.assert_array_equal(after, other)
    assert np.abs(after - before).max() > 1e-3


def test_fetched_arrays_stay_as_they_are() -> None:
    session = load(slots())
    first = infer(session, 0)["logits"]
    kept = first.copy()
    infer(session, 1)
    session.close()
    np.testing.assert_array_equal(first, kept)


def test_facts_say_what_was_set() -> None:
    session = load(slots(), "bf16")
    facts = session.facts()
    session.close()
    assert facts["dtype"] == "bfloat16"
    assert facts["memory_format"] == "channels_last"
    assert facts["threads"] == "1"
    assert facts["torch"] == torch.__version__
    assert session.device_time_ns(0) is None
    assert session.peak_memory_bytes() is None


def test_inference_mode_lasts_from_the_first_load_to_the_last_close() -> None:
    assert not torch.is_inference_mode_enabled()
    first, second = load(slots()), load(slots())
    first.close()
    assert torch.is_inference_mode_enabled()
    infer(second, 0)
    second.close()
    second.close()
    assert not torch.is_inference_mode_enabled()
    with pytest.raises(IndexError):
        second.run(0)


def test_a_load_that_fails_leaves_inference_mode() -> None:
    inputs = slots()
    del inputs[2].arrays["scale"]
    with pytest.raises(KeyError):
        load(inputs)
    assert not torch.is_inference_mode_enabled()


def test_compile_is_asked_for_and_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def compile(module: nn.Module, **settings: Any) -> nn.Module:
        asked.append(settings)
        return module

    monkeypatch.setattr(torch, "compile", compile)
    session = load(slots(), compile="max-autotune")
    assert session.facts()["compile"] == "max-autotune"
    session.close()
    assert asked == [{"dynamic": False, "mode": "max-autotune"}]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"compil": ""}, "known and near: compile"),
        ({"compile": "fastest"}, "mode of torch.compile"),
        ({"cuda-graphs": ""}, "CUDA devices alone"),
    ],
)
def test_wrong_options_are_usage_errors(options: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        TorchBackend(CPU, options)


def test_supports_says_why_not() -> None:
    backend = TorchBackend(CPU, {})
    device = backend.devices()[0]
    assert device.kind == "cpu"
    assert backend.supports(Workload(CARD, "fp32", {"batch": 1}), device) is None
    assert backend.supports(Workload(CARD, "bf16", {"batch": 1}), device) is None
    assert "no TF32 mode" in backend.supports(Workload(CARD, "tf32", {"batch": 1}), device)
    assert "ONNX Runtime" in backend.supports(Workload(CARD, "int8", {"batch": 1}), device)
    for more, said in (({"purpose": "train"}, "not training"), ({"rank": RANK}, "a collective")):
        asked = replace(Workload(CARD, "fp32", {"batch": 1}), **more)
        assert said in backend.supports(asked, device)
    speaks = Workload(replace(CARD, decoder=True), "fp32", {"batch": 1})
    assert "not generating tokens" in backend.supports(speaks, device)
    huge = replace(CARD, parameters=10**15)
    reason = backend.supports(Workload(huge, "fp16", {"batch": 1}), device)
    assert "1819 TiB" in reason
    assert backend.supports(Workload(CARD, "fp32", {"batch": 10**12}), device) is not None


def test_a_control_groups_memory_is_all_that_a_model_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = TorchBackend(CPU, {})
    monkeypatch.setattr(cpu, "available_bytes", lambda: 100)
    reason = backend.supports(Workload(CARD, "fp32", {"batch": 1}), backend.devices()[0])
    assert reason is not None and "KiB of memory" in reason and "100 B" in reason


def test_supports_asks_the_device_when_a_precision_is_in_doubt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def linear(*_: Any) -> None:
        raise RuntimeError("\"addmm_impl_cpu_\" not implemented for 'Half'\nstack")

    monkeypatch.setattr(nn.functional, "linear", linear)
    backend = TorchBackend(CPU, {})
    reason = backend.supports(Workload(CARD, "fp16", {"batch": 1}), backend.devices()[0])
    assert reason.endswith("not implemented for 'Half'")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you"), True),
        (RuntimeError("NPU out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_is_recognised(error: BaseException, expected: bool) -> None:
    assert TorchBackend(CPU, {}).is_out_of_memory(error) is expected


def test_the_cpu_allocator_really_runs_out() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 55, dtype=torch.uint8)
    assert TorchBackend(CPU, {}).is_out_of_memory(caught.value)


class Properties(SimpleNamespace):
    major, minor, total_memory, multi_processor_count = 9, 0, 80 << 30, 132


def fake(monkeypatch: pytest.MonkeyPatch, names: list[str], **facts: Any) -> None:
    """A device type `fake` as a plug-in would register it."""
    module = SimpleNamespace(
        device_count=lambda: len(names),
        get_device_name=lambda index: names[index],
        get_device_properties=lambda index: Properties(
            **{key: value[index] for key, value in facts.items()}
        ),
    )
    monkeypatch.setattr(torch, "fake", module, raising=False)


def adapter(**plugin: str) -> Adapter:
    return Adapter(
        name="acme",
        vendor="Acme",
        kind="fake",
        torch=TorchPlugin("fake", **plugin),
        visible_devices=("FAKE_VISIBLE_DEVICES",),
    )


def test_devices_are_told_apart_by_name_and_keep_their_index(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake(monkeypatch, ["Other X", "Acme A1", "Acme A1"], uuid=["a", "b", "0000-00"])
    monkeypatch.setenv("FAKE_VISIBLE_DEVICES", "1,2,3")
    backend = TorchBackend(adapter(names="^Acme"), {})
    assert backend.probe().available
    first, second = backend.devices()
    assert (first.id, first.index, first.uuid, first.locks) == ("fake:1", 1, "b", ("b",))
    assert (second.id, second.uuid, second.locks) == ("fake:2", None, ("fake:2",))
    assert first.vendor == "Acme"
    assert first.memory_bytes == 80 << 30
    assert first.properties["FAKE_VISIBLE_DEVICES"] == "1,2,3"
    assert first.properties["compute_capability"] == "9.0"


def test_a_mig_slice_is_a_slice_of_its_board(monkeypatch: pytest.MonkeyPatch) -> None:
    uuid = "0f6f5a3c-1111-2222-3333-444455556666"
    fake(
        monkeypatch,
        ["NVIDIA H100 80GB HBM3 MIG 1g.10gb", "NVIDIA H100 80GB HBM3"],
        uuid=[uuid, uuid],
        pci_domain_id=[0, 0],
        pci_bus_id=[0x81, 0x82],
        pci_device_id=[0, 0],
    )
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    part, whole = TorchBackend(adapter(), {}).devices()
    assert (part.scope, part.uuid, part.board) == ("slice", f"MIG-{uuid}", "0000:81:00.0")
    assert (whole.scope, whole.uuid, whole.board) == ("device", f"GPU-{uuid}", None)
    assert whole.properties["pci_bus_id"] == "0000:82:00.0"


def test_a_device_of_which_nothing_is_known_is_still_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "fake", SimpleNamespace(device_count=lambda: 1), raising=False)
    (device,) = TorchBackend(adapter(), {}).devices()
    assert device == Device(
        id="fake:0", kind="fake", index=0, name="fake:0", vendor="Acme", locks=("fake:0",)
    )


def test_probe_gives_the_reason_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def reason(used: Adapter) -> str:
        answer = TorchBackend(used, {}).probe()
        assert not answer.available
        assert answer.reason is not None
        return answer.reason

    fake(monkeypatch, [])
    assert "sees no fake device; install the acme driver" in reason(
        adapter(remedy="install the acme driver")
    )
    fake(monkeypatch, ["Other X"])
    assert "sees Other X as fake, which is not what the adapter acme is for" in reason(
        adapter(names="^Acme")
    )
    monkeypatch.delattr(torch, "fake")
    assert "torch has no device_count for fake devices" in reason(adapter())
    assert "names no torch device" in reason(replace(CPU, torch=None))
    for build in ("cuda", "hip"):
        monkeypatch.setattr(torch.version, build, None)
    assert "built without CUDA" in reason(replace(CPU, torch=TorchPlugin("cuda")))
    assert "cannot be imported" in reason(adapter(module="no_such_plugin"))


@pytest.mark.parametrize("error", [OSError("libacme.so: cannot open"), KeyError("ACME_HOME")])
def test_whatever_a_plugin_raises_becomes_a_reason(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    class Finder:
        @staticmethod
        def find_spec(name: str, *_: Any) -> None:
            if name == "torch_acme":
                raise error

    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    answer = TorchBackend(adapter(module="torch_acme", remedy="install ACME 7"), {}).probe()
    assert not answer.available
    assert answer.reason == f"torch_acme cannot be imported: {error}; install ACME 7"


def test_probe_reports_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("torch_acme")
    module.__version__ = "2.1"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch_acme", module)
    fake(monkeypatch, ["Acme A1"])
    versions = TorchBackend(adapter(module="torch_acme"), {}).probe().versions
    assert versions == {"torch": torch.__version__, "torch_acme": "2.1"}
    assert TorchBackend(CPU, {}).probe().available


def test_an_accelerator_is_waited_for_and_casts_on_the_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[Any] = []
    monkeypatch.setattr(torch.cpu, "synchronize", lambda place: waits.append(place))
    inputs = slots()
    session = accelerator.DeviceSession(
        place=torch.device("cpu"),
        module=Tiny().eval(),
        card=CARD,
        dtype=torch.bfloat16,
        slots=inputs,
        channels_last=True,
        compile_mode=None,
    )
    assert not waits
    out = infer(session, 2)
    assert len(waits) == 1
    np.testing.assert_allclose(
        out["logits"], expected(inputs[2].arrays)["logits"], rtol=3e-2, atol=3e-2
    )
    assert session.facts()["host_memory"] == "pageable"
    session.close()


def test_slots_of_several_sizes_land_apart_on_an_accelerator() -> None:
    inputs = [*slots(1, 4), *slots(1, 1), *slots(1, 2)]
    session = accelerator.DeviceSession(
        place=torch.device("cpu"),
        module=Tiny().eval(),
        card=CARD,
        dtype=torch.bfloat16,
        slots=inputs,
        channels_last=True,
        compile_mode=None,
    )
    for slot in (0, 1, 2):
        right = expected(inputs[slot].arrays)["logits"]
        np.testing.assert_allclose(infer(session, slot)["logits"], right, rtol=3e-2, atol=3e-2)
    session.close()
