"""Raw samples as short text: exact, compact, and bounded when read.

Integers are stored as differences of neighbours, zigzag-coded (0, -1, 1, -2 ... as 0, 1, 2, 3 ...,
as Protocol Buffers do), and floats as they are; in both the bytes are shuffled (all first bytes,
then all second bytes, ...), least significant first, which puts the zeros together, then compressed
with zlib and written as base64.
"""

from __future__ import annotations

import base64
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
    """Pack samples without loss; raises ValueError for any that int64 or float64 cannot hold."""
    array = np.asarray(values)
    if array.size > MAX_SAMPLES:
        raise ValueError(f"{array.size} samples; at most {MAX_SAMPLES} are kept")
    words: npt.NDArray[Any]
    dtype: Literal["int64", "float64"]
    if array.size == 0 or np.can_cast(array.dtype, np.int64):
        whole = array.astype(np.int64)
        steps = whole.copy()
        steps[1:] -= whole[:-1]  # may wrap around; so do the sums that undo it
        words, dtype = ((steps << 1) ^ (steps >> 63)).astype("<i8"), "int64"
    elif array.dtype in (np.float16, np.float32, np.float64):
        words, dtype = array.astype("<f8"), "float64"
    else:
        raise ValueError(f"samples of type {array.dtype} do not fit into int64 or float64")
    shuffled = words.view(np.uint8).reshape(-1, 8).T.tobytes()
    text = base64.b64encode(zlib.compress(shuffled, 6)).decode("ascii")
    return Packed(dtype=dtype, n=int(words.size), data=text)


def unpack(packed: Packed) -> npt.NDArray[Any]:
    """The exact samples; raises ValueError for anything `pack` did not make."""
    n, dtype = packed["n"], packed["dtype"]
    if dtype not in ("int64", "float64"):
        raise ValueError(f"samples are of type int64 or float64, not {dtype!r}")
    if not 0 <= n <= MAX_SAMPLES:
        raise ValueError(f"{n} samples; at most {MAX_SAMPLES} are read")
    try:
        compressed = base64.b64decode(packed["data"], validate=True)
        engine = zlib.decompressobj()
        # one byte of room beyond what n samples need, so that a longer stream is noticed
        raw = engine.decompress(compressed, 8 * n + 1)
    except (ValueError, zlib.error) as error:  # not base64, or not zlib
        raise ValueError(f"samples cannot be unpacked: {error}") from error
    if len(raw) != 8 * n or not engine.eof or engine.unused_data:
        raise ValueError(f"samples are not a complete stream of {8 * n} bytes")
    words = np.frombuffer(raw, np.uint8).reshape(8, n).T.copy()
    if dtype == "float64":
        return words.view("<f8").reshape(n)
    steps = words.view("<u8").reshape(n)
    return np.cumsum(((steps >> 1) ^ (0 - (steps & 1))).view(np.int64), dtype=np.int64)
