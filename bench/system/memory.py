"""A bound on the memory of a process that reads what others made.

Without one a small file that declares large tensors takes all of the machine's memory, and the
kernel then ends any process of it.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.system.procfs import Host

SHARE = 0.8
"""Of the memory that is free, what such a process may take."""


@contextmanager
def bounded() -> Iterator[None]:
    """Within it this process gets no more than a share of what is free: an allocation beyond fails
    there, as a MemoryError or a runtime's own error, and takes nothing from other processes.

    Without effect where the system does not say how much is free or used.
    """
    free, used = free_bytes(), _used_bytes()
    if free is None or used is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = used + int(SHARE * free)
    for limit in (soft, hard):
        if limit != resource.RLIM_INFINITY:
            most = min(most, limit)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def free_bytes() -> int | None:
    """Memory that may still be taken: of the machine, and of the container. None: not known."""
    host = Host(Path("/"))
    try:
        return min(host.memory()["MemAvailable"], host.memory_limit_bytes() or 2**63)
    except (OSError, KeyError, ValueError):
        return None


def _used_bytes() -> int | None:
    """What the kernel counts against RLIMIT_DATA already: private memory that may be written."""
    try:
        status = Path("/proc/self/status").read_text("ascii", "replace")
        return int(status.split("VmData:")[1].split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        return None
