"""The environment record, read from fake machines and from this one."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bench.results.file import parse
from bench.system import conditions, environment
from bench.system.environment import Environment
from bench.system.fingerprint import fingerprint

from ..examples import results

DEVICE = {"name": "Example NPU", "properties": {"driver": "25.5.1"}}


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _cores(count: int, per_core: int, per_socket: int) -> dict[str, str]:
    """Topology and frequency files of `count` hardware threads."""
    files = {}
    for n in range(count):
        core = f"sys/devices/system/cpu/cpu{n}"
        files[f"{core}/topology/physical_package_id"] = f"{n // per_socket}\n"
        files[f"{core}/topology/core_id"] = f"{n % per_socket // per_core}\n"
        files[f"{core}/cpufreq/scaling_governor"] = "performance\n"
        files[f"{core}/cpufreq/scaling_cur_freq"] = "2600000\n"
        files[f"{core}/cpufreq/cpuinfo_max_freq"] = "3000000\n"
    return files


STAT = "cpu  100 0 100 800 0 0 0 0 0 0\n"


@pytest.fixture
def kunpeng(tmp_path: Path) -> Path:
    """A two-socket Kunpeng 920 server without SMT, in good condition."""
    info = "processor\t: {}\nBogoMIPS\t: 200.00\nCPU implementer\t: 0x48\nCPU part\t: 0xd01\n"
    _write(
        tmp_path,
        {
            "etc/os-release": 'NAME="openEuler"\nPRETTY_NAME="openEuler 22.03 (LTS-SP4)"\n',
            "proc/cpuinfo": "\n".join(info.format(n) for n in range(8)),
            "proc/meminfo": "MemTotal: 1000000 kB\nMemAvailable: 900000 kB\n"
            "SwapTotal: 2000 kB\nSwapFree: 2000 kB\n",
            "proc/stat": STAT,
            "proc/loadavg": "0.05 0.10 0.20 1/500 1234\n",
            "proc/self/cgroup": "0::/user.slice\n",
            "proc/1/cgroup": "0::/init.scope\n",
            "proc/pressure/cpu": "some avg10=0.50 avg60=0.00 avg300=0.00 total=1\n",
            "proc/pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n",
            "proc/pressure/io": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n",
            "sys/class/dmi/id/sys_vendor": "Huawei\n",
            "sys/class/dmi/id/product_name": "TaiShan 200 (Model 2280)\n",
            "sys/devices/system/cpu/smt/active": "0\n",
            "sys/devices/system/cpu/cpufreq/boost": "0\n",
            "sys/devices/system/node/node0/cpulist": "0-3\n",
            "sys/devices/system/node/node1/cpulist": "4-7\n",
            "sys/devices/system/clocksource/clocksource0/current_clocksource": "arch_sys_counter\n",
            "sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never\n",
            "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
            **_cores(8, 1, 4),
        },
    )
    return tmp_path


def _collect(root: Path, monkeypatch: pytest.MonkeyPatch, **variables: str) -> Environment:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    return environment.collect(root=root, variables=variables)


def stored(env: Environment) -> Environment:
    """The environment as a results file gives it back."""
    return parse(results(environment=env).model_dump_json(), Path("x")).environment


def test_reads_a_healthy_aarch64_server(kunpeng: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = _collect(kunpeng, monkeypatch)
    expected = {
        "os": "openEuler 22.03 (LTS-SP4)",
        "product": "Huawei TaiShan 200 (Model 2280)",
        "cpu_model": "HiSilicon Kunpeng 920",
        "sockets": 2,
        "physical_cores": 8,
        "logical_cores": 8,
        "usable_cores": 2,
        "smt": False,
        "numa_nodes": 2,
        "governor": "performance",
        "turbo": False,
        "frequency_mhz": 2600.0,
        "frequency_max_mhz": 3000.0,
        "clock_source": "arch_sys_counter",
        "memory_bytes": 1_024_000_000,
        "swap_used_bytes": 0,
        "transparent_hugepages": "always",
        "virtualization": None,
        "container": None,
        "cgroup_version": 2,
        "cpu_quota_cores": None,
        "memory_limit_bytes": None,
        "load_average_1m": 0.05,
        "pressure_cpu_percent": 0.5,
    }
    assert {name: getattr(env, name) for name in expected} == expected
    # The fake kernel's clock stands still, so no share of time can be computed.
    assert set(env.unavailable) == {"busy_share", "steal_share"}
    assert conditions.warnings(env) == []


def test_hardware_threads_are_not_cores(kunpeng: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(kunpeng, {**_cores(8, 2, 8), "sys/devices/system/cpu/smt/active": "1\n"})
    env = _collect(kunpeng, monkeypatch)
    assert (env.sockets, env.physical_cores, env.logical_cores) == (1, 4, 8)
    assert env.smt is True


def test_an_empty_machine_is_all_unknown_with_reasons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = _collect(tmp_path, monkeypatch)
    # None without a reason means: does not apply.
    absent_by_nature = {
        *("container", "cgroup_version", "cpu_quota_cores", "memory_limit_bytes", "git_commit")
    }
    unread = {name for name, value in asdict(env).items() if value is None} - absent_by_nature
    assert "cpu_model" in unread
    assert unread <= set(env.unavailable)
    assert all(env.unavailable.values())
    conditions.warnings(env)
    fingerprint(env, DEVICE)


@pytest.mark.parametrize(
    "content", ["", "\0\xff garbage", "cpu x y\n", "9" * 5000, "9" * 400, "-7", "1e999", "nan"]
)
def test_garbage_in_system_files_is_a_reason_not_a_crash(
    kunpeng: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    for path in [p for p in kunpeng.rglob("*") if p.is_file()]:
        path.write_text(content)
    env = _collect(kunpeng, monkeypatch)
    assert env.memory_bytes is None and env.unavailable["memory_bytes"]
    conditions.warnings(env)
    assert stored(env) == env


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({"sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "powersave\n"}, "governor"),
        ({"sys/devices/system/cpu/cpufreq/boost": "1\n"}, "turbo"),
        ({"sys/devices/system/cpu/intel_pstate/no_turbo": "0\n"}, "turbo"),
        ({"proc/loadavg": "4.00 1 1 1/5 1\n"}, "load average"),
        ({"proc/pressure/memory": "some avg10=7.50 avg60=0\n"}, "waited for memory"),
        (
            {"proc/meminfo": "MemTotal: 9 kB\nSwapTotal: 900000 kB\nSwapFree: 1 kB\n"},
            "swapped out",
        ),
        ({"sys/fs/cgroup/user.slice/cpu.max": "150000 100000\n"}, "1.5 of 2 cores"),
    ],
)
def test_each_bad_condition_has_its_warning(
    kunpeng: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], word: str
) -> None:
    _write(kunpeng, files)
    (warning,) = conditions.warnings(_collect(kunpeng, monkeypatch))
    assert word in warning
    assert ";" in warning  # what is wrong; what to do


def test_steal_is_the_share_of_the_interval(kunpeng: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pass_time(_: float) -> None:
        _write(kunpeng, {"proc/stat": "cpu  130 0 100 850 0 0 0 20 0 0\n"})

    monkeypatch.setattr(time, "sleep", pass_time)
    env = _collect(kunpeng, monkeypatch)
    assert env.steal_share == pytest.approx(0.2)
    assert env.busy_share == pytest.approx(0.3)
    (warning,) = conditions.warnings(env)
    assert "20%" in warning and "hypervisor" in warning


def test_quota_and_limit_are_the_smallest_up_the_tree(
    kunpeng: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cgroup = "sys/fs/cgroup"
    _write(
        kunpeng,
        {
            "proc/self/cgroup": "0::/a/b\n",
            f"{cgroup}/a/b/cpu.max": "max 100000\n",
            f"{cgroup}/a/cpu.max": "50000 100000\n",
            f"{cgroup}/a/b/memory.max": "4096\n",
            f"{cgroup}/a/memory.max": "max\n",
        },
    )
    env = _collect(kunpeng, monkeypatch)
    assert env.cpu_quota_cores == 0.5
    assert env.memory_limit_bytes == 4096


def test_cgroup_version_1(kunpeng: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (kunpeng / "sys/fs/cgroup/cgroup.controllers").unlink()
    _write(
        kunpeng,
        {
            "proc/self/cgroup": "5:cpuacct,cpu:/docker/abc\n4:memory:/docker/abc\n0::/\n",
            "proc/1/cgroup": "5:cpu:/docker/abc\n",
            # inside a container the path above does not exist; its own group is the root
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    env = _collect(kunpeng, monkeypatch)
    assert (env.cgroup_version, env.cpu_quota_cores) == (1, 2.0)
    assert env.memory_limit_bytes is None
    assert env.container == "docker"


def test_an_unpinned_container_is_warned_about(
    kunpeng: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(kunpeng, {".dockerenv": ""})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    env = environment.collect(root=kunpeng, variables={})
    (warning,) = conditions.warnings(env)
    assert "docker" in warning and "--cpuset-cpus" in warning


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"sys/class/dmi/id/sys_vendor": "QEMU\n"}, "QEMU"),
        ({"sys/hypervisor/type": "xen\n"}, "xen"),
        ({"proc/cpuinfo": "processor: 0\nflags: fpu hypervisor\n"}, "unnamed"),
    ],
)
def test_hypervisors(
    kunpeng: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: str
) -> None:
    _write(kunpeng, files)
    assert _collect(kunpeng, monkeypatch).virtualization == expected


def test_the_hostname_is_hashed_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.node", lambda: "alices-laptop")
    hidden = environment.collect()
    assert "alices-laptop" not in json.dumps(asdict(hidden))
    assert hidden.hostname == environment.collect().hostname
    assert environment.collect(show_hostname=True).hostname == "alices-laptop"


def test_pythonpath_that_replaces_a_package(
    kunpeng: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path, {"other/torch/__init__.py": ""})
    env = _collect(kunpeng, monkeypatch, PYTHONPATH=f"/nowhere:{tmp_path}/other")
    assert env.pythonpath_shadows == ("torch",)
    (warning,) = conditions.warnings(env)
    assert "torch" in warning


def test_fingerprint_changes_with_what_matters_only(
    kunpeng: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = _collect(kunpeng, monkeypatch)
    base = fingerprint(env, DEVICE)
    # the same 1 GiB machine under another kernel build, busier, with more memory reserved
    harmless = {
        "kernel": env.kernel + "-other",
        "memory_bytes": env.memory_bytes - 4_000_000,
        "load_average_1m": 3.0,
        "hostname": "other",
        "packages": {**env.packages, "psutil": "0"},
    }
    assert fingerprint(replace(env, **harmless), DEVICE) == base
    for change in (
        {"cpu_model": "another"},
        {"usable_cores": 4},
        {"memory_bytes": 2 * env.memory_bytes},
        {"kernel": "1.0.0"},
        {"packages": {**env.packages, "torch": "0"}},
    ):
        assert fingerprint(replace(env, **change), DEVICE) != base, change
    assert fingerprint(env, {**DEVICE, "properties": {"driver": "25.6"}}) != base
    assert fingerprint(env, {**DEVICE, "name": "another"}) != base


def test_this_machine() -> None:
    env = environment.collect()
    assert stored(env) == env
    assert env.usable_cores == len(os.sched_getaffinity(0))
    assert env.memory_bytes > 1 << 28
    assert "torch" in env.packages
