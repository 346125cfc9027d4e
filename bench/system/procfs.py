"""Facts of a Linux host from `/proc` and `/sys`.

Every method reads at most a few small files below `root` and raises OSError (absent, forbidden)
or ValueError, KeyError, IndexError (not in the known form), which the caller turns into a reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from statistics import fmean

_READ_LIMIT = 8 << 20
_NO_LIMIT_BYTES = 1 << 60
"""cgroup v1 writes "no limit" as the largest multiple of the page size below 2^63."""

# Vendors print no model name on aarch64, only numbers; from the kernel's
# arch/arm64/include/asm/cputype.h.
_ARM_CORES = {
    ("0x41", "0xd08"): "Arm Cortex-A72",
    ("0x41", "0xd0b"): "Arm Cortex-A76",
    ("0x41", "0xd0c"): "Arm Neoverse N1",
    ("0x41", "0xd40"): "Arm Neoverse V1",
    ("0x41", "0xd49"): "Arm Neoverse N2",
    ("0x41", "0xd4f"): "Arm Neoverse V2",
    ("0x48", "0xd01"): "HiSilicon Kunpeng 920",
    ("0x48", "0xd02"): "HiSilicon Kunpeng 920 (TSV200)",
    ("0x48", "0xd06"): "HiSilicon HIP09",
    ("0x70", "0x663"): "Phytium FTC663",
    ("0x70", "0x664"): "Phytium FTC664",
    ("0x70", "0x862"): "Phytium FTC862",
    ("0xc0", "0xac3"): "Ampere-1",
    ("0xc0", "0xac4"): "Ampere-1a",
}
_MACHINE_VENDORS = re.compile(
    r"QEMU|KVM|VMware|VirtualBox|Xen|OpenStack|Bochs|Google Compute Engine|Alibaba Cloud ECS|"
    r"Virtual Machine|Amazon EC2(?!.*metal)|Firecracker|Parallels",
    re.IGNORECASE,
)


class Host:
    """Reader of one machine whose `proc` and `sys` lie below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._cpu = root / "sys/devices/system/cpu"

    def text(self, path: str) -> str:
        """A file below the root, at most 8 MiB of it."""
        with (self.root / path).open(encoding="utf-8", errors="replace") as file:
            return file.read(_READ_LIMIT).strip("\0\n ")

    @cached_property
    def _cpuinfo(self) -> list[dict[str, str]]:
        blocks = []
        for block in self.text("proc/cpuinfo").split("\n\n"):
            pairs = (line.partition(":") for line in block.splitlines())
            blocks.append({key.strip(): value.strip() for key, _, value in pairs})
        return blocks

    @cached_property
    def _cores(self) -> tuple[int, ...]:
        numbers = tuple(sorted(int(p.name[3:]) for p in self._cpu.glob("cpu[0-9]*")))
        return numbers or tuple(
            int(block["processor"]) for block in self._cpuinfo if "processor" in block
        )

    def os_name(self) -> str:
        """The distribution's own name and version."""
        pairs = (line.partition("=") for line in self.text("etc/os-release").splitlines())
        return {key: value.strip("\"'") for key, _, value in pairs}["PRETTY_NAME"]

    def product(self) -> str:
        """Maker and model of the machine; never its serial number."""
        try:
            vendor = self.text("sys/class/dmi/id/sys_vendor")
            return f"{vendor} {self.text('sys/class/dmi/id/product_name')}".strip()
        except FileNotFoundError:
            return self.text("proc/device-tree/model")

    def cpu_model(self) -> str:
        """Name of the CPU; on aarch64 from the implementer and part numbers."""
        merged = {key: value for block in self._cpuinfo for key, value in block.items()}
        for key in ("model name", "Model Name", "cpu model", "cpu"):
            if merged.get(key):
                return merged[key]
        numbers = merged["CPU implementer"], merged["CPU part"]
        return _ARM_CORES.get(numbers, f"implementer {numbers[0]} part {numbers[1]}")

    def _topology(self, name: str) -> list[str]:
        return [self.text(f"sys/devices/system/cpu/cpu{n}/topology/{name}") for n in self._online()]

    def _online(self) -> tuple[int, ...]:
        # A core that is switched off keeps its folder and loses its topology.
        return tuple(n for n in self._cores if (self._cpu / f"cpu{n}/topology").is_dir())

    def sockets(self) -> int:
        """Number of CPU packages."""
        return len(set(self._topology("physical_package_id"))) or len(
            {block["physical id"] for block in self._cpuinfo if "processor" in block}
        )

    def physical_cores(self) -> int:
        """Cores, not counting hardware threads."""
        packages = self._topology("physical_package_id")
        if packages:
            return len(set(zip(packages, self._topology("core_id"), strict=True)))
        return len({(b["physical id"], b["core id"]) for b in self._cpuinfo if "processor" in b})

    def logical_cores(self) -> int:
        """Hardware threads that are switched on."""
        return len(self._online()) or len([b for b in self._cpuinfo if "processor" in b])

    def smt(self) -> bool:
        """Whether hardware threads share cores."""
        try:
            return self.text("sys/devices/system/cpu/smt/active") == "1"
        except FileNotFoundError:
            return self.logical_cores() > self.physical_cores()

    def numa_nodes(self) -> int:
        """Number of memory nodes."""
        nodes = list((self.root / "sys/devices/system/node").glob("node[0-9]*"))
        if not nodes:
            raise FileNotFoundError(2, "No such file or directory", "/sys/devices/system/node")
        return len(nodes)

    def governor(self, cores: Sequence[int]) -> str:
        """Frequency governors of the given cores, joined with a comma."""
        return ",".join(sorted({self._cpufreq(n, "scaling_governor") for n in cores}))

    def turbo(self) -> bool:
        """Whether cores may run above their base clock."""
        try:
            return self.text("sys/devices/system/cpu/intel_pstate/no_turbo") == "0"
        except FileNotFoundError:
            return self.text("sys/devices/system/cpu/cpufreq/boost") == "1"

    def frequency_mhz(self, cores: Sequence[int]) -> float:
        """Mean clock of the given cores now."""
        try:
            return fmean(int(self._cpufreq(n, "scaling_cur_freq")) / 1000 for n in cores)
        except FileNotFoundError as error:
            now = [float(b["cpu MHz"]) for b in self._cpuinfo if "cpu MHz" in b]
            if not now:
                raise error
            return fmean(now)

    def frequency_max_mhz(self, cores: Sequence[int]) -> float:
        """Highest clock that any of the given cores can reach."""
        return max(int(self._cpufreq(n, "cpuinfo_max_freq")) for n in cores) / 1000

    def _cpufreq(self, core: int, name: str) -> str:
        return self.text(f"sys/devices/system/cpu/cpu{core}/cpufreq/{name}")

    def clock_source(self) -> str:
        """What the kernel reads the time from: tsc, arch_sys_counter, kvm-clock, hpet..."""
        return self.text("sys/devices/system/clocksource/clocksource0/current_clocksource")

    def memory(self) -> dict[str, int]:
        """`/proc/meminfo` in bytes."""
        found = re.findall(r"^(\w+):\s+(\d+) kB", self.text("proc/meminfo"), re.MULTILINE)
        return {key: int(value) * 1024 for key, value in found}

    def transparent_hugepages(self) -> str:
        """Mode in force: always, madvise or never."""
        text = self.text("sys/kernel/mm/transparent_hugepage/enabled")
        return str(re.findall(r"\[(\w+)\]", text)[0])

    def virtualization(self) -> str | None:
        """Name of the hypervisor below this system, `unnamed` if it hides; None on bare metal."""
        for path in ("sys/hypervisor/type", "proc/device-tree/hypervisor/compatible"):
            if (self.root / path).is_file():
                return self.text(path)
        try:
            named = _MACHINE_VENDORS.search(self.product())
        except OSError:
            named = None
        if named:
            return named[0]
        flags = {flag for block in self._cpuinfo for flag in block.get("flags", "").split()}
        return "unnamed" if "hypervisor" in flags else None

    def container(self, variables: Mapping[str, str]) -> str | None:
        """Kind of container this process runs in; None outside of one."""
        if "KUBERNETES_SERVICE_HOST" in variables:
            return "kubernetes"
        if (self.root / "run/.containerenv").exists():
            return "podman"
        if (self.root / ".dockerenv").exists():
            return "docker"
        try:
            found = re.search(r"kubepods|docker|libpod|lxc", self.text("proc/1/cgroup"))
        except OSError:
            return None
        names = {"kubepods": "kubernetes", "libpod": "podman"}
        return names.get(found[0], found[0]) if found else None

    def cgroup_version(self) -> int | None:
        """1 or 2; None where no cgroup file system is mounted."""
        base = self.root / "sys/fs/cgroup"
        if (base / "cgroup.controllers").is_file():
            return 2
        return 1 if (base / "cpu").is_dir() or (base / "memory").is_dir() else None

    def cpu_quota_cores(self) -> float | None:
        """Smallest CPU quota of this process's cgroup and its parents, in cores; None: no quota."""
        quotas = []
        for folder in self._cgroups("cpu"):
            if (folder / "cpu.max").is_file():
                quota, period = (folder / "cpu.max").read_text().split()
            elif (folder / "cpu.cfs_quota_us").is_file():
                quota = (folder / "cpu.cfs_quota_us").read_text().strip()
                period = (folder / "cpu.cfs_period_us").read_text()
            else:
                continue
            if quota not in ("max", "-1"):
                quotas.append(int(quota) / int(period))
        return min(quotas, default=None)

    def memory_limit_bytes(self) -> int | None:
        """Smallest memory limit of this process's cgroup and its parents; None: no limit."""
        limits = []
        for folder in self._cgroups("memory"):
            for name in ("memory.max", "memory.limit_in_bytes"):
                if (folder / name).is_file():
                    text = (folder / name).read_text().strip()
                    if text != "max" and int(text) < _NO_LIMIT_BYTES:
                        limits.append(int(text))
        return min(limits, default=None)

    def _cgroups(self, controller: str) -> list[Path]:
        """This process's cgroup and its parents, as folders. A container may see only a part of
        the path that `/proc/self/cgroup` names; what is missing is skipped."""
        version = self.cgroup_version()
        base = self.root / "sys/fs/cgroup" / (controller if version == 1 else "")
        for line in self.text("proc/self/cgroup").splitlines():
            _, controllers, path = line.split(":", 2)
            wanted = controllers.split(",")
            if controller in wanted if version == 1 else controllers == "":
                own = Path(path.lstrip("/"))
                return [base / own, *(base / parent for parent in own.parents)]
        return [base]

    def load_average(self) -> float:
        """Runnable and uninterruptible tasks, averaged over the last minute."""
        return float(self.text("proc/loadavg").split()[0])

    def pressure(self, resource: str) -> float:
        """Percent of the last 10 s in which some task waited for `cpu`, `memory` or `io`."""
        return float(re.findall(r"^some avg10=([\d.]+)", self.text(f"proc/pressure/{resource}"))[0])

    def cpu_times(self) -> tuple[int, int, int]:
        """(all, busy, stolen) time of all cores since boot, in ticks."""
        # user nice system idle iowait irq softirq steal; guest times are inside user and nice
        times = [int(word) for word in self.text("proc/stat").split("\n", 1)[0].split()[1:9]]
        stolen = times[7]
        return sum(times), sum(times) - times[3] - times[4] - stolen, stolen
