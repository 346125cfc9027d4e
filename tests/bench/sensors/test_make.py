from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from bench import sensors
from bench.adapter import SensorSpec
from bench.device import Device
from bench.errors import UsageError
from bench.sensor import Sample, Sensor, SensorProbe

DEVICE = Device("npu:0", "npu", 0, "Test NPU")
REAL = ["nvml", "gpustack", "rapl", "hwmon", "ipmi"]


@pytest.mark.parametrize("kind", REAL)
def test_on_any_machine_a_probe_gives_channels_or_a_reason(kind):
    settings = {"vendor": "ascend"} if kind == "gpustack" else {}
    probe = sensors.probe(sensors.make(SensorSpec(kind, options=settings), DEVICE))
    assert bool(probe.channels) != bool(probe.reason)
    if probe.reason:
        assert len(probe.reason) > 20


def test_an_unknown_kind_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="nvml"):
        sensors.make(SensorSpec("nvmll"), DEVICE)


@pytest.mark.parametrize("kind", REAL)
def test_an_unknown_option_is_refused(kind):
    with pytest.raises(UsageError, match="colour"):
        sensors.make(SensorSpec(kind, options={"colour": "red"}), DEVICE)


def test_a_probe_that_hangs_is_left_behind():
    class Hanging(Sensor):
        name = "hanging"

        def probe(self) -> SensorProbe:
            threading.Event().wait(30)
            return SensorProbe()

        def read(self) -> Sample:
            raise NotImplementedError

    probe = sensors.probe(Hanging(DEVICE), limit_s=0.05)
    assert probe.reason is not None and "did not answer within 0.05 s" in probe.reason


def test_a_probe_that_breaks_its_promise_gives_a_reason():
    class Raising(Sensor):
        name = "raising"

        def probe(self) -> SensorProbe:
            raise RuntimeError("firmware asleep")

        def read(self) -> Sample:
            raise NotImplementedError

    reason = sensors.probe(Raising(DEVICE)).reason
    assert reason == "the sensor raising failed: RuntimeError: firmware asleep"


@pytest.mark.parametrize(
    ("device", "address"),
    [
        (Device("npu:0", "npu", 0, "x", uuid="0000:C1:00.0"), "0000:c1:00.0"),
        (Device("npu:0", "npu", 0, "x", uuid="GPU-1:2"), ""),
        (Device("npu:0", "npu", 0, "x", properties={"pci_bus_id": "0000:01:00.0"}), "0000:01:00.0"),
        (DEVICE, ""),
    ],
)
def test_the_bus_id_of_a_device(device, address):
    assert sensors.bus_id(device) == address


def test_sensors_import_no_framework():
    code = (
        "import sys; from importlib import import_module as load; "
        "import bench.energy.sampler, bench.energy.figures;"
        "[load(f'bench.sensors.{kind}') for kind in "
        "('nvml', 'gpustack', 'rapl', 'hwmon', 'ipmi', 'command')];"
        "print(sorted({'torch', 'onnxruntime', 'pynvml', 'gpustack_runtime'} & set(sys.modules)))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert printed.strip() == "[]"
