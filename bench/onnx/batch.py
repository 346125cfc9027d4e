"""Giving an ONNX graph fixed shapes and a batch axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, ValueInfoProto, helper, numpy_helper

from bench.axes import BATCH
from bench.onnx.shapes import Binding


def real_inputs(model: ModelProto) -> list[ValueInfoProto]:
    """Inputs a caller has to give; old files list their weights as inputs too."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def inferred(model: ModelProto, binding: Binding) -> ModelProto:
    """The model with its inputs' shapes set and all others inferred anew. Changes `model`."""
    lead: list[int | str] = []
    if not binding.whole:
        lead = [binding.batch or BATCH]
    for value in real_inputs(model):
        set_shape(value, [*lead, *binding.items[value.name]])
    # What the file says of the others may name axes that are numbers now.
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


def outputs_batched(model: ModelProto, batch: int) -> bool:
    """Whether no output is known to begin with anything else than the batch axis."""
    for value in model.graph.output:
        if not value.type.tensor_type.HasField("shape"):
            continue
        axes = value.type.tensor_type.shape.dim
        if not axes:
            return False
        size = axes[0].dim_value if axes[0].HasField("dim_value") else None
        if size is not None and size != batch:
            return False
    return True


def add_batch_axis(model: ModelProto) -> None:
    """Put an axis of size 1 in front of every input and output, outside the graph's operators."""
    graph = model.graph
    inputs = real_inputs(model)
    inner = {value.name: f"{value.name}__item" for value in (*inputs, *graph.output)}
    _rename(graph, inner)
    before, after = [], []
    for value in inputs:
        dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
        shape = f"{value.name}__shape"
        graph.initializer.append(numpy_helper.from_array(np.array(dims, np.int64), shape))
        before.append(helper.make_node("Reshape", [value.name, shape], [inner[value.name]]))
        set_shape(value, [1, *dims])
    opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    for value in graph.output:
        after.append(_unsqueeze(graph, inner[value.name], value.name, opset))
        if value.type.tensor_type.HasField("shape"):
            dims = [d.dim_value or d.dim_param for d in value.type.tensor_type.shape.dim]
            set_shape(value, [1, *dims])
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)


def set_shape(value: ValueInfoProto, dims: Sequence[int | str]) -> None:
    """Write a tensor's shape; a name is a free axis, an empty one has no name."""
    shape = value.type.tensor_type.shape
    del shape.dim[:]
    shape.SetInParent()  # a scalar has a shape, with no axes
    for axis in dims:
        one = shape.dim.add()
        if isinstance(axis, int):
            one.dim_value = axis
        elif axis:
            one.dim_param = axis


def _unsqueeze(graph: GraphProto, source: str, target: str, opset: int) -> onnx.NodeProto:
    if opset < 13:  # axes were an attribute
        return helper.make_node("Unsqueeze", [source], [target], axes=[0])
    axes = f"{target}__axes"
    graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), axes))
    return helper.make_node("Unsqueeze", [source, axes], [target])


def _rename(graph: GraphProto, names: dict[str, str]) -> None:
    """Give values other names wherever nodes use or make them, in subgraphs too."""
    for node in graph.node:
        _replace(node.input, names)
        _replace(node.output, names)
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                _rename(attribute.g, names)
            for inner in attribute.graphs:
                _rename(inner, names)
    for value in graph.value_info:
        value.name = names.get(value.name, value.name)


def _replace(fields: Any, names: dict[str, str]) -> None:
    fields[:] = [names.get(name, name) for name in fields]
