"""The torch backend on a CUDA GPU."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bench import registry
from bench.adapter import Adapter
from bench.axes import Term
from bench.backend import Session
from bench.model import Arrays, InputSpec, ModelCard, Precision, Tolerance
from bench.way import TorchPlugin
from bench.workload import Slot, Workload

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not torch.cuda.is_available(), reason=f"torch {torch.__version__} sees no CUDA GPU"
    ),
]

TorchBackend: Any = registry.backend("torch")
CUDA = Adapter(name="nvidia", vendor="NVIDIA", kind="cuda", torch=TorchPlugin("cuda"))
CARD = ModelCard(
    name="convnet",
    title="",
    family="convnet",
    size="lightweight",
    task="",
    parameters=100_000,
    flops=(Term(1),),
    bytes=None,
    published="",
    source="",
    inputs=(InputSpec("image", (3, 64, 64)),),
    outputs=("logits",),
    precisions=("fp32", "tf32", "bf16", "fp16"),
    tolerance={"fp32": Tolerance(1e-5)},
    channels_last=True,
)
TOLERANCE = {"fp32": 1e-5, "tf32": 3e-3, "bf16": 3e-2, "fp16": 3e-3}


def convnet() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, 2),
        nn.ReLU(),
        nn.Conv2d(64, 128, 3, 2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(128, 100),
    ).eval()


def slots(batch: int = 8) -> list[Slot]:
    rng = np.random.default_rng(0)
    shape = (batch, 3, 64, 64)
    return [
        Slot({"image": rng.standard_normal(shape).astype(np.float32)}, {"batch": batch})
        for _ in range(3)
    ]


def load(inputs: list[Slot], precision: Precision = "fp32", **options: str) -> Session:
    backend = TorchBackend(CUDA, {name.replace("_", "-"): v for name, v in options.items()})
    device = backend.devices()[0]
    workload = Workload(CARD, precision, inputs[0].axes, module=convnet)
    reason = backend.supports(workload, device)
    if reason:
        pytest.skip(reason)
    session: Session = backend.load(workload, device, inputs, threads=1)
    return session


def relative_l2(inputs: Slot, outputs: Arrays) -> float:
    with torch.inference_mode():
        right = convnet()(torch.tensor(inputs.arrays["image"])).numpy()
    return float(np.linalg.norm(outputs["logits"] - right) / np.linalg.norm(right))


def test_devices_have_identity_and_memory() -> None:
    backend = TorchBackend(CUDA, {})
    assert backend.probe().available
    device = backend.devices()[0]
    assert device.uuid is not None
    assert device.uuid.startswith(("GPU-", "MIG-"))
    assert device.memory_bytes == torch.cuda.get_device_properties(0).total_memory
    assert device.locks == (device.uuid,)


@pytest.mark.parametrize("options", [{}, {"cuda_graphs": ""}], ids=["eager", "graphs"])
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16"])
def test_outputs_agree_with_the_cpu(precision: Precision, options: dict[str, str]) -> None:
    inputs = slots()
    session = load(inputs, precision, **options)
    for slot in (0, 1, 2, 0):
        session.stage(slot)
        session.run(slot)
        assert relative_l2(inputs[slot], session.fetch()) < TOLERANCE[precision]
    facts = session.facts()
    session.close()
    tf32 = "on" if precision == "tf32" else "off"
    assert (facts["tf32_matmul"], facts["tf32_convolution"]) == (tf32, tf32)
    assert facts["host_memory"] == "pinned"
    assert facts["cuda_graphs"] == ("on" if options else "off")


@pytest.mark.parametrize("options", [{}, {"cuda_graphs": ""}], ids=["eager", "graphs"])
def test_one_session_holds_slots_of_several_batches(options: dict[str, str]) -> None:
    inputs = [slots(8)[0], slots(1)[0], slots(3)[0]]
    session = load(inputs, "fp16", **options)
    for slot in (0, 1, 2, 1):
        session.stage(slot)
        session.run(slot)
        outputs = session.fetch()
        assert len(outputs["logits"]) == inputs[slot].axes["batch"]
        assert relative_l2(inputs[slot], outputs) < TOLERANCE["fp16"]
    session.close()


@pytest.mark.parametrize("options", [{}, {"cuda_graphs": ""}], ids=["eager", "graphs"])
def test_stage_copies_what_the_array_holds_now(options: dict[str, str]) -> None:
    inputs = slots()
    session = load(inputs, "fp16", **options)
    inputs[0].arrays["image"][...] = inputs[1].arrays["image"]
    outputs = []
    for slot in (0, 1):
        session.stage(slot)
        session.run(slot)
        outputs.append(session.fetch()["logits"])
    session.close()
    np.testing.assert_array_equal(*outputs)


def test_synchronize_waits_and_the_device_time_lies_within_the_hosts() -> None:
    session = load(slots(batch=512))
    for slot in range(3):
        session.stage(slot)
        session.run(slot)
    session.synchronize()
    for _ in range(20):
        session.run(0)
    session.synchronize()
    assert torch.cuda.current_stream().query()
    for _ in range(20):
        start = time.perf_counter_ns()
        event_ns = session.device_time_ns(0)
        host_ns = time.perf_counter_ns() - start
        # Not how long: the device's time lies within the host's however slow the machine is. An
        # event is stamped to half a microsecond.
        assert event_ns is not None and 0 < event_ns <= host_ns + 1000
    session.close()


def test_peak_memory_is_of_this_session() -> None:
    session = load(slots(batch=64))
    session.stage(0)
    session.run(0)
    session.fetch()
    peak = session.peak_memory_bytes()
    session.close()
    assert peak is not None
    assert peak > 3 * 64 * 3 * 64 * 64 * 4


def test_running_out_of_memory_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 50, dtype=torch.uint8, device="cuda")
    assert TorchBackend(CUDA, {}).is_out_of_memory(caught.value)


def test_compiled_outputs_agree_with_the_cpu() -> None:
    inputs = slots()
    session = load(inputs, compile="")
    session.stage(1)
    session.run(1)
    assert relative_l2(inputs[1], session.fetch()) < TOLERANCE["fp32"]
    session.close()
