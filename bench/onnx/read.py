"""Reading an ONNX file that somebody else made: bounded, checked, and never outside its folder."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import onnxruntime as ort
from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, TensorProto, helper
from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data

from bench.errors import RefusedInput
from bench.language import plain
from bench.model import Precision
from bench.system import cache

MAX_FILE_BYTES = 2**31 - 1
"""A protocol buffer ends there, so no ONNX file holds more."""

_QUANTIZED = re.compile(
    r"QLinear\w+|QGemm|QAttention|QuantizeLinear|De[qQ]uantizeLinear|\w+Integer|\w+NBits"
)
_NOT_WEIGHTS = frozenset((TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING))
_STORED: dict[Precision, int] = {
    "fp32": TensorProto.FLOAT,
    "fp16": TensorProto.FLOAT16,
    "bf16": TensorProto.BFLOAT16,
}


def read(path: Path) -> tuple[onnx.ModelProto, str]:
    """The model with all its weights in memory, and the digest of every file it came from.

    Raises RefusedInput: not ONNX, truncated, too large, of a newer version than this ONNX Runtime
    knows, or with weights in files that are missing, too short or outside the model's folder.
    """
    data = _content(path)
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise RefusedInput(f"{path} is not an ONNX model, or is truncated") from error
    if not model.ir_version or not model.opset_import or not model.graph.node:
        raise RefusedInput(f"{path} is not an ONNX model: it has no operators")
    _check_version(model, path)
    digest = hashlib.sha256(data)
    for location in _load_external(model, path):
        digest.update(f"{location.name} {cache.file_digest(location)}".encode())
    _check(model, path)
    return model, digest.hexdigest()


def first_line(error: BaseException) -> str:
    """The first line of an error's text, without ONNX Runtime's own prefix."""
    return plain.first_line(error).removeprefix("[ONNXRuntimeError] : ")


def _content(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise RefusedInput(f"{path} is not a file; give the path of an ONNX model")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise RefusedInput(f"{path} is larger than 2 GiB, which no ONNX file can be")
        return path.read_bytes()
    except OSError as error:
        raise RefusedInput(f"cannot read {path}: {error.strerror}") from error


def _check_version(model: onnx.ModelProto, path: Path) -> None:
    """Ask ONNX Runtime whether it knows the operator set and the file format."""
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), None)
    if opset is None:  # only operators of other domains: loading it will tell
        return
    value = helper.make_tensor_value_info
    probe = helper.make_model(
        helper.make_graph(
            [helper.make_node("Identity", ["x"], ["y"])],
            "probe",
            [value("x", TensorProto.FLOAT, [1])],
            [value("y", TensorProto.FLOAT, [1])],
        ),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=model.ir_version,
    )
    try:
        ort.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise RefusedInput(
            f"{path} is of opset {opset} in ONNX format {model.ir_version}, which ONNX Runtime "
            f"{ort.__version__} does not take; export it with an older opset or install a newer "
            "onnxruntime"
        ) from error


def _check(model: onnx.ModelProto, path: Path) -> None:
    """Ask ONNX's own checker, which also wants shapes on inputs and outputs; runtimes do not."""
    tensors = (value.type.tensor_type for value in (*model.graph.input, *model.graph.output))
    shapeless = [tensor for tensor in tensors if tensor.elem_type and not tensor.HasField("shape")]
    for tensor in shapeless:
        tensor.shape.SetInParent()
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise RefusedInput(f"{path} is not a valid ONNX model: {first_line(error)}") from error
    for tensor in shapeless:
        tensor.ClearField("shape")


def _load_external(model: onnx.ModelProto, path: Path) -> list[Path]:
    """Read weights kept in other files into the model; returns those files."""
    folder = path.resolve().parent
    files: dict[Path, None] = {}
    total = 0
    for tensor in tensors(model):
        if not uses_external_data(tensor):
            continue
        facts = {entry.key: entry.value for entry in tensor.external_data}
        name = facts.get("location", "")
        file = (folder / name).resolve()
        if not name or not file.is_relative_to(folder):
            raise RefusedInput(f"{path} wants weights from {name!r}, which is outside its folder")
        if not file.is_file():
            raise RefusedInput(f"{path} keeps weights in {name!r}, which is missing beside it")
        size = file.stat().st_size
        try:
            offset = int(facts.get("offset") or 0)
            length = int(facts.get("length") or size - offset)
        except ValueError as error:
            raise RefusedInput(f"{path} says wrongly where in {name!r} its weights are") from error
        if offset < 0 or length < 0 or offset + length > size:
            raise RefusedInput(f"{path} wants more of {name!r} than the {size} bytes it has")
        total += length
        if total > MAX_FILE_BYTES:
            raise RefusedInput(f"{path} has more than 2 GiB of weights, which is not supported")
        load_external_data_for_tensor(tensor, str(folder))
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]
        files[file] = None
    return sorted(files)


def tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """Every stored tensor: initializers and attributes, of subgraphs and functions too."""
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        for node in function.node:
            yield from _node_tensors(node.attribute)


def weights(model: onnx.ModelProto) -> list[TensorProto]:
    """Stored tensors that are not indices, shapes or the like."""
    return [tensor for tensor in tensors(model) if tensor.data_type not in _NOT_WEIGHTS]


def stored_precision(model: onnx.ModelProto) -> Precision:
    """The precision that a file is in: quantized, or what most of its weights are."""
    if any(_QUANTIZED.fullmatch(node.op_type) for node in model.graph.node):
        return "int8"
    sizes: Counter[int] = Counter()
    for tensor in weights(model):
        sizes[tensor.data_type] += math.prod(tensor.dims)
    return max(_STORED, key=lambda kind: (sizes[_STORED[kind]], kind == "fp32"))


def _graph_tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield from _node_tensors(node.attribute)


def _node_tensors(attributes: Any) -> Iterator[TensorProto]:
    for attribute in attributes:
        if attribute.type == AttributeProto.TENSOR:
            yield attribute.t
        yield from attribute.tensors
        if attribute.type == AttributeProto.GRAPH:
            yield from _graph_tensors(attribute.g)
        for graph in attribute.graphs:
            yield from _graph_tensors(graph)
