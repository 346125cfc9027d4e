"""Counting the floating-point operations of an ONNX graph, as the zoo's cards count them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import onnx
from onnx import GraphProto, NodeProto, ValueInfoProto

_WEIGHT = {"Conv": 1, "ConvInteger": 1, "ConvTranspose": 1, "QLinearConv": 3}
"""Convolution -> position of its weight among the inputs."""
_PRODUCTS = ("MatMul", "MatMulInteger", "QLinearMatMul", "Gemm")
_BODIES = ("If", "Loop", "Scan")
_RECURRENT = ("GRU", "LSTM", "RNN")
_FUSED = ("Attention", "DeformConv", "Einsum", "MultiHeadAttention", "QAttention")
_UNCOUNTED = frozenset((*_BODIES, *_RECURRENT, *_FUSED))

Shapes = Mapping[str, list[int | None]]


def count_flops(model: onnx.ModelProto) -> int | None:
    """2 x multiply-accumulates of the convolutions and matrix products of one inference.

    `model` has its inputs' shapes fixed and the others inferred. None when an operator cannot be
    counted: one with a body of its own, a recurrent or fused one, or one of unknown shape.
    """
    own = {(function.domain, function.name) for function in model.functions}
    for node in model.graph.node:
        if node.op_type in _UNCOUNTED or (node.domain, node.op_type) in own:
            return None
    total = _sum(model.graph)
    return _sum(_inferred_again(model).graph) if total is None else total or None


def _sum(graph: GraphProto) -> int | None:
    shapes = _shapes(graph)
    counts = [_of_node(node, shapes) for node in graph.node]
    return None if None in counts else sum(count for count in counts if count is not None)


def _inferred_again(model: onnx.ModelProto) -> onnx.ModelProto:
    """With ONNX Runtime's own inference, which follows shapes that operators compute."""
    # It imports sympy, which takes a second that most models do not need.
    from onnxruntime.tools.symbolic_shape_infer import SymbolicShapeInference

    try:
        found: onnx.ModelProto = SymbolicShapeInference.infer_shapes(model, auto_merge=True)
    except Exception:  # noqa: BLE001 - a tool of its own kind on a foreign graph may raise anything
        return model
    return found


def _of_node(node: NodeProto, shapes: Shapes) -> int | None:
    if node.op_type in _WEIGHT:
        weight = _known(shapes, node.input[_WEIGHT[node.op_type]])
        # Every output of a convolution sums over one filter; every input of a transposed one
        # is spread over one.
        spread = node.op_type == "ConvTranspose"
        places = _known(shapes, node.input[0] if spread else node.output[0])
        if weight is None or places is None:
            return None
        return 2 * math.prod(places) * math.prod(weight[1:])
    if node.op_type in _PRODUCTS:
        left, out = _known(shapes, node.input[0]), _known(shapes, node.output[0])
        if not left or out is None:
            return None
        turned = any(a.name == "transA" and a.i for a in node.attribute)
        return 2 * math.prod(out) * left[0 if turned else -1]
    return 0


def _known(shapes: Shapes, name: str) -> list[int] | None:
    dims = shapes.get(name)
    return None if dims is None or None in dims else [d for d in dims if d is not None]


def _shapes(graph: GraphProto) -> Shapes:
    found: dict[str, list[int | None]] = {t.name: list(t.dims) for t in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        if value.type.tensor_type.HasField("shape"):
            found[value.name] = _dims(value)
    return found


def _dims(value: ValueInfoProto) -> list[int | None]:
    dims = value.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]
