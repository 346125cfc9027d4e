"""Raw samples as short text: exact, compact, and bounded when read.

Integers are stored as differences of neighbours and floats as they are; in both the bytes are
shuffled (all first bytes, then all second bytes, ...), which puts the zeros together, then
compressed with zlib and written as base64.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence
from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt

MAX_SAMPLES = 4_000_000


class Packed(TypedDict):
    """Packed samples as they stand in a results file."""

    dtype: Literal["int64", "float64"]
    n: int
    data: str


def pack(values: Sequence[int] | Sequence[float] | npt.NDArray[Any]) -> Packed:
    """Pack int64 or float64 samples without loss."""
    array = np.asarray(values)
    if array.size == 0 or np.issubdtype(array.dtype, np.integer):
        whole = array.astype(np.int64)
        raw, dtype = np.diff(whole, prepend=np.int64(0)), "int64"
    else:
        raw, dtype = array.astype(np.float64), "float64"
    shuffled = raw.view(np.uint8).reshape(-1, 8).T.tobytes()
    text = base64.b64encode(zlib.compress(shuffled, 6)).decode("ascii")
    return Packed(dtype=dtype, n=int(raw.size), data=text)  # type: ignore[typeddict-item]


def unpack(packed: Packed) -> npt.NDArray[Any]:
    """The exact samples; raises ValueError for anything `pack` did not make."""
    n, dtype = packed["n"], packed["dtype"]
    if not 0 <= n <= MAX_SAMPLES:
        raise ValueError(f"{n} samples; at most {MAX_SAMPLES} are read")
    try:
        engine = zlib.decompressobj()
        # one byte of room beyond what n samples need, so that a longer stream is noticed
        raw = engine.decompress(base64.b64decode(packed["data"], validate=True), 8 * n + 1)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"samples cannot be unpacked: {error}") from error
    if len(raw) != 8 * n:
        raise ValueError(f"samples hold {len(raw)} bytes where {8 * n} belong")
    flat = np.frombuffer(raw, np.uint8).reshape(8, n).T.copy().view(dtype).reshape(n)
    return np.cumsum(flat, dtype=np.int64) if dtype == "int64" else flat
