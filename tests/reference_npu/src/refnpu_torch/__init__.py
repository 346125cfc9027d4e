"""The torch device `refnpu`: importing this registers it, as a vendor's plug-in does."""

from __future__ import annotations

import atexit
import functools
import sys
from typing import NamedTuple

import torch

from refnpu_torch import _C  # registers guard, hooks, allocator and operators

__version__ = "1.0"

torch.utils.rename_privateuse1_backend("refnpu")
torch._register_device_module("refnpu", sys.modules[__name__])

current_device = torch.accelerator.current_device_index
set_device = torch.accelerator.set_device_index
synchronize = torch.accelerator.synchronize
memory_allocated = torch.accelerator.memory_allocated
max_memory_allocated = torch.accelerator.max_memory_allocated
reset_peak_memory_stats = torch.accelerator.reset_peak_memory_stats
mem_get_info = torch.accelerator.get_memory_info
empty_cache = torch.accelerator.empty_cache
Event = functools.partial(torch.Event, "refnpu")
hold, release = _C.hold, _C.release
"""Stop and go on, for tests of order: no vendor has these."""

__all__ = [
    "Event",
    "current_device",
    "device_count",
    "empty_cache",
    "get_device_name",
    "get_device_properties",
    "hold",
    "is_available",
    "max_memory_allocated",
    "mem_get_info",
    "memory_allocated",
    "release",
    "reset_peak_memory_stats",
    "set_device",
    "synchronize",
]


def is_available() -> bool:
    return True


def device_count() -> int:
    return 2


class Properties(NamedTuple):
    name: str
    total_memory: int
    """Bytes."""


def get_device_properties(device: torch.device | int | str | None = None) -> Properties:
    return Properties("Reference NPU", mem_get_info(device)[1])


def get_device_name(device: torch.device | int | str | None = None) -> str:
    return get_device_properties(device).name


def _is_in_bad_fork() -> bool:
    return False


def manual_seed_all(seed: int) -> None:
    """Nothing to seed: random numbers are drawn by CPU kernels from the CPU's generator."""


# The queues' threads must be idle before the interpreter and its libraries are torn down.
atexit.register(_C.drain)
