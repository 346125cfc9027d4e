"""A person's own ONNX model: read with distrust, given a card, and bound to fixed shapes.

Axes. Every axis but the batch axis must be a number, in the file or by `--shape`.
- All inputs begin with an axis that the file leaves free: that is the batch axis, of any size. A
  `--shape` may write `N` there, and its number is not needed; if all of them give the same number,
  that is the only batch size.
- All inputs begin with the same fixed number: that is the only batch size.
- Otherwise the inputs as a whole are one item, and the prepared file gets a batch axis of 1 in
  front of every input and output.

The prepared file holds everything itself and calls its free axis `batch`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto

from bench import cache
from bench.child import Emit
from bench.errors import RefusedInput, UsageError
from bench.model import Arrays, InputSpec, ModelCard, Precision, Tolerance
from bench.onnx_export import BATCH_AXIS, MAX_FILE_BYTES
from bench.onnx_flops import count_flops
