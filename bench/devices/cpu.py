"""The CPU as a device: the cores this process may really use, and how many threads fit on them."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

from bench.device import Device
from bench.system.procfs import Host

_VENDORS = {
    "intel": "Intel",
    "amd": "AMD",
    "hygon": "Hygon",
    "hisilicon": "HiSilicon",
    "kunpeng": "HiSilicon",
    "phytium": "Phytium",
    "loongson": "Loongson",
    "zhaoxin": "Zhaoxin",
    "ampere": "Ampere",
    "arm ": "Arm",
}


def usable_cores() -> tuple[int, ...]:
    """Cores in this process's affinity mask."""
    return tuple(sorted(os.sched_getaffinity(0)))


def thread_count(cores: Sequence[int], root: Path = Path("/")) -> int:
    """Threads that can run at once on `cores` under the cgroup's CPU quota, at least 1.

    A quota of 2.5 cores gives 2: a third thread would be throttled for half of every period.
    """
    try:
        quota = Host(root).cpu_quota_cores()
    except (OSError, ValueError):  # no cgroup file system, or one this kernel writes differently
        quota = None
    return max(1, len(cores) if quota is None else min(len(cores), int(quota)))


def cpu_device(root: Path = Path("/")) -> Device:
    """`cpu:0`: all usable cores of this machine as one device.

    Its memory is the machine's or the cgroup's limit, whichever is less. It holds one lock per
    core, so that partitions of it (`cpu:0[0-3]`) can run beside each other.
    """
    host = Host(root)
    cores = usable_cores()
    try:
        name = host.cpu_model()
    except (OSError, KeyError):  # some kernels print neither a model name nor part numbers
        name = platform.processor() or platform.machine()
    return Device(
        id="cpu:0",
        kind="cpu",
        index=0,
        name=name,
        vendor=next((v for word, v in _VENDORS.items() if word in f"{name} ".lower()), None),
        memory_bytes=_memory_bytes(host),
        cores=cores,
        locks=tuple(f"cpu-core-{core}" for core in cores),
        properties={"architecture": platform.machine()},
    )


def available_bytes(root: Path = Path("/")) -> int | None:
    """Memory that new work can get without swapping; None where the kernel does not say."""
    host = Host(root)
    try:
        sizes = [host.memory()["MemAvailable"]]
        sizes.append(host.memory_limit_bytes() or sizes[0])
    except (OSError, ValueError, KeyError):  # an old kernel, or not Linux
        return None
    return min(sizes)


def memory_for_model(device: Device) -> int | None:
    """What can be given to a model: on a CPU what is free now, elsewhere all of the memory, since
    a neighbour on an accelerator is a condition of the run and not a property of the device."""
    sizes = [device.memory_bytes, *([available_bytes()] if device.kind == "cpu" else [])]
    return min((size for size in sizes if size is not None), default=None)


def _memory_bytes(host: Host) -> int | None:
    sizes = []
    try:
        sizes.append(host.memory()["MemTotal"])
        sizes.append(host.memory_limit_bytes() or sizes[0])
    except (OSError, ValueError, KeyError):  # what could be read counts
        pass
    return min(sizes, default=None)
