"""Lower precisions of an ONNX file: calibrated int8, and fp16. Made once, kept for every run.

int8 is QDQ, static, weights per channel, calibrated by the least and greatest value seen.
Activations are uint8 and weights int8, which is what the VNNI instructions multiply, and the pair
that Qualcomm's NPUs prefer: on a CPU with VNNI ResNet-50 took 42 ms so against 94 ms with int8
activations (fp32: 135 ms) at an equal error. Symmetric int8 activations gave up to 1.8 times the
error.

A network is quantized throughout, so that integer NPUs get whole graphs; but where it multiplies
activations with each other, as attention does, only convolutions and matrix products are: residual
sums and masks have ranges that 8 bits cannot hold (MiniLM: relative L2 0.42 throughout, 0.08 so).
"""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from bench.model import Arrays, Precision
from bench.onnx.read import stored_precision
from bench.system import cache
from bench.workload import Slot


def prepared(source: Path, precision: Precision, calibration: Callable[[], Sequence[Slot]]) -> Path:
    """The kept file of a self-contained fp32 `source` in the precision; the source itself where
    the provider computes the precision from an fp32 file (fp32, tf32, bf16).

    `calibration` gives the input sets, a batch of one item each, and is called for int8 only.
    """
    if precision not in ("int8", "fp16"):
        return source
    sets = [slot.arrays for slot in calibration()] if precision == "int8" else []
    key = cache.key(
        made="quantized onnx",
        way=cache.file_digest(Path(__file__)),
        source=cache.file_digest(source),
        precision=precision,
        calibration=[{name: _digest(array) for name, array in one.items()} for one in sets],
        onnx=onnx.__version__,
        onnxruntime=ort.__version__,
    )
    if precision == "int8":
        return cache.prepared(key, ".onnx", lambda path: to_int8(source, path, sets))
    return cache.prepared(key, ".onnx", lambda path: to_fp16(source, path))


def to_int8(source: Path, path: Path, calibration: Sequence[Arrays]) -> None:
    """Write `source` with 8-bit weights and activations, or as it is if it has them already.

    Scratch files go beside `path`.
    """
    if stored_precision(onnx.load(source)) == "int8":
        shutil.copyfile(source, path)
        return
    plain = path.with_name("preprocessed.onnx")
    with _quiet():
        # Symbolic inference only adds to what plain inference finds for models with loops.
        quant_pre_process(source, plain, skip_symbolic_shape=True)
        _fold_norms(plain)
        quantize_static(
            plain,
            path,
            _Reader(calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=_operators(plain),
        )


def to_fp16(source: Path, path: Path) -> None:
    """Write `source` with fp16 weights and arithmetic; inputs and outputs stay fp32."""
    model = onnx.load(source)
    if stored_precision(model) != "fp16":
        with _quiet():
            model = convert_float_to_float16(model, keep_io_types=True)
    onnx.save(model, path)


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    def __init__(self, sets: Sequence[Arrays]) -> None:
        self._left = iter(sets)

    def get_next(self) -> Arrays | None:
        return next(self._left, None)


def _operators(path: Path) -> list[str] | None:
    """Operator types to quantize; None: all that ONNX Runtime can."""
    graph = onnx.load(path, load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    attends = any(node.op_type == "MatMul" and not weights & set(node.input) for node in graph.node)
    return ["Conv", "ConvTranspose", "Gemm", "MatMul"] if attends else None


def _fold_norms(path: Path) -> None:
    """Fold each BatchNormalization that follows a Gemm into it, as ONNX Runtime does for a Conv.

    Otherwise it is computed in floats between two roundings, and onnxruntime-ep-openvino 1.8.1
    fails on a chain of such.
    """
    model = onnx.load(path)
    graph = model.graph
    values = {tensor.name: tensor for tensor in graph.initializer}
    makers = {node.output[0]: node for node in graph.node}
    users = Counter(name for node in graph.node for name in node.input)
    for norm in [node for node in graph.node if node.op_type == "BatchNormalization"]:
        gemm = makers.get(norm.input[0])
        if gemm is None or gemm.op_type != "Gemm" or users[norm.input[0]] != 1:
            continue
        if len(gemm.input) != 3 or not {*gemm.input[1:], *norm.input[1:]} <= values.keys():
            continue
        settings = {
            a.name: helper.get_attribute_value(a) for a in (*gemm.attribute, *norm.attribute)
        }
        weight, bias, scale, shift, mean, variance = (
            numpy_helper.to_array(values[name]) for name in (*gemm.input[1:], *norm.input[1:])
        )
        factor = scale / np.sqrt(variance + settings.get("epsilon", 1e-5))
        weight = weight * (factor[:, None] if settings.get("transB") else factor)
        for name, array in (
            (gemm.input[1], weight),
            (gemm.input[2], (bias - mean) * factor + shift),
        ):
            values[name].CopyFrom(numpy_helper.from_array(array.astype(np.float32), name))
        gemm.output[0] = norm.output[0]
        graph.node.remove(norm)
    used = {name for node in graph.node for name in node.input}
    for tensor in [one for one in graph.initializer if one.name not in used]:
        graph.initializer.remove(tensor)
    onnx.save(model, path)


def _digest(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> str:
    return cache.key(shape=array.shape, type=str(array.dtype), data=array.tobytes().hex())


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the tools' advice to people who call them by hand; errors are raised all the same."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
