"""A person's own ONNX model: its card, the file that is run, and its reference outputs.

The file that is run holds its weights itself, has numbers for every axis but a free batch axis,
which is called `batch`, and a batch axis in front of every input and output: where the model has
none (see `onnx_shapes`), one of size 1 is put there, outside the model's own operators.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime as ort
from onnx import ModelProto, TensorProto, ValueInfoProto

from bench.axes import Term
from bench.errors import HetbenchError, RefusedInput, Unsupported, UsageError
from bench.measure import fidelity
from bench.model import PRECISIONS, Arrays, InputSpec, ModelCard, Precision, Tolerance
from bench.onnx import batch as onnx_batch
from bench.onnx import read as onnx_read
from bench.onnx import shapes as onnx_shapes
from bench.onnx.flops import count_flops
from bench.onnx.shapes import Axis, Binding
from bench.system import cache, memory
from bench.system.child import Emit
from bench.system.files import slug
from bench.workload import Slot

_LARGE_PARAMETERS = 10_000_000
_TOLERANCE = {"fp32": 1e-4, "tf32": 5e-3, "bf16": 5e-2, "fp16": 1e-2, "int8": 1e-1}
"""Relative L2 against ONNX Runtime on the CPU. For int8 wider than for the zoo, whose networks
are known to bear it."""

_ANY_BATCH = 7
"""Batch for which the shapes of a model with a free batch axis are worked out: unlikely to be any
other axis's size."""

_Type = Literal["float32", "float16", "int64", "int32", "int8", "uint8", "bool"]
_TYPES: dict[int, _Type] = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.INT64: "int64",
    TensorProto.INT32: "int32",
    TensorProto.INT8: "int8",
    TensorProto.UINT8: "uint8",
    TensorProto.BOOL: "bool",
}
_RANGES: dict[_Type, tuple[float, float]] = {
    "int64": (0, 2),
    "int32": (0, 2),
    "int8": (-128, 128),
    "uint8": (0, 256),
    "bool": (0, 2),
}
"""[low, high) by type. Wide integers are mostly indices, and 0 and 1 are in every table."""


def perform(table: dict[str, Any], emit: Emit) -> None:
    """The child's job: one event with the `card`, or with why the file is `refused`."""
    try:
        with memory.bounded():
            card = inspect(Path(table["path"]), table["shapes"])
    except MemoryError:
        emit("refused", refused=f"{table['path']} needs more memory than is free to be read")
    except HetbenchError as error:
        emit("refused", refused=str(error), misused=isinstance(error, UsageError))
    else:
        emit("card", card=asdict(card))


def inspect(path: Path, shapes: Sequence[str] = ()) -> ModelCard:
    """The card of the model in `path`, its axes bound by `shapes` (`name=1x3x224x224`).

    Raises RefusedInput with what is wrong and what to do.
    """
    given = onnx_shapes.parse(shapes)
    model, digest = onnx_read.read(path)
    axes = {value.name: _axes(value, path) for value in onnx_batch.real_inputs(model)}
    if not axes:
        raise RefusedInput(f"{path} has no inputs, so there is nothing to run it on")
    for value in model.graph.output:
        if value.type.tensor_type.elem_type in (0, TensorProto.STRING):
            raise RefusedInput(f"the output {value.name!r} of {path} is not a tensor of numbers")
    binding = onnx_shapes.bind(axes, given)
    fixed = _fixed(model, binding)
    if not binding.whole and not onnx_batch.outputs_batched(fixed, binding.batch or _ANY_BATCH):
        binding = onnx_shapes.bind(axes, given, batched_outputs=False)
        fixed = _fixed(model, binding)
    batch = binding.batch or _ANY_BATCH
    counts = [
        None if count is None else (Term(count // batch),)
        for count in (count_flops(fixed), _moved_bytes(fixed))
    ]
    model = onnx_batch.inferred(model, binding)
    inputs = [_spec(value, binding.items[value.name]) for value in onnx_batch.real_inputs(model)]
    if binding.whole:
        onnx_batch.add_batch_axis(model)
    _try(model, path)
    stored = onnx_read.stored_precision(model)
    precisions: tuple[Precision, ...] = PRECISIONS if stored == "fp32" else (stored,)
    parameters = sum(math.prod(tensor.dims) for tensor in onnx_read.weights(model))
    large = parameters > _LARGE_PARAMETERS
    card = ModelCard(
        name=slug(path.stem),
        title=path.stem[:100],
        family="",
        size="large" if large else "lightweight",
        task=f"own ONNX model ({stored})",
        parameters=parameters,
        flops=counts[0],
        bytes=counts[1],
        published="",
        source=f"sha256 {digest}",
        inputs=tuple(inputs),
        outputs=tuple(value.name for value in model.graph.output),
        precisions=precisions,
        tolerance={p: Tolerance(_TOLERANCE[p]) for p in precisions},
        check_items=4 if large else 8,
        calibration_sets=8 if large else 32,
        batch=binding.batch,
    )
    _require_room(card, path)
    return card


def _require_room(card: ModelCard, path: Path) -> None:
    """Raises RefusedInput where the items that are checked do not fit into memory."""
    count = fidelity.check_count(card)
    item = sum(
        np.dtype(one.dtype).itemsize * math.prod(one.at(card.sizes())) for one in card.inputs
    )
    free = memory.free_bytes()
    if free is not None and 2 * count * item > memory.SHARE * free:  # drawn, then put together
        raise RefusedInput(
            f"{count} items of the inputs of {path}, by which its outputs are checked, take "
            f"{2 * count * item / 2**30:.0f} GiB, and {free / 2**30:.0f} GiB of memory are free; "
            "give it a smaller --shape, or free memory"
        )


def bound(source: Path, card: ModelCard) -> Path:
    """The kept file of the model in `source` as its card says; raises RefusedInput."""
    way = cache.file_digest(Path(onnx_batch.__file__))
    key = cache.key(made="bound onnx", card=asdict(card), way=way, onnx=onnx.__version__)

    def make(path: Path) -> None:
        model, digest = onnx_read.read(source)
        if card.source != f"sha256 {digest}":
            raise RefusedInput(f"{source} has changed since this run began; start the run again")
        items = {spec.name: spec.at(card.sizes()) for spec in card.inputs}
        whole = any(
            len(value.type.tensor_type.shape.dim) == len(items[value.name])
            for value in onnx_batch.real_inputs(model)
        )
        model = onnx_batch.inferred(model, Binding(items, card.batch, whole))
        if whole:
            onnx_batch.add_batch_axis(model)
        onnx.save(model, path)

    return cache.prepared(key, ".onnx", make)


def reference(source: Path, card: ModelCard, batches: Sequence[Slot]) -> Arrays:
    """Outputs of ONNX Runtime on the CPU with its graph optimizations off, batches joined."""
    session = _session(str(bound(source, card)))
    names = [out.name for out in session.get_outputs()]
    needed = [one.name for one in session.get_inputs()]
    found = [session.run(names, {name: one.arrays[name] for name in needed}) for one in batches]
    try:
        return {
            name: np.concatenate([np.asarray(outputs[i], np.float32) for outputs in found])
            for i, name in enumerate(names)
        }
    except ValueError as error:
        raise Unsupported(
            f"{card.name} has outputs whose shape depends on the data, which cannot be compared"
        ) from error


def _fixed(model: ModelProto, binding: Binding) -> ModelProto:
    """The model with all shapes inferred for one batch size; free axes would not go through
    operators that compute shapes."""
    batch = binding.batch or _ANY_BATCH
    return onnx_batch.inferred(model, Binding(binding.items, batch, binding.whole))


def _moved_bytes(model: ModelProto) -> int | None:
    """Bytes of all inputs and outputs; None where a size depends on the data."""
    total = 0
    for value in (*onnx_batch.real_inputs(model), *model.graph.output):
        tensor = value.type.tensor_type
        if not tensor.HasField("shape") or not all(
            dim.HasField("dim_value") for dim in tensor.shape.dim
        ):
            return None
        width = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).itemsize
        total += width * math.prod(dim.dim_value for dim in tensor.shape.dim)
    return total


def _axes(value: ValueInfoProto, path: Path) -> list[Axis]:
    """The file's axes of an input; raises RefusedInput where the input cannot be fed."""
    kind = value.type.WhichOneof("value")
    tensor = value.type.tensor_type
    if kind != "tensor_type" or tensor.elem_type not in _TYPES:
        of = TensorProto.DataType.Name(tensor.elem_type).lower() if kind == "tensor_type" else kind
        raise RefusedInput(
            f"the input {value.name!r} of {path} is of type {of}; inputs can be tensors of "
            f"{', '.join(_TYPES.values())}"
        )
    if not tensor.HasField("shape"):
        raise RefusedInput(
            f"{path} does not tell how many axes its input {value.name!r} has; export it with "
            "input shapes"
        )
    # Some exporters write 0 or -1 for an axis that is free.
    return [
        dim.dim_value if dim.dim_value > 0 else dim.dim_param or None for dim in tensor.shape.dim
    ]


def _spec(value: ValueInfoProto, shape: tuple[int, ...]) -> InputSpec:
    kind = _TYPES[value.type.tensor_type.elem_type]
    if kind not in _RANGES:
        return InputSpec(value.name, shape, kind)
    low, high = _RANGES[kind]
    return InputSpec(value.name, shape, kind, "integers", low, high)


def _try(model: ModelProto, path: Path) -> None:
    """Load the model as its reference will be; raises RefusedInput."""
    try:
        _session(model.SerializeToString())
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise RefusedInput(
            f"ONNX Runtime cannot load {path}: {onnx_read.first_line(error)}"
        ) from error


def _session(source: str | bytes) -> Any:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3  # errors, which are raised as well
    return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
