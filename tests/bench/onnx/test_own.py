from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from bench.axes import Term
from bench.errors import RefusedInput
from bench.measure import inputs
from bench.model import PRECISIONS, ModelCard
from bench.onnx import own as onnx_model
from bench.settings import toml

F = TensorProto.FLOAT
WEIGHTS = np.random.default_rng(3).standard_normal((4, 5)).astype(np.float32)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HETBENCH_CACHE", str(tmp_path / "cache"))


Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(
        nodes: Sequence[onnx.NodeProto],
        ins: Sequence[onnx.ValueInfoProto],
        outs: Sequence[onnx.ValueInfoProto],
        weights: dict[str, Any] | None = None,
        opset: int = 17,
        **options: Any,
    ) -> Path:
        stored = [numpy_helper.from_array(a, n) for n, a in (weights or {}).items()]
        graph = helper.make_graph(nodes, "g", ins, outs, stored)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8
        )
        path = tmp_path / "my model.onnx"
        onnx.save(model, path, **options)
        return path

    return write


def _value(name: str, dims: Sequence[int | str | None] | None, kind: int = F) -> Any:
    return helper.make_tensor_value_info(name, kind, dims)


def _product(save: Save, dims: Sequence[int | str | None], out: Any = None, **more: Any) -> Path:
    return save(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [_value("x", dims)],
        [_value("y", out)],
        {"w": WEIGHTS},
        **more,
    )


def _run(path: Path, card: ModelCard, batch: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    batches = inputs.slots(card.inputs, {"batch": batch}, 2, "test")
    return onnx_model.reference(path, card, batches), [dict(slot.arrays) for slot in batches]


def test_a_card_is_made_of_what_the_file_says(save: Save) -> None:
    path = _product(save, ["n", 4])
    card = onnx_model.inspect(path)
    assert (card.name, card.parameters, card.batch) == ("my-model", 20, None)
    assert (card.flops, card.bytes) == ((Term(40),), (Term(4 * (4 + 5)),))
    assert [spec.shape for spec in card.inputs] == [(4,)]
    assert card.outputs == ("y",)
    assert card.precisions == PRECISIONS
    assert set(card.tolerance) == set(PRECISIONS)
    assert card.family == ""
    # It travels to the parent as JSON.
    again = toml.convert(ModelCard, json.loads(json.dumps(asdict(card))), path)
    assert again == card


def test_the_bound_file_takes_any_batch_on_an_axis_called_batch(save: Save) -> None:
    path = _product(save, ["n", "k"])
    card = onnx_model.inspect(path, ["x=Nx4"])
    assert card.batch is None
    session = ort.InferenceSession(onnx_model.bound(path, card))
    assert session.get_inputs()[0].shape == ["batch", 4]
    for batch in (1, 3):
        outputs, batches = _run(path, card, batch)
        joined = np.concatenate([one["x"] for one in batches])
        np.testing.assert_allclose(outputs["y"], joined @ WEIGHTS, rtol=1e-5, atol=1e-6)


def test_a_fixed_batch_is_the_only_one(save: Save) -> None:
    card = onnx_model.inspect(_product(save, [2, 4]))
    assert (card.batch, card.inputs[0].shape, card.flops) == (2, (4,), (Term(40),))
    assert onnx_model.inspect(_product(save, ["n", 4]), ["x=6x4"]).batch == 6


@pytest.mark.parametrize("opset", [11, 17])
def test_inputs_without_a_common_batch_get_one_outside_the_graph(save: Save, opset: int) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["p"]),
        helper.make_node("Add", ["p", "scale"], ["y"]),
        helper.make_node("Relu", ["y"], ["z"]),
    ]
    path = save(
        nodes,
        [_value("x", [3, 4]), _value("scale", [])],
        [_value("y", [3, 5]), _value("z", [3, 5])],
        {"w": WEIGHTS},
        opset=opset,
    )
    card = onnx_model.inspect(path)
    assert {spec.name: spec.shape for spec in card.inputs} == {"x": (3, 4), "scale": ()}
    assert card.batch == 1
    assert card.flops == (Term(2 * 3 * 4 * 5),)
    outputs, batches = _run(path, card, 1)
    wanted = np.stack([one["x"][0] @ WEIGHTS + one["scale"][0] for one in batches])
    np.testing.assert_allclose(outputs["y"], wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outputs["z"], np.maximum(wanted, 0), rtol=1e-5, atol=1e-6)


def test_a_leading_axis_the_outputs_lose_is_no_batch(save: Save) -> None:
    path = save(
        [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)],
        [_value("x", [8, 4])],
        [_value("y", [])],
    )
    card = onnx_model.inspect(path)
    assert (card.batch, card.inputs[0].shape) == (1, (8, 4))
    outputs, batches = _run(path, card, 1)
    np.testing.assert_allclose(outputs["y"], [one["x"].sum() for one in batches], rtol=1e-4)


def test_shapes_that_operators_compute_are_followed(save: Save) -> None:
    """As exporters write `x.reshape(x.shape[0], -1)`."""
    weights = {"w": WEIGHTS, "zero": np.array(0), "rest": np.array([-1]), "axis": np.array([0])}
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["first"]),
        helper.make_node("Unsqueeze", ["first", "axis"], ["lead"]),
        helper.make_node("Concat", ["lead", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    path = save(nodes, [_value("x", ["b", 2, 2])], [_value("y", ["b", "m"])], weights)
    card = onnx_model.inspect(path)
    assert (card.flops, card.batch, card.inputs[0].shape) == ((Term(40),), None, (2, 2))


def test_convolutions_are_counted(save: Save) -> None:
    weights = {
        "w": np.zeros((6, 1, 3, 3), np.float32),
        "v": np.zeros((6, 2, 2, 2), np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], group=3, pads=[1, 1, 1, 1]),
        helper.make_node("ConvTranspose", ["a", "v"], ["y"], strides=[2, 2]),
    ]
    path = save(nodes, [_value("x", [1, 3, 8, 8])], [_value("y", None)], weights)
    grouped, transposed = 2 * 6 * 64 * 9, 2 * 6 * 64 * (2 * 2 * 2)
    assert onnx_model.inspect(path).flops == (Term(grouped + transposed),)


def test_operators_with_a_body_are_not_counted(save: Save) -> None:
    def branch(name: str) -> onnx.GraphProto:
        node = helper.make_node("MatMul", ["x", "w"], [name])
        return helper.make_graph([node], name, [], [_value(name, None)])

    nodes = [helper.make_node("If", ["c"], ["y"], then_branch=branch("t"), else_branch=branch("e"))]
    path = save(
        nodes,
        [_value("x", [2, 4]), _value("c", [], TensorProto.BOOL)],
        [_value("y", [2, 5])],
        {"w": WEIGHTS},
    )
    card = onnx_model.inspect(path)
    assert card.flops is None
    assert card.batch == 1
    outputs, batches = _run(path, card, 1)  # the branches read `x` under its inner name
    np.testing.assert_allclose(outputs["y"][0], batches[0]["x"][0] @ WEIGHTS, rtol=1e-5, atol=1e-6)


def test_inputs_are_drawn_by_their_type(save: Save) -> None:
    kinds = {
        "f": F,
        "h": TensorProto.FLOAT16,
        "l": TensorProto.INT64,
        "i": TensorProto.INT32,
        "s": TensorProto.INT8,
        "u": TensorProto.UINT8,
        "b": TensorProto.BOOL,
    }
    nodes = [helper.make_node("Cast", [n], [f"{n}2"], to=F) for n in kinds]
    path = save(
        [*nodes, helper.make_node("Sum", [f"{n}2" for n in kinds], ["y"])],
        [_value(name, ["n", 64], kind) for name, kind in kinds.items()],
        [_value("y", ["n", 64])],
    )
    card = onnx_model.inspect(path)
    drawn = inputs.slots(card.inputs, {"batch": 2}, 1, "k")[0].arrays
    assert {n: a.dtype.name for n, a in drawn.items()} == {
        "f": "float32",
        "h": "float16",
        "l": "int64",
        "i": "int32",
        "s": "int8",
        "u": "uint8",
        "b": "bool",
    }
    assert set(np.unique(drawn["l"])) == {0, 1}
    assert drawn["u"].max() > 1
    assert _run(path, card, 2)[0]["y"].shape == (4, 64)


def test_a_quantized_or_fp16_file_runs_as_what_it_is(save: Save) -> None:
    half = save(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [_value("x", ["n", 4], TensorProto.FLOAT16)],
        [_value("y", None, TensorProto.FLOAT16)],
        {"w": WEIGHTS.astype(np.float16)},
    )
    assert onnx_model.inspect(half).precisions == ("fp16",)
    scales = {"s": np.float32(0.1), "z": np.uint8(128)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    quantized = save(nodes, [_value("x", ["n", 4])], [_value("y", None)], scales)
    assert onnx_model.inspect(quantized).precisions == ("int8",)


def test_old_files_that_list_weights_as_inputs(save: Save) -> None:
    path = save(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [_value("x", ["n", 4]), _value("w", [4, 5])],
        [_value("y", ["n", 5])],
        {"w": WEIGHTS},
    )
    assert [spec.name for spec in onnx_model.inspect(path).inputs] == ["x"]


# --- external data ---------------------------------------------------------------------------


def _external(save: Save) -> Path:
    return _product(
        save,
        ["n", 4],
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location="weights.bin",
        size_threshold=0,
    )


def test_weights_beside_the_file_are_taken_into_the_bound_one(save: Save) -> None:
    path = _external(save)
    card = onnx_model.inspect(path)
    bound = onnx_model.bound(path, card)
    path.with_name("weights.bin").unlink()
    x = np.ones((1, 4), np.float32)
    (y,) = ort.InferenceSession(bound).run(None, {"x": x})
    np.testing.assert_allclose(y, x @ WEIGHTS, rtol=1e-5, atol=1e-6)


def test_the_card_knows_the_weights_beside_the_file(save: Save) -> None:
    path = _external(save)
    before = onnx_model.inspect(path)
    weights = path.with_name("weights.bin")
    weights.write_bytes(bytes(reversed(weights.read_bytes())))
    assert onnx_model.inspect(path).source != before.source
    with pytest.raises(RefusedInput, match="has changed"):
        onnx_model.bound(path, before)


def test_missing_short_and_foreign_weights_are_refused(save: Save, tmp_path: Path) -> None:
    path = _external(save)
    weights = path.with_name("weights.bin")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-4])
    with pytest.raises(RefusedInput, match=r"more of 'weights.bin' than the 76 bytes"):
        onnx_model.inspect(path)
    weights.unlink()
    with pytest.raises(RefusedInput, match=r"keeps weights in 'weights.bin', which is missing"):
        onnx_model.inspect(path)
    outside = tmp_path.parent / f"{tmp_path.name}-outside.bin"
    outside.write_bytes(whole)
    weights.symlink_to(outside)
    with pytest.raises(RefusedInput, match="outside its folder"):
        onnx_model.inspect(path)


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", ""])
def test_paths_out_of_the_folder_are_refused(save: Save, location: str) -> None:
    path = _external(save)
    model = onnx.load(path, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = location
    path.write_bytes(model.SerializeToString())
    with pytest.raises(RefusedInput, match="outside its folder"):
        onnx_model.inspect(path)


# --- what is refused -------------------------------------------------------------------------


def test_what_is_not_onnx_is_refused(tmp_path: Path, save: Save) -> None:
    good = _product(save, ["n", 4]).read_bytes()
    path = tmp_path / "x.onnx"
    for content in (b"", b"hello, world\n", b"\x89PNG\r\n\x1a\n", os.urandom(999), good[:-30]):
        path.write_bytes(content)
        with pytest.raises(RefusedInput, match=r"x\.onnx"):
            onnx_model.inspect(path)
    with pytest.raises(RefusedInput, match="not a file"):
        onnx_model.inspect(tmp_path)
    with pytest.raises(RefusedInput, match="not a file"):
        onnx_model.inspect(tmp_path / "none.onnx")
    with path.open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(RefusedInput, match="larger than 2 GiB"):
        onnx_model.inspect(path)


def test_every_truncation_is_refused_or_harmless(tmp_path: Path, save: Save) -> None:
    good = _product(save, ["n", 4]).read_bytes()
    path = tmp_path / "x.onnx"
    for length in range(0, len(good), 7):
        path.write_bytes(good[:length])
        with pytest.raises(RefusedInput):
            onnx_model.inspect(path)


def test_a_newer_opset_is_refused_with_the_remedy(save: Save) -> None:
    path = _product(save, ["n", 4])
    model = onnx.load(path)
    model.opset_import[0].version = 999
    path.write_bytes(model.SerializeToString())
    with pytest.raises(RefusedInput, match=r"opset 999.*older opset or install a newer"):
        onnx_model.inspect(path)


def test_unknown_operators_and_broken_graphs_are_refused(save: Save) -> None:
    ins, outs = [_value("x", ["n", 4])], [_value("y", None)]
    path = save([helper.make_node("Frobnicate", ["x"], ["y"])], ins, outs)
    with pytest.raises(RefusedInput, match=r"not a valid ONNX model.*Frobnicate"):
        onnx_model.inspect(path)
    path = save([helper.make_node("Relu", ["nowhere"], ["y"])], ins, outs)
    with pytest.raises(RefusedInput, match="not a valid ONNX model"):
        onnx_model.inspect(path)
    own = helper.make_node("Mine", ["x"], ["y"], domain="com.example")
    path = save([own], ins, outs)
    model = onnx.load(path)
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    onnx.save(model, path)
    with pytest.raises(RefusedInput, match="ONNX Runtime cannot load"):
        onnx_model.inspect(path)


@pytest.mark.parametrize("kind", [TensorProto.STRING, TensorProto.DOUBLE])
def test_inputs_of_other_types_are_refused(save: Save, kind: int) -> None:
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    path = save(nodes, [_value("x", ["n"], kind)], [_value("y", ["n"], kind)])
    with pytest.raises(RefusedInput, match=r"the input 'x' of .* is of type (string|double)"):
        onnx_model.inspect(path)


def test_sequences_are_refused(save: Save) -> None:
    sequence = helper.make_tensor_sequence_value_info("s", F, None)
    out = [_value("y", None)]
    nodes = [helper.make_node("ConcatFromSequence", ["s"], ["y"], axis=0)]
    with pytest.raises(RefusedInput, match=r"the input 's' of .* is of type sequence_type"):
        onnx_model.inspect(save(nodes, [sequence], out))
    made = helper.make_tensor_sequence_value_info("y", F, None)
    nodes = [helper.make_node("SequenceConstruct", ["x"], ["y"])]
    with pytest.raises(RefusedInput, match=r"the output 'y' of .* is not a tensor"):
        onnx_model.inspect(save(nodes, [_value("x", ["n", 4])], [made]))


def test_an_input_of_unknown_rank_and_a_graph_without_inputs_are_refused(save: Save) -> None:
    path = _product(save, [1])
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.ClearField("shape")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(RefusedInput, match="does not tell how many axes"):
        onnx_model.inspect(path)
    path = save(
        [helper.make_node("Identity", ["w"], ["y"])], [], [_value("y", None)], {"w": WEIGHTS}
    )
    with pytest.raises(RefusedInput, match="has no inputs"):
        onnx_model.inspect(path)


def test_the_child_answers_with_the_card_or_the_refusal(save: Save) -> None:
    events: list[dict[str, Any]] = []

    def emit(event: str, **fields: Any) -> None:
        events.append({"event": event, **json.loads(json.dumps(fields))})

    path = str(_product(save, ["n", "k"]))
    onnx_model.perform({"path": path, "shapes": []}, emit)
    onnx_model.perform({"path": path, "shapes": ["x=Nx4"]}, emit)
    assert "--shape x=Nx128" in events[0]["refused"]
    assert events[1]["card"]["inputs"][0]["shape"] == [4]
