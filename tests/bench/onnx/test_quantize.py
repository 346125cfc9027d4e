from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from bench import registry
from bench.errors import HetbenchError
from bench.measure import inputs
from bench.model import Arrays, ModelCard
from bench.onnx import export as onnx_export
from bench.onnx import quantize
from bench.workload import Slot


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HETBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelCard, Path]:
    card = registry.model("resnet8")
    path = tmp_path_factory.mktemp("export") / "resnet8.onnx"
    onnx_export.export(card, {}, registry.builder(card)("resnet8"), path)
    return card, path


def _sets(card: ModelCard, key: str = "calibration") -> list[Slot]:
    return inputs.slots(card.inputs, card.sizes(), card.calibration_sets, key)


def _feeds(card: ModelCard, batch: int) -> list[Arrays]:
    return [slot.arrays for slot in inputs.slots(card.inputs, card.sizes(batch), 2, "fresh")]


def _error(path: Path, source: Path, feeds: Sequence[Arrays]) -> float:
    worst = 0.0
    for feed in feeds:
        found, right = (ort.InferenceSession(p).run(None, feed)[0] for p in (path, source))
        worst = max(worst, float(np.linalg.norm(found - right) / np.linalg.norm(right)))
    return worst


def test_int8_is_near_and_smaller_and_really_quantized(resnet: tuple[ModelCard, Path]) -> None:
    card, source = resnet
    path = quantize.prepared(source, "int8", lambda: _sets(card))
    feeds = _feeds(card, 2)
    assert 1e-4 < _error(path, source, feeds) < 0.15
    assert path.stat().st_size < 0.5 * source.stat().st_size
    graph = onnx.load(path).graph
    weights = {t.name: t for t in graph.initializer}
    kinds = {
        node.op_type: weights[node.input[2]].data_type
        for node in graph.node
        if node.op_type == "QuantizeLinear"
    }
    assert kinds == {"QuantizeLinear": TensorProto.UINT8}
    per_channel = [
        node
        for node in graph.node
        if node.op_type == "DequantizeLinear"
        and node.input[0] in weights
        and weights[node.input[0]].data_type == TensorProto.INT8
        and len(weights[node.input[1]].dims) == 1
    ]
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(per_channel) >= len(convolutions) > 0
    assert graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_fp16_is_near_and_keeps_fp32_inputs_and_outputs(resnet: tuple[ModelCard, Path]) -> None:
    card, source = resnet
    path = quantize.prepared(source, "fp16", lambda: pytest.fail("no calibration is needed"))
    feeds = _feeds(card, 2)
    assert 1e-6 < _error(path, source, feeds) < 1e-2
    assert path.stat().st_size < 0.6 * source.stat().st_size
    session = ort.InferenceSession(path)
    assert {one.type for one in (*session.get_inputs(), *session.get_outputs())} == {
        "tensor(float)"
    }


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_precisions_that_providers_compute_need_no_other_file(
    precision: Any, resnet: tuple[ModelCard, Path]
) -> None:
    source = resnet[1]
    assert quantize.prepared(source, precision, lambda: pytest.fail("not needed")) == source


def test_the_file_is_kept_by_source_and_calibration(resnet: tuple[ModelCard, Path]) -> None:
    card, source = resnet
    first = quantize.prepared(source, "int8", lambda: _sets(card))
    stamp = first.stat().st_mtime_ns
    assert quantize.prepared(source, "int8", lambda: _sets(card)) == first
    assert first.stat().st_mtime_ns == stamp
    assert quantize.prepared(source, "int8", lambda: _sets(card, "other")) != first
    assert not list(first.parent.glob("*.work"))


def _transformer(path: Path) -> Path:
    draw = np.random.default_rng(5)
    weights = {
        "w1": draw.standard_normal((8, 8)).astype(np.float32),
        "w2": draw.standard_normal((8, 8)).astype(np.float32),
        "mask": np.float32([0, 0, 0, -1e4]),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["q"]),
        helper.make_node("Transpose", ["q"], ["k"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "k"], ["s"]),
        helper.make_node("Add", ["s", "mask"], ["m"]),
        helper.make_node("Softmax", ["m"], ["p"]),
        helper.make_node("MatMul", ["p", "q"], ["o"]),
        helper.make_node("MatMul", ["o", "w2"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4, 8])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )
    return path


def test_only_matrix_products_of_a_transformer_are_quantized(tmp_path: Path) -> None:
    source = _transformer(tmp_path / "t.onnx")
    draw = np.random.default_rng(6)
    sets: list[Arrays] = [
        {"x": draw.standard_normal((1, 4, 8)).astype(np.float32)} for _ in range(8)
    ]
    path = quantize.prepared(source, "int8", lambda: [Slot(one, {"batch": 1}) for one in sets])
    graph = onnx.load(path).graph
    scaled = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    for node in graph.node:
        if node.op_type == "MatMul":
            assert set(node.input) <= scaled
        elif node.op_type == "Add":  # the mask's -10000 would leave one step of 8 bits
            assert "mask" in node.input
        elif node.op_type == "Softmax":
            assert not set(node.input) & scaled
    assert _error(path, source, sets) < 0.2


def test_norms_after_products_are_folded_and_nothing_is_left_unused(tmp_path: Path) -> None:
    card = registry.model("autoencoder")
    source = tmp_path / "autoencoder.onnx"
    onnx_export.export(card, {}, registry.builder(card)(card.name), source)
    before = {node.op_type for node in onnx.load(source).graph.node}
    assert "BatchNormalization" in before  # else this test shows nothing
    folded = tmp_path / "folded.onnx"
    folded.write_bytes(source.read_bytes())
    quantize._fold_norms(folded)
    graph = onnx.load(folded).graph
    assert {node.op_type for node in graph.node} == before - {"BatchNormalization"}
    assert {t.name for t in graph.initializer} <= {n for node in graph.node for n in node.input}
    assert _error(folded, source, _feeds(card, 3)) < 1e-5


def test_a_file_already_in_the_precision_stays_as_it_is(resnet: tuple[ModelCard, Path]) -> None:
    card, source = resnet
    int8 = quantize.prepared(source, "int8", lambda: _sets(card))
    again = quantize.prepared(int8, "int8", lambda: _sets(card))
    assert again.read_bytes() == int8.read_bytes()
    fp16 = quantize.prepared(source, "fp16", list)
    once_more = quantize.prepared(fp16, "fp16", list)
    assert len(onnx.load(once_more).graph.node) == len(onnx.load(fp16).graph.node)


def test_a_full_disk_leaves_nothing_half_written(
    resnet: tuple[ModelCard, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(quantize, "quantize_static", full)
    with pytest.raises(HetbenchError, match="no space left"):
        quantize.prepared(resnet[1], "int8", lambda: _sets(resnet[0]))
    assert {p.suffix for p in (tmp_path / "cache").iterdir()} == {".lock"}


def test_logging_is_as_before(resnet: tuple[ModelCard, Path]) -> None:
    quantize.prepared(resnet[1], "int8", lambda: _sets(resnet[0]))
    assert logging.root.manager.disable == logging.NOTSET
