from __future__ import annotations

from pathlib import Path

import pytest

from bench.adapter import SensorSpec
from bench.device import Device
from bench.sensor import SensorError
from bench.sensors import make

GPU = Device("cuda:0", "cuda", 0, "Test GPU", properties={"pci_bus_id": "0000:03:00.0"})
CPU = Device("cpu:0", "cpu", 0, "Test CPU")


def chip(root: Path, number: int, name: str, pci: str = "", **files: int) -> Path:
    path = root / "hwmon" / f"hwmon{number}"
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    for file, value in files.items():
        (path / file).write_text(f"{value}\n")
    if pci:
        target = root / "pci" / pci
        target.mkdir(parents=True)
        (path / "device").symlink_to(target)
    return path


def hwmon(root: Path, device: Device, scope: str = "board", **options: str):
    settings = {"root": str(root / "hwmon"), **options}
    return make(SensorSpec("hwmon", scope=scope, options=settings), device)  # type: ignore[arg-type]


def test_the_chip_is_found_by_pci_address_and_units_are_the_kernels(tmp_path):
    chip(tmp_path, 0, "nvme", temp1_input=30_000)
    chip(tmp_path, 1, "amdgpu", "0000:0b:00.0", power1_average=1)
    chip(
        tmp_path,
        2,
        "amdgpu",
        "0000:03:00.0",
        power1_average=185_000_000,
        energy1_input=12_345_678,
        temp1_input=54_321,
        power1_cap=200_000_000,
        power1_cap_default=300_000_000,
        power1_average_interval=1000,
    )
    sensor = hwmon(tmp_path, GPU)
    probe = sensor.probe()
    assert sensor.read().values == {
        "energy_j": pytest.approx(12.345678),
        "power_average_w": pytest.approx(185),
        "temperature_c": pytest.approx(54.321),
        "power_limit_w": pytest.approx(200),
    }
    windows = {c.quantity: c.averaging_window_s for c in probe.channels}
    assert windows["power_average_w"] == 1.0 and windows["energy_j"] is None
    assert probe.facts["power_limit_w"] == "200.0"
    assert probe.facts["power_limit_default_w"] == "300.0"
    assert "power1_input" in probe.missing["power_w"]


def test_packages_of_a_cpu_add_up_and_the_hottest_counts(tmp_path):
    chip(tmp_path, 0, "nvme", temp1_input=30_000)
    chip(tmp_path, 1, "zenpower", temp1_input=60_000, power1_input=90_000_000)
    chip(tmp_path, 2, "zenpower", temp1_input=70_000, power1_input=80_000_000)
    sensor = hwmon(tmp_path, CPU, "package")
    assert {c.scope for c in sensor.probe().channels} == {"package"}
    assert sensor.read().values == {
        "power_w": pytest.approx(170),
        "temperature_c": pytest.approx(70),
    }


def test_a_disk_is_not_taken_for_the_cpu(tmp_path):
    chip(tmp_path, 0, "nvme", temp1_input=30_000)
    reason = hwmon(tmp_path, CPU).probe().reason or ""
    assert "cpu:0" in reason and "nvme" in reason


def test_two_boards_without_an_address_are_not_guessed(tmp_path):
    chip(tmp_path, 0, "ina3221", power1_input=1)
    chip(tmp_path, 1, "ina3221", power1_input=1)
    npu = Device("npu:0", "npu", 0, "Test NPU")
    assert "2 hwmon chips" in (hwmon(tmp_path, npu, chip="ina3221").probe().reason or "")


def test_a_named_chip_and_channel(tmp_path):
    chip(tmp_path, 0, "power_meter", power1_input=1_000_000, power2_input=240_000_000)
    sensor = hwmon(tmp_path, Device("npu:0", "npu", 0, "x"), chip="power_meter", channel="2")
    sensor.probe()
    assert sensor.read().values == {"power_w": pytest.approx(240)}


def test_nothing_readable_is_a_reason(tmp_path):
    chip(tmp_path, 0, "amdgpu", "0000:03:00.0", fan1_input=900)
    probe = hwmon(tmp_path, GPU).probe()
    assert probe.reason is not None and not probe.channels
    assert "does not exist" in (hwmon(tmp_path / "none", GPU).probe().reason or "")


def test_a_chip_that_vanishes_is_a_failed_reading(tmp_path):
    path = chip(tmp_path, 0, "amdgpu", "0000:03:00.0", power1_input=1_000_000)
    sensor = hwmon(tmp_path, GPU)
    sensor.probe()
    (path / "power1_input").unlink()
    with pytest.raises(SensorError, match="cannot be read any more"):
        sensor.read()
