"""Which machines count as the same one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from bench.system.environment import Environment

_BACKEND = re.compile(r"torch|onnxruntime|openvino|tensorrt|triton|habana|nvidia-cud")


def fingerprint(env: Environment, device: Mapping[str, Any]) -> str:
    """Digest of what two runs must share to be held against one stored baseline.

    `device` are the fields of a `bench.device.Device`. Memory counts
    in eighths of a power of two, rounded up, since kernels reserve a varying part of it.
    """
    memory = env.memory_bytes or 0
    step = 1 << max(0, memory.bit_length() - 4)
    shared = (
        env.architecture,
        env.cpu_model,
        env.usable_cores,
        env.cpu_quota_cores,
        -(-memory // step) * step,
        device["name"],
        device["properties"].get("driver"),
        ".".join(env.kernel.split(".")[:2]),
        sorted((n, v) for n, v in env.packages.items() if _BACKEND.match(n)),
    )
    return hashlib.sha256(repr(shared).encode()).hexdigest()[:16]
