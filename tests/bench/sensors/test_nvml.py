"""NVML against a driver that is played: constants and errors are the real library's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from bench.adapter import SensorSpec
from bench.device import Device
from bench.sensor import SensorError
from bench.sensors import make

UUID = "GPU-01234567-89ab-cdef-0123-456789abcdef"


class FakeDriver:
    """Answers NVML calls for the GPUs it has; everything else is not supported."""

    def __init__(self, **answers: Any) -> None:
        self.calls: list[str] = []
        self.fields = {pynvml.NVML_FI_DEV_POWER_INSTANT: 310_500}
        self.fields[pynvml.NVML_FI_DEV_POWER_AVERAGE] = 295_250
        self.answers: dict[str, Any] = {
            "nvmlInit": None,
            "nvmlShutdown": None,
            "nvmlDeviceGetCount": 1,
            "nvmlDeviceGetHandleByUUID": lambda uuid: f"handle of {uuid}",
            "nvmlDeviceGetHandleByPciBusId": lambda bus: f"handle of {bus}",
            "nvmlDeviceGetHandleByIndex": lambda index: f"handle of {index}",
            "nvmlDeviceIsMigDeviceHandle": 0,
            "nvmlDeviceGetMigMode": [0, 0],
            "nvmlSystemGetDriverVersion": "570.86",
            "nvmlDeviceGetName": "NVIDIA L40S",
            "nvmlDeviceGetUUID": UUID,
            "nvmlDeviceGetTotalEnergyConsumption": 5_000_250,
            "nvmlDeviceGetPowerUsage": 290_000,
            "nvmlDeviceGetFieldValues": self._field,
            "nvmlDeviceGetTemperature": 61,
            "nvmlDeviceGetClockInfo": lambda handle, kind: (
                2520 if kind == pynvml.NVML_CLOCK_SM else 9001
            ),
            "nvmlDeviceGetMaxClockInfo": 2520,
            "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=97, memory=40),
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=48 << 30, used=7 << 30),
            "nvmlDeviceGetEnforcedPowerLimit": 300_000,
            "nvmlDeviceGetPowerManagementDefaultLimit": 350_000,
            "nvmlDeviceGetCurrentClocksThrottleReasons": 0x1,
            "nvmlDeviceGetCurrPcieLinkGeneration": 3,
            "nvmlDeviceGetMaxPcieLinkGeneration": 4,
            "nvmlDeviceGetCurrPcieLinkWidth": 8,
            "nvmlDeviceGetMaxPcieLinkWidth": 16,
            "nvmlDeviceGetEccMode": [1, 1],
            "nvmlDeviceGetTotalEccErrors": 0,
            "nvmlDeviceGetArchitecture": pynvml.NVML_DEVICE_ARCH_ADA,
            **answers,
        }

    def _field(self, handle: str, fields: list[int]) -> list[SimpleNamespace]:
        found = []
        for field in fields:
            known = field in self.fields
            value = SimpleNamespace(uiVal=self.fields.get(field, 0))
            status = pynvml.NVML_SUCCESS if known else pynvml.NVML_ERROR_NOT_SUPPORTED
            found.append(SimpleNamespace(nvmlReturn=status, value=value))
        return found

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("nvml") or name.startswith("nvmlClocks"):
            return getattr(pynvml, name)

        def call(*args: Any) -> Any:
            self.calls.append(name)
            answer = self.answers.get(name, pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED))
            if isinstance(answer, Exception):
                raise answer
            return answer(*args) if callable(answer) else answer

        return call


def lost(*args: object) -> Any:
    raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)


@pytest.fixture
def driver(monkeypatch) -> Callable[..., FakeDriver]:
    def install(**answers: Any) -> FakeDriver:
        fake = FakeDriver(**answers)
        monkeypatch.setitem(sys.modules, "pynvml", fake)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
        return fake

    return install


def gpu(name: str = "NVIDIA L40S", uuid: str | None = UUID, index: int = 0, **properties: str):
    device = Device(f"cuda:{index}", "cuda", index, name, uuid=uuid, properties=properties)
    return make(SensorSpec("nvml"), device)


def test_every_quantity_in_its_unit(driver):
    driver()
    sensor = gpu()
    probe = sensor.probe()
    assert probe.reason is None and not probe.missing
    assert sensor.read().values == {
        "energy_j": 5000.25,
        "power_w": 310.5,
        "power_average_w": 295.25,
        "temperature_c": 61.0,
        "clock_sm_mhz": 2520.0,
        "clock_memory_mhz": 9001.0,
        "utilization_percent": 97.0,
        "memory_used_bytes": float(7 << 30),
        "power_limit_w": 300.0,
    }
    assert {c.scope for c in probe.channels} == {"board"}
    energy, power, average = probe.channels[:3]
    assert (energy.update_period_s, energy.resolution) == (0.1, 0.001)
    assert (power.averaging_window_s, average.averaging_window_s) == (None, 1.0)


def test_facts_of_the_board(driver):
    driver()
    facts = gpu().probe().facts
    wanted = {
        "found_by": "uuid",
        "driver": "570.86",
        "power_limit_w": "300.0",
        "power_limit_default_w": "350.0",
        "pcie_generation": "3",
        "pcie_generation_max": "4",
        "pcie_width": "8",
        "pcie_width_max": "16",
        "ecc": "on",
        "ecc_uncorrected_errors": "0",
        "mig": "off",
        "throttle": "none",
    }
    assert wanted.items() <= facts.items()


@pytest.mark.parametrize("name", ["NVIDIA A100-SXM4-80GB", "NVIDIA H100 80GB HBM3"])
def test_a_sensor_that_looks_a_quarter_of_the_time_says_so(driver, name):
    driver()
    power = gpu(name).probe().channels[1]
    assert (power.quantity, power.averaging_window_s, power.update_period_s) == (
        "power_w",
        0.025,
        0.1,
    )


@pytest.mark.parametrize(
    ("architecture", "name", "quantity"),
    [
        (pynvml.NVML_DEVICE_ARCH_ADA, "NVIDIA L40S", "power_average_w"),
        (pynvml.NVML_DEVICE_ARCH_AMPERE, "NVIDIA A100-PCIE-40GB", "power_w"),
        (pynvml.NVML_DEVICE_ARCH_VOLTA, "Tesla V100", "power_w"),
    ],
)
def test_an_old_driver_has_only_one_power_and_it_is_named_for_what_it_is(
    driver, architecture, name, quantity
):
    fake = driver(nvmlDeviceGetArchitecture=architecture)
    fake.fields.clear()
    sensor = gpu(name)
    probe = sensor.probe()
    assert sensor.read().values[quantity] == 290.0
    other = {"power_w", "power_average_w"} - {quantity}
    assert other <= probe.missing.keys() and quantity not in probe.missing


def test_what_the_board_lacks_is_missing_with_the_reason_and_never_zero(driver):
    unsupported = pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
    driver(nvmlDeviceGetTotalEnergyConsumption=unsupported, nvmlDeviceGetEccMode=unsupported)
    sensor = gpu()
    probe = sensor.probe()
    assert probe.missing == {"energy_j": "Not Supported", "ecc": "Not Supported"}
    assert "energy_j" not in sensor.read().values


def test_throttling_and_memory_errors_are_flags(driver):
    fake = driver(nvmlDeviceGetCurrentClocksThrottleReasons=0x4 | 0x40 | 0x1)
    sensor = gpu()
    sensor.probe()
    fake.answers["nvmlDeviceGetTotalEccErrors"] = 2
    assert sensor.read().flags == ("sw-power-cap", "hw-thermal-slowdown", "ecc-uncorrected")


def test_slow_quantities_are_asked_once_a_second(driver):
    fake = driver()
    sensor = gpu()
    sensor.probe()
    sensor.read()
    fake.calls.clear()
    sample = sensor.read()
    assert set(sample.values) == {"energy_j", "power_w", "power_average_w"}
    assert len(fake.calls) == 3


@pytest.mark.parametrize(
    ("uuid", "properties", "found_by", "handle"),
    [
        (UUID, {}, "uuid", f"handle of {UUID}"),
        (UUID[4:], {}, "uuid", f"handle of {UUID}"),
        ("0000:C1:00.0", {}, "PCI bus id", "handle of 0000:c1:00.0"),
        (None, {"pci_bus_id": "0000:41:00.0"}, "PCI bus id", "handle of 0000:41:00.0"),
        (None, {}, "index", "handle of 2"),
    ],
)
def test_the_gpu_is_found_by_what_stays_the_same(driver, uuid, properties, found_by, handle):
    seen: list[str] = []
    driver(nvmlDeviceGetName=seen.append)
    assert gpu(uuid=uuid, index=2, **properties).probe().facts["found_by"] == found_by
    assert seen == [handle]


def test_an_index_is_not_trusted_where_cuda_renumbers(driver, monkeypatch):
    driver(nvmlDeviceGetCount=8)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    reason = gpu(uuid=None).probe().reason or ""
    assert "CUDA_VISIBLE_DEVICES" in reason


def test_a_mig_slice_is_read_from_its_board(driver):
    asked: list[str] = []

    def energy(handle: str) -> int:
        asked.append(handle)
        return 1000

    driver(
        nvmlDeviceIsMigDeviceHandle=1,
        nvmlDeviceGetDeviceHandleFromMigDeviceHandle="the board",
        nvmlDeviceGetTotalEnergyConsumption=energy,
    )
    probe = gpu(uuid="MIG-01234567-89ab-cdef-0123-456789abcdef").probe()
    assert probe.facts["mig"] == "slice; every figure is the whole board's"
    assert probe.channels[0].scope == "board" and set(asked) == {"the board"}


def test_no_driver_is_a_reason_with_the_remedy(driver):
    driver(nvmlInit=pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND))
    reason = gpu().probe().reason or ""
    assert "NVML does not start" in reason and "driver" in reason


def test_no_library_is_a_reason_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert "pip install nvidia-ml-py" in (gpu().probe().reason or "")


def test_an_unknown_gpu_is_a_reason(driver):
    driver(nvmlDeviceGetHandleByUUID=pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND))
    assert "does not find cuda:0" in (gpu().probe().reason or "")


def test_a_gpu_that_falls_off_the_bus_is_a_failed_reading(driver):
    fake = driver()
    sensor = gpu()
    sensor.probe()
    fake.answers = dict.fromkeys(fake.answers, lost)
    with pytest.raises(SensorError, match="lost"):
        sensor.read()


def test_closing_gives_the_library_back_once(driver):
    fake = driver()
    sensor = gpu()
    sensor.probe()
    sensor.close()
    sensor.close()
    assert fake.calls.count("nvmlShutdown") == 1
