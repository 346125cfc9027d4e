from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from bench import registry
from bench.adapter import Adapter, DeviceList
from bench.axes import Term
from bench.backend import Backend
from bench.device import Device
from bench.errors import Unsupported, UsageError
from bench.model import InputSpec, ModelCard, Tolerance
from bench.way import OnnxProvider
from bench.workload import Slot, Workload

needs_openvino = pytest.mark.needs_target("onnxruntime+OpenVINO@cpu:0")
needs_plugins = pytest.mark.skipif(
    not hasattr(ort, "register_execution_provider_library"),
    reason="plug-in providers need onnxruntime 1.23 or later",
)
WEIGHTS = np.random.default_rng(1).standard_normal((4, 4)).astype(np.float32)


def _backend(adapter: str | Adapter, *words: str) -> Backend:
    chosen = registry.adapters()[adapter] if isinstance(adapter, str) else adapter
    return registry.backend("onnxruntime")(chosen, dict.fromkeys(words, ""))


def _card(**changes: Any) -> ModelCard:
    card = ModelCard(
        name="tiny",
        title="Tiny",
        family="",
        size="lightweight",
        task="test",
        parameters=16,
        flops=(Term(32),),
        bytes=(Term(128),),
        published="",
        source="",
        inputs=(InputSpec("x", (4, 4)),),
        outputs=("y",),
        precisions=("fp32",),
        tolerance={"fp32": Tolerance(1e-4)},
    )
    return replace(card, **changes)


@pytest.fixture
def model(tmp_path: Path) -> Callable[..., Workload]:
    """A workload of MatMul, one more operator and Relu, with a free batch axis."""

    def make(operator: str = "Neg", batch: int = 2, **changes: Any) -> Workload:
        graph = helper.make_graph(
            [
                helper.make_node("MatMul", ["x", "w"], ["a"]),
                helper.make_node(operator, ["a"], ["b"]),
                helper.make_node("Relu", ["b"], ["y"]),
            ],
            "tiny",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4, 4])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(WEIGHTS, "w")],
        )
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        path = tmp_path / f"{operator}.onnx"
        onnx.save(proto, path)
        return Workload(_card(**changes), "fp32", {"batch": batch}, onnx=path)

    return make


def _slots(batch: int, count: int = 3) -> list[Slot]:
    draw = np.random.default_rng(7)
    return [_slot(draw.standard_normal((batch, 4, 4)).astype(np.float32)) for _ in range(count)]


def _slot(x: Any) -> Slot:
    return Slot({"x": x}, {"batch": len(x)})


def _expected(x: Any) -> Any:
    return np.maximum(-(x @ WEIGHTS), 0)


ROUTES = [
    pytest.param("cpu", (), id="CPU"),
    pytest.param("intel", ("OpenVINO",), id="OpenVINO", marks=needs_openvino),
]


@pytest.mark.parametrize(("adapter", "words"), ROUTES)
@pytest.mark.parametrize("batch", [1, 3])
def test_every_slot_gives_its_own_outputs(
    adapter: str, words: tuple[str, ...], batch: int, model: Callable[..., Workload]
) -> None:
    backend = _backend(adapter, *words)
    assert backend.probe().reason is None
    (device,) = backend.devices()
    workload = model(batch=batch)
    assert backend.supports(workload, device) is None
    slots = _slots(batch)
    session = backend.load(workload, device, slots, threads=1)
    seen = []
    for slot in (0, 2, 1):
        session.stage(slot)
        session.run(slot)
        session.synchronize()
        seen.append((slot, session.fetch()))
    for slot, outputs in seen:  # after the last run: earlier outputs must not have changed
        assert list(outputs) == ["y"]
        assert outputs["y"].dtype == np.float32
        np.testing.assert_allclose(outputs["y"], _expected(slots[slot].arrays["x"]), atol=1e-5)
    session.close()


@pytest.mark.parametrize(("adapter", "words"), ROUTES)
def test_one_session_holds_slots_of_several_batches(
    adapter: str, words: tuple[str, ...], model: Callable[..., Workload]
) -> None:
    backend = _backend(adapter, *words)
    slots = [*_slots(4, 1), *_slots(1, 1), *_slots(2, 1), *_slots(4, 1)]
    session = backend.load(model(batch=4), backend.devices()[0], slots, threads=1)
    for slot in (0, 1, 2, 3, 1):
        session.stage(slot)
        session.run(slot)
        right = _expected(slots[slot].arrays["x"])
        assert session.fetch()["y"].shape == right.shape
        np.testing.assert_allclose(session.fetch()["y"], right, atol=1e-5)
    session.close()


@pytest.mark.parametrize(("adapter", "words"), ROUTES)
def test_staging_sees_what_the_callers_array_holds_now(
    adapter: str, words: tuple[str, ...], model: Callable[..., Workload]
) -> None:
    backend = _backend(adapter, *words)
    slots = [_slot(np.asfortranarray(_slots(2)[0].arrays["x"]))]
    session = backend.load(model(), backend.devices()[0], slots, threads=1)
    slots[0].arrays["x"][...] = 1.5
    session.stage(0)
    session.run(0)
    np.testing.assert_allclose(session.fetch()["y"], _expected(slots[0].arrays["x"]), atol=1e-5)


@pytest.mark.parametrize(("adapter", "words"), ROUTES)
def test_all_nodes_are_proved_to_run_where_wanted(
    adapter: str, words: tuple[str, ...], model: Callable[..., Workload]
) -> None:
    backend = _backend(adapter, *words)
    session = backend.load(model(), backend.devices()[0], _slots(2), threads=1)
    placement = session.placement()
    assert placement is not None
    assert placement.share == 1.0
    assert sum(placement.nodes.values()) == 3
    assert not placement.strays
    tells = hasattr(ort.InferenceSession, "get_provider_graph_assignment_info")
    assert placement.proof == ("graph assignment" if tells else "profile")


@needs_openvino
def test_a_node_the_provider_lacks_shows_as_a_stray(model: Callable[..., Workload]) -> None:
    backend = _backend("intel", "OpenVINO")
    # OpenVINO has no determinant; y then has one value an item.
    session = backend.load(model("Det"), backend.devices()[0], _slots(2), threads=1)
    placement = session.placement()
    assert placement is not None
    assert placement.strays == {"Det": 1}
    assert placement.nodes == {"OpenVINOExecutionProvider": 2, "CPUExecutionProvider": 1}
    assert placement.share == pytest.approx(2 / 3)


@needs_openvino
def test_openvino_computes_fp32_in_fp32_with_the_threads_given(
    model: Callable[..., Workload],
) -> None:
    backend = _backend("intel", "OpenVINO")
    session = backend.load(model(), backend.devices()[0], _slots(2), threads=1)
    facts = session.facts()
    settings = json.loads(json.loads(facts["provider_options"])["load_config"])["CPU"]
    assert settings["INFERENCE_PRECISION_HINT"] == "f32"
    assert settings["INFERENCE_NUM_THREADS"] == "1"
    assert facts["provider"] == "OpenVINOExecutionProvider"


@needs_openvino
def test_a_plugin_library_is_loaded_once_in_a_process(model: Callable[..., Workload]) -> None:
    for _ in range(2):
        backend = _backend("intel", "OpenVINO")
        assert backend.probe().available
        assert [d.id for d in backend.devices()] == ["cpu:0"]
    assert "OpenVINOExecutionProvider" in backend.probe().versions


def test_older_versions_prove_placement_by_a_profile(
    model: Callable[..., Workload], monkeypatch: pytest.MonkeyPatch
) -> None:
    placement = importlib.import_module("bench.plugins.backends._placement")
    monkeypatch.setattr(placement, "tells_assignment", lambda: False)
    backend = _backend("cpu")
    session = backend.load(model(), backend.devices()[0], _slots(2), threads=1)
    proof = session.placement()
    assert proof is not None
    assert proof.proof == "profile"
    assert proof.share == 1.0
    assert sum(proof.nodes.values()) >= 2  # Neg and Relu may have been fused away


def test_a_profile_counts_each_node_once_and_names_strays() -> None:
    from_profile = importlib.import_module("bench.plugins.backends._placement").from_profile

    def event(index: str, operator: str, provider: str) -> dict[str, Any]:
        return {
            "cat": "Node",
            "name": f"n{index}_kernel_time",
            "args": {"node_index": index, "op_name": operator, "provider": provider},
        }

    run = [event("0", "Conv", "XExecutionProvider"), event("1", "Det", "CPUExecutionProvider")]
    other = [{"cat": "Session", "name": "model_loading"}, {"cat": "Node", "name": "n0_fence"}]
    placement = from_profile([*other, *run, *run], "XExecutionProvider")
    assert placement.nodes == {"XExecutionProvider": 1, "CPUExecutionProvider": 1}
    assert placement.strays == {"Det": 1}


def test_outputs_whose_shape_depends_on_the_data(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("NonZero", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, None)],
    )
    path = tmp_path / "nonzero.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )
    backend = _backend("cpu")
    slots = [_slot(np.float32([[0, 1, 0]])), _slot(np.float32([[1, 1, 0]]))]
    workload = Workload(_card(inputs=(InputSpec("x", (3,)),)), "fp32", {"batch": 1}, onnx=path)
    session = backend.load(workload, backend.devices()[0], slots, threads=1)
    shapes = []
    for slot in range(2):
        session.run(slot)
        shapes.append(session.fetch()["y"].tolist())
    assert shapes == [[[0], [1]], [[0, 0], [0, 1]]]


def test_an_operator_without_a_kernel_is_unsupported(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("LpPool", ["x"], ["y"], kernel_shape=[2, 2])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [1, 1, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, None)],
    )
    path = tmp_path / "pool.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )
    backend = _backend("cpu")
    workload = Workload(_card(), "fp32", {"batch": 1}, onnx=path)
    with pytest.raises(Unsupported, match=r"CPU lacks an operator.*LpPool"):
        backend.load(workload, backend.devices()[0], [_slot(np.ones((1, 1, 4, 4)))], threads=1)


# --- supports ------------------------------------------------------------------------------


def test_supports_says_why_not(model: Callable[..., Workload]) -> None:
    cpu = _backend("cpu")
    training = replace(model(), purpose="train")
    assert "alone here, not training" in str(cpu.supports(training, cpu.devices()[0]))
    backend = _backend("cpu")
    (device,) = backend.devices()
    workload = model()
    refused = backend.supports(replace(workload, precision="bf16"), device)
    assert refused == "CPU computes fp32, int8, not bf16"
    fixed = replace(workload, card=_card(batch=1))
    assert backend.supports(fixed, device) == "tiny takes batches of 1 only, not 2"
    huge = replace(workload, card=_card(parameters=10**13))
    assert "tiny in fp32 at batch 2 needs at least" in str(backend.supports(huge, device))
    elsewhere = replace(device, id="npu:0", kind="npu")
    assert "npu" in str(backend.supports(workload, elsewhere))


def test_memory_of_an_accelerator_is_its_own(model: Callable[..., Workload]) -> None:
    small = Device("cuda:0", "cuda", 0, "GPU", memory_bytes=1 << 20)
    workload = model(parameters=1 << 20)
    assert "4.00 MiB" in str(_backend("nvidia").supports(workload, small))


# --- providers that are not there ------------------------------------------------------------


@pytest.fixture
def plain_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime as PyPI's package `onnxruntime` has it."""
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])


@pytest.mark.usefixtures("plain_build")
def test_a_provider_of_another_build_is_a_reason_with_its_remedy() -> None:
    answer = _backend("nvidia").probe()
    assert not answer.available
    assert "no CUDAExecutionProvider" in str(answer.reason)
    assert "onnxruntime-gpu" in str(answer.reason)


@pytest.mark.usefixtures("plain_build")
def test_any_built_in_provider_is_taken_by_its_name() -> None:
    assert _backend("cpu", "CPUExecutionProvider").probe().available
    for name in ("MIGraphX", "migraphx"):
        assert "no MIGraphXExecutionProvider" in str(_backend("cpu", name).probe().reason)


def test_a_misspelt_provider_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"'OpenVIN'.*OpenVINO"):
        _backend("cpu", "OpenVIN")


@pytest.mark.parametrize(
    ("options", "words"),
    [({"fast": "1"}, "no option 'fast'"), ({"CPU": "", "CUDA": ""}, "one execution provider")],
)
def test_other_options_are_refused(options: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        registry.backend("onnxruntime")(registry.adapters()["cpu"], options)


def test_an_adapter_without_a_provider_for_its_own_kind_says_what_to_write() -> None:
    adapter = Adapter("x", "X", "npu", onnxruntime=(OnnxProvider("A", "AProvider", kind="cpu"),))
    assert "onnxruntime+A@cpu:0" in str(_backend(adapter).probe().reason)


def _plugin(module: str, **fields: Any) -> Backend:
    spec = OnnxProvider("P", "PExecutionProvider", module=module, remedy="do this", **fields)
    return _backend(Adapter("x", "X", "npu", onnxruntime=(spec,)))


@needs_plugins
def test_a_plugin_that_is_not_installed_or_does_not_load_is_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = _plugin("no_such_package_anywhere").probe()
    assert missing.reason == (
        "the provider P needs the Python package no_such_package_anywhere; do this"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "broken_ep.py").write_text("library = '/nonexistent/ep.so'\n")
    broken = _plugin("broken_ep", library="library").probe()
    assert "the provider P does not load" in str(broken.reason)
    assert "/nonexistent/ep.so" in str(broken.reason)
    (tmp_path / "raising_ep.py").write_text("raise OSError('libdriver.so is missing')\n")
    assert "libdriver.so is missing" in str(_plugin("raising_ep").probe().reason)


@pytest.mark.parametrize(
    ("offered", "reason"),
    [
        (
            "GPU",
            "the package played_ep is installed, but its PExecutionProvider offers no NPU device "
            "on this machine (ONNX Runtime sees AMD CPU, Acme GPU)",
        ),
        ("NPU", None),
    ],
)
def test_a_plugin_that_is_installed_and_takes_no_hardware_says_so(
    offered: str, reason: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As OpenVINO's does on a CPU that is not Intel's: what to install would be no help."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "played_ep.py").write_text("library = '/played.so'\n")
    registered: list[tuple[str, str]] = []

    def device(provider: str, vendor: str, kind: str) -> SimpleNamespace:
        hardware = SimpleNamespace(vendor=vendor, type=SimpleNamespace(name=kind))
        return SimpleNamespace(ep_name=provider, device=hardware, ep_metadata={})

    def devices() -> list[SimpleNamespace]:
        own = [device("PExecutionProvider", "Acme", offered)] if registered else []
        return [device("CPUExecutionProvider", "AMD", "CPU"), *own]

    def register(*arguments: str) -> None:
        registered.append(arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ort, "register_execution_provider_library", register, raising=False)
    monkeypatch.setattr(ort, "get_ep_devices", devices, raising=False)
    answer = _plugin("played_ep", library="library", device_type="NPU").probe()
    assert registered == [("PExecutionProvider", "/played.so")]
    assert (answer.reason, answer.available) == (reason, reason is None)


def test_a_provider_that_falls_back_silently_does_not_start(
    monkeypatch: pytest.MonkeyPatch, model: Callable[..., Workload]
) -> None:
    """As onnxruntime-cann does without CANN: listed, an error on stderr, a session on the CPU."""
    providers = importlib.import_module("bench.plugins.backends._ort_providers")
    real = providers.ort.InferenceSession

    def on_cpu(model: Any, options: Any = None, **_: Any) -> Any:
        import os

        os.write(2, b"[E] libascendcl.so: cannot open shared object file: error\n")
        return real(model, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(providers.ort, "get_available_providers", lambda: ["CANNExecutionProvider"])
    monkeypatch.setattr(providers.ort, "InferenceSession", on_cpu)
    backend = _backend("cpu", "CANN")
    reason = str(backend.probe().reason)
    assert "does not start" in reason
    assert "libascendcl.so" in reason
    device = Device("cpu:0", "cpu", 0, "x")
    with pytest.raises(Unsupported, match="did not start"):
        backend.load(model(), device, _slots(2), threads=1)


def test_without_onnxruntime_the_probe_says_how_to_install_it() -> None:
    script = """
import sys
sys.modules["onnxruntime"] = None
from bench import registry
print(registry.backend("onnxruntime")(registry.adapters()["cpu"], {}).probe().reason)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(registry.__file__).parents[1],
    )
    assert "pip install onnxruntime" in done.stdout


# --- devices ---------------------------------------------------------------------------------


def _nvml(count: int) -> SimpleNamespace:
    class NVMLError(Exception):
        pass

    def by_uuid(uuid: str) -> str:
        if uuid not in {*(f"GPU-{i}" for i in range(count)), "MIG-7"}:
            raise NVMLError
        return uuid

    return SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlSystemGetDriverVersion=lambda: "570.1",
        nvmlDeviceGetCount=lambda: count,
        nvmlDeviceGetHandleByIndex=lambda i: f"GPU-{i}",
        nvmlDeviceGetHandleByUUID=by_uuid,
        nvmlDeviceGetDeviceHandleFromMigDeviceHandle=lambda handle: "GPU-1",
        nvmlDeviceGetUUID=lambda handle: handle,
        nvmlDeviceGetName=lambda handle: "NVIDIA H100",
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(total=80 << 30),
        nvmlDeviceGetPciInfo=lambda handle: SimpleNamespace(busId="0000:01:00.0"),
    )


@pytest.mark.parametrize(
    ("visible", "uuids"),
    [
        (None, ["GPU-0", "GPU-1", "GPU-2"]),
        ("2,0", ["GPU-2", "GPU-0"]),
        ("GPU-1", ["GPU-1"]),
        ("0,9,1", ["GPU-0"]),
        ("", []),
        ("-1", []),
        ("MIG-7", ["MIG-7"]),
    ],
)
def test_nvidia_devices_follow_cuda_visible_devices(
    visible: str | None, uuids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = importlib.import_module("bench.plugins.backends._ort_devices")
    monkeypatch.setitem(sys.modules, "pynvml", _nvml(3))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    adapter = registry.adapters()["nvidia"]
    found = listing.devices(adapter, adapter.onnxruntime[0])
    assert [d.uuid for d in found] == uuids
    assert [d.id for d in found] == [f"cuda:{i}" for i in range(len(uuids))]
    if uuids == ["MIG-7"]:
        assert (found[0].scope, found[0].board) == ("slice", "0000:01:00.0")


def test_a_vendors_tool_lists_the_devices(tmp_path: Path) -> None:
    listing = importlib.import_module("bench.plugins.backends._ort_devices")
    tool = tmp_path / "xsmi"
    tool.write_text("#!/bin/sh\necho 'card 0 ID aa 32768'\necho 'card 1 ID bb 32768'\n")
    tool.chmod(0o755)
    pattern = r"card (?P<index>\d+) ID (?P<uuid>\w+) (?P<memory_mib>\d+)"
    adapter = Adapter("x", "X", "npu", title="X1", lists=DeviceList((str(tool),), pattern))
    spec = OnnxProvider("X", "XExecutionProvider")
    found = listing.devices(adapter, spec)
    assert [(d.id, d.uuid, d.name, d.memory_bytes) for d in found] == [
        ("npu:0", "aa", "X1", 32 << 30),
        ("npu:1", "bb", "X1", 32 << 30),
    ]
    tool.unlink()
    assert [d.id for d in listing.devices(adapter, spec)] == ["npu:0"]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[ONNXRuntimeError] : 6 : Failed to allocate memory for requested buffer"),
        RuntimeError("bfc_arena.cc: void* BFCArena::AllocateRawInternal"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("CUDA failure 2: out of memory"),
    ],
)
def test_running_out_of_memory_is_recognised(error: Exception) -> None:
    assert _backend("cpu").is_out_of_memory(error)
    assert not _backend("cpu").is_out_of_memory(RuntimeError("wrong shape"))
