"""The machine a run was measured on: read once, before the first trial.

Everything comes from small text files (`/proc`, `/sys`), so that reading costs a fraction of a
second and imports no framework. What cannot be read is None and its reason is in `unavailable`;
what is None without a reason does not apply (no quota, not a container). Nothing personal is
kept: the hostname is hashed and home folders are written `~`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bench.bounds import Amount, Count, Name, Share, Text, fits
from bench.system import software
from bench.system.procfs import Host

T = TypeVar("T")

_STEAL_INTERVAL_S = 0.2
_TOGETHER = {
    "busy_share": ("busy_share", "steal_share"),
    "memory_bytes": ("memory_bytes", "memory_available_bytes", "swap_bytes", "swap_used_bytes"),
}
"""Field whose reading gives several -> all of those."""


@dataclass(frozen=True, slots=True)
class Environment:
    """State of the machine before a run. Shares are 0 to 1; pressures are percent of time."""

    os: Name | None
    """Name and version of the distribution."""
    kernel: Name
    """Release of the kernel."""
    libc: Name | None
    """Name and version of the C library."""
    architecture: Name
    """Of the processor: x86_64, aarch64."""
    hostname: Name
    """First 16 hex digits of a salted SHA-256, or the name itself where asked for."""
    product: Name | None
    """Maker and model of the machine, as its firmware says."""
    cpu_model: Name | None
    """The processor's name."""
    sockets: Count | None
    """Processors in the machine."""
    physical_cores: Count | None
    """Cores of all sockets."""
    logical_cores: Count | None
    """Hardware threads of all cores."""
    usable_cores: Count | None
    """Cores in this process's affinity mask."""
    smt: bool | None
    """Whether two hardware threads share a core."""
    numa_nodes: Count | None
    """Memory nodes."""
    governor: Name | None
    """Of the usable cores; several are joined with a comma."""
    turbo: bool | None
    """Whether clocks may rise above the nominal one."""
    frequency_mhz: Amount | None
    """Mean of the usable cores when read."""
    frequency_max_mhz: Amount | None
    """Highest of the usable cores."""
    clock_source: Name | None
    """What the kernel reads the time from; anything but the CPU's own counter is slow."""
    memory_bytes: Count | None
    """Memory of the machine."""
    memory_available_bytes: Count | None
    """What could be had without swapping."""
    swap_bytes: Count | None
    """Size of the swap space."""
    swap_used_bytes: Count | None
    """What of it was in use."""
    transparent_hugepages: Name | None
    """The kernel's mode: always, madvise or never."""
    virtualization: Name | None
    """Kind of hypervisor; None on bare metal."""
    container: Name | None
    """Kind of container; None outside of one."""
    cgroup_version: Count | None
    """1 or 2; None without control groups."""
    cpu_quota_cores: Amount | None
    """Cores' worth of time that the control group allows; None: no quota."""
    memory_limit_bytes: Count | None
    """Memory that the control group allows; None: no limit."""
    load_average_1m: Amount | None
    """Tasks that ran or waited, over the last minute."""
    busy_share: Share | None
    """Share of all cores' time that was not idle, over 0.2 s before the run."""
    steal_share: Share | None
    """Share of all cores' time that the hypervisor gave to others, over the same interval."""
    pressure_cpu_percent: Amount | None
    """Share of the last 10 s in which some task waited for a core."""
    pressure_memory_percent: Amount | None
    """Share of the last 10 s in which some task waited for memory."""
    pressure_io_percent: Amount | None
    """Share of the last 10 s in which some task waited for a disk."""
    python: Name
    """Implementation and version."""
    packages: Mapping[Name, Name]
    """Distribution -> version, of those that change results."""
    git_commit: Name | None
    """Commit of the checkout this code runs from; None when installed from a wheel."""
    variables: Mapping[Name, Text]
    """Environment variables that change results."""
    pythonpath_shadows: tuple[Name, ...]
    """Packages that PYTHONPATH provides in place of the installed ones."""
    unavailable: Mapping[Name, Text]
    """Field -> why it could not be read."""


class _Asked:
    """Readings of which some may fail: None then, and the reason is kept."""

    def __init__(self) -> None:
        self.unavailable: dict[str, str] = {}

    def __call__(self, name: str, read: Callable[[], T]) -> T | None:
        try:
            value = read()
            if not fits(value):
                raise ValueError(value)
            return value
        except OSError as error:
            self.unavailable[name] = f"cannot read {error.filename}: {error.strerror}"
        except (ValueError, KeyError, IndexError, ArithmeticError):
            self.unavailable[name] = "the system gives it in a form that is not understood"
        return None

    def explain(self, fields: Mapping[str, Any]) -> None:
        """Give the fields of one reading its reason, and a reason to those it left out."""
        for cause, names in _TOGETHER.items():
            for name in names:
                if fields[name] is None:
                    reason = self.unavailable.get(cause, "the kernel does not report it")
                    self.unavailable.setdefault(name, reason)


def collect(
    show_hostname: bool = False,
    *,
    root: Path = Path("/"),
    variables: Mapping[str, str] = os.environ,
) -> Environment:
    """Read the machine's state; takes about 0.25 s.

    `root` is the folder that holds `proc` and `sys`; `variables` the environment to record.
    """
    host, ask = Host(root), _Asked()
    before, since = ask("busy_share", host.cpu_times), time.monotonic()
    fields = {
        **_system(host, ask, show_hostname),
        **_processor(host, ask),
        **_memory(host, ask),
        **_limits(host, ask, variables),
        **_software(ask, variables),
    }
    time.sleep(max(0.0, _STEAL_INTERVAL_S - (time.monotonic() - since)))
    after = ask("busy_share", host.cpu_times)
    fields["busy_share"], fields["steal_share"] = _shares(before, after)
    ask.explain(fields)
    return Environment(**fields, unavailable=ask.unavailable)


def _system(host: Host, ask: _Asked, show_hostname: bool) -> dict[str, Any]:
    return {
        "os": ask("os", host.os_name),
        "kernel": platform.release(),
        "libc": ask("libc", _libc),
        "architecture": platform.machine(),
        "hostname": platform.node() if show_hostname else _hashed(platform.node()),
        "product": ask("product", host.product),
        "virtualization": ask("virtualization", host.virtualization),
    }


def _processor(host: Host, ask: _Asked) -> dict[str, Any]:
    usable = ask("usable_cores", _affinity) or ()
    return {
        "cpu_model": ask("cpu_model", host.cpu_model),
        "sockets": ask("sockets", host.sockets),
        "physical_cores": ask("physical_cores", host.physical_cores),
        "logical_cores": ask("logical_cores", host.logical_cores),
        "usable_cores": len(usable) or None,
        "smt": ask("smt", host.smt),
        "numa_nodes": ask("numa_nodes", host.numa_nodes),
        "governor": ask("governor", lambda: host.governor(usable)),
        "turbo": ask("turbo", host.turbo),
        "frequency_mhz": ask("frequency_mhz", lambda: host.frequency_mhz(usable)),
        "frequency_max_mhz": ask("frequency_max_mhz", lambda: host.frequency_max_mhz(usable)),
        "clock_source": ask("clock_source", host.clock_source),
    }


def _memory(host: Host, ask: _Asked) -> dict[str, Any]:
    memory = ask("memory_bytes", host.memory) or {}
    swapped = memory["SwapTotal"] - memory["SwapFree"] if "SwapFree" in memory else None
    return {
        "memory_bytes": memory.get("MemTotal"),
        "memory_available_bytes": memory.get("MemAvailable"),
        "swap_bytes": memory.get("SwapTotal"),
        "swap_used_bytes": swapped,
        "transparent_hugepages": ask("transparent_hugepages", host.transparent_hugepages),
    }


def _limits(host: Host, ask: _Asked, variables: Mapping[str, str]) -> dict[str, Any]:
    """What others on the machine and its control groups leave."""
    return {
        "container": host.container(variables),
        "cgroup_version": host.cgroup_version(),
        "cpu_quota_cores": ask("cpu_quota_cores", host.cpu_quota_cores),
        "memory_limit_bytes": ask("memory_limit_bytes", host.memory_limit_bytes),
        "load_average_1m": ask("load_average_1m", host.load_average),
        "pressure_cpu_percent": ask("pressure_cpu_percent", lambda: host.pressure("cpu")),
        "pressure_memory_percent": ask("pressure_memory_percent", lambda: host.pressure("memory")),
        "pressure_io_percent": ask("pressure_io_percent", lambda: host.pressure("io")),
    }


def _software(ask: _Asked, variables: Mapping[str, str]) -> dict[str, Any]:
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": software.packages(),
        "git_commit": ask("git_commit", software.git_commit),
        "variables": software.variables(variables),
        "pythonpath_shadows": software.shadows(variables.get("PYTHONPATH", "")),
    }


def _affinity() -> tuple[int, ...]:
    if not hasattr(os, "sched_getaffinity"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), "the affinity mask")
    return tuple(sorted(os.sched_getaffinity(0)))


def _libc() -> str:
    name, version = platform.libc_ver()
    if not name:
        raise ValueError(name)
    return f"{name} {version}"


def _hashed(hostname: str) -> str:
    return hashlib.sha256(b"hetbench hostname\0" + hostname.encode()).hexdigest()[:16]


def _shares(
    before: tuple[int, int, int] | None, after: tuple[int, int, int] | None
) -> tuple[float | None, float | None]:
    if before is None or after is None or after[0] <= before[0]:
        return None, None
    total = after[0] - before[0]
    busy, steal = ((now - then) / total for then, now in zip(before[1:], after[1:], strict=True))
    # some kernels let these counters run back a little
    return busy if 0 <= busy <= 1 else None, steal if 0 <= steal <= 1 else None
