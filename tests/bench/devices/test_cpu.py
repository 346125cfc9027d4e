from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from bench.devices import cpu


def _write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_the_real_cpu_is_one_device_of_the_cores_this_process_may_use() -> None:
    device = cpu.cpu_device()
    assert device.id == "cpu:0"
    assert set(device.cores) == os.sched_getaffinity(0)
    assert device.locks == tuple(f"cpu-core-{n}" for n in device.cores)
    assert device.name and device.memory_bytes and device.memory_bytes > 1 << 28


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_a_narrower_affinity_mask_narrows_the_device() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {max(before)})
        assert cpu.cpu_device().cores == (max(before),)
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("cpuinfo", "name", "vendor"),
    [
        ("processor : 0\nmodel name : AMD EPYC 9654\n", "AMD EPYC 9654", "AMD"),
        (
            "processor : 0\nCPU implementer : 0x48\nCPU part : 0xd01\n",
            "HiSilicon Kunpeng 920",
            "HiSilicon",
        ),
        ("processor : 0\nModel Name : Loongson-3A5000\n", "Loongson-3A5000", "Loongson"),
    ],
)
def test_the_name_comes_from_cpuinfo_on_every_architecture(
    tmp_path: Path, cpuinfo: str, name: str, vendor: str
) -> None:
    root = _write(tmp_path, {"proc/cpuinfo": cpuinfo, "proc/meminfo": "MemTotal: 1024 kB\n"})
    device = cpu.cpu_device(root)
    assert (device.name, device.vendor) == (name, vendor)
    assert device.memory_bytes == 1024 * 1024


def test_a_cgroup_memory_limit_is_the_devices_memory(tmp_path: Path) -> None:
    root = _write(
        tmp_path,
        {
            "proc/cpuinfo": "model name : X\n",
            "proc/meminfo": "MemTotal: 1024 kB\n",
            "proc/self/cgroup": "0::/job\n",
            "sys/fs/cgroup/cgroup.controllers": "cpu memory",
            "sys/fs/cgroup/job/memory.max": "4096\n",
        },
    )
    assert cpu.cpu_device(root).memory_bytes == 4096


def test_nothing_readable_is_none_not_zero(tmp_path: Path) -> None:
    device = cpu.cpu_device(tmp_path)
    assert device.memory_bytes is None
    assert device.name


@pytest.mark.parametrize(
    ("quota", "threads"), [("max 100000", 4), ("250000 100000", 2), ("50000 100000", 1)]
)
def test_threads_stay_below_the_cgroup_quota(tmp_path: Path, quota: str, threads: int) -> None:
    root = _write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/cgroup.controllers": "cpu",
            "sys/fs/cgroup/cpu.max": quota,
        },
    )
    assert cpu.thread_count((0, 1, 2, 3), root) == threads


def test_threads_without_a_cgroup_are_the_cores(tmp_path: Path) -> None:
    assert cpu.thread_count((3, 4), tmp_path) == 2


def test_a_model_gets_what_is_free_on_a_cpu_and_all_of_an_accelerator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cpu, "available_bytes", lambda: 300)
    host = cpu.cpu_device()
    assert cpu.memory_for_model(replace(host, memory_bytes=400)) == 300
    assert cpu.memory_for_model(replace(host, memory_bytes=200)) == 200
    assert cpu.memory_for_model(replace(host, kind="cuda", memory_bytes=400)) == 400
    assert cpu.memory_for_model(replace(host, kind="cuda", memory_bytes=None)) is None
    monkeypatch.setattr(cpu, "available_bytes", lambda: None)
    assert cpu.memory_for_model(replace(host, memory_bytes=None)) is None
