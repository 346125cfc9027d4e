"""NVIDIA GPUs through NVML, the driver's management library (package nvidia-ml-py).

Facts behind the channels: the energy counter counts millijoules and advances about every 100 ms
(Volta and later); power is a trailing average of 1 s on Ampere and later except GA100; A100 and
H100 look at 25 ms of every 100 ms for instantaneous power (Yang, Adamek and Armour, "Part-time
power measurements", arXiv 2312.02741). Under MIG every figure is the whole board's.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

from bench.adapter import SensorSpec
from bench.device import Device
from bench.sensor import POWER, Channel, Quantity, Sample, Sensor, SensorError, SensorProbe
from bench.sensors import bus_id, options

UPDATE_S = 0.1
SLOW_S = 1.0
"""How often the quantities that change slowly are asked for: each call costs time."""

THROTTLE = {
    0x002: "applications-clocks-setting",
    0x004: "sw-power-cap",
    0x008: "hw-slowdown",
    0x010: "sync-boost",
    0x020: "sw-thermal-slowdown",
    0x040: "hw-thermal-slowdown",
    0x080: "hw-power-brake-slowdown",
    0x100: "display-clock-setting",
}
"""Bits of nvmlClocksEventReasons that hold clocks down; idle (0x1) is none of them."""

_PART_TIME = re.compile(r"\b(A100|A800|H100|H800|H20|H200|GH200)\b")


class Nvml(Sensor):
    """One GPU, found by UUID, else by PCI bus id, else by index."""

    def __init__(self, device: Device, spec: SensorSpec) -> None:
        super().__init__(device)
        self.name = "nvml"
        options(spec)
        self._nvml: Any = None
        self._handle: Any = None
        self._getters: dict[Quantity, Callable[[], float]] = {}
        self._missing: dict[str, str] = {}
        self._slow_due = 0.0
        self._ecc_errors = 0

    def probe(self) -> SensorProbe:
        """Channels of this GPU with what cannot be read and why, or why NVML cannot be used."""
        try:
            nvml = import_module("pynvml")
        except ImportError:
            return SensorProbe(
                reason="the Python package nvidia-ml-py is missing; pip install nvidia-ml-py"
            )
        try:
            nvml.nvmlInit()
        except nvml.NVMLError as error:
            return SensorProbe(
                reason=f"NVML does not start: {error}; install the NVIDIA driver, and in a "
                "container pass the GPU through with --gpus"
            )
        self._nvml = nvml
        try:
            handle, found_by = self._find()
            facts = {"found_by": found_by, **self._parent(handle)}
        except (SensorError, nvml.NVMLError) as error:
            return SensorProbe(reason=f"NVML does not find {self.device.id}: {error}")
        facts |= self._facts()
        return SensorProbe(self._channels(), None, dict(self._missing), facts)

    def read(self) -> Sample:
        """Energy and power every time, the rest once a second."""
        start = time.monotonic_ns()
        slow = start / 1e9 >= self._slow_due
        if slow:
            self._slow_due = start / 1e9 + SLOW_S
        values: dict[Quantity, float] = {}
        reason = "no quantity is readable"
        for quantity, get in self._getters.items():
            if slow or quantity in POWER:
                try:
                    values[quantity] = get()
                except (self._nvml.NVMLError, SensorError) as error:
                    reason = str(error)
        if not values:
            raise SensorError(f"NVML could not read {self.device.id}: {reason}")
        flags = self._flags() if slow else ()
        end = time.monotonic_ns()
        return Sample((start + end) // 2, values, flags, end - start)

    def close(self) -> None:
        if self._nvml is not None:
            self._nvml.nvmlShutdown()
            self._nvml = None

    def _find(self) -> tuple[Any, str]:
        nvml, uuid = self._nvml, self.device.uuid or ""
        if re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", uuid):
            uuid = f"GPU-{uuid}"  # torch gives the UUID without NVML's prefix
        if uuid.startswith(("GPU-", "MIG-")):
            return nvml.nvmlDeviceGetHandleByUUID(uuid), "uuid"
        if address := bus_id(self.device):
            return nvml.nvmlDeviceGetHandleByPciBusId(address), "PCI bus id"
        for variable in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
            if os.environ.get(variable) and nvml.nvmlDeviceGetCount() > 1:
                raise SensorError(
                    f"it has neither UUID nor bus id, and {variable} is set, so its index may "
                    "mean another GPU here"
                )
        return nvml.nvmlDeviceGetHandleByIndex(self.device.index), "index"

    def _parent(self, handle: Any) -> dict[str, str]:
        """Take the board itself: a MIG slice has no power, energy or clocks of its own."""
        nvml = self._nvml
        self._handle = handle
        try:
            if nvml.nvmlDeviceIsMigDeviceHandle(handle):
                self._handle = nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle)
                return {"mig": "slice; every figure is the whole board's"}
            mode, _ = nvml.nvmlDeviceGetMigMode(handle)
        except nvml.NVMLError:  # no GPU of this kind has MIG
            return {"mig": "none"}
        return {"mig": "on; every figure is the whole board's" if mode else "off"}

    def _facts(self) -> dict[str, str]:
        nvml, handle = self._nvml, self._handle
        asked: dict[str, Callable[[], object]] = {
            "driver": nvml.nvmlSystemGetDriverVersion,
            "name": lambda: nvml.nvmlDeviceGetName(handle),
            "uuid": lambda: nvml.nvmlDeviceGetUUID(handle),
            "power_limit_w": lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1e3,
            "power_limit_default_w": lambda: (
                nvml.nvmlDeviceGetPowerManagementDefaultLimit(handle) / 1e3
            ),
            "clock_sm_max_mhz": lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM),
            "pcie_generation": lambda: nvml.nvmlDeviceGetCurrPcieLinkGeneration(handle),
            "pcie_generation_max": lambda: nvml.nvmlDeviceGetMaxPcieLinkGeneration(handle),
            "pcie_width": lambda: nvml.nvmlDeviceGetCurrPcieLinkWidth(handle),
            "pcie_width_max": lambda: nvml.nvmlDeviceGetMaxPcieLinkWidth(handle),
            "ecc": lambda: "on" if nvml.nvmlDeviceGetEccMode(handle)[0] else "off",
            "ecc_corrected_errors": lambda: self._ecc(nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED),
            "ecc_uncorrected_errors": lambda: self._ecc(nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED),
            "throttle": lambda: ", ".join(self._throttle()) or "none",
        }
        facts: dict[str, str] = {}
        for name, get in asked.items():
            try:
                facts[name] = str(get())
            except nvml.NVMLError as error:
                self._missing[name] = str(error)
        self._ecc_errors = int(facts.get("ecc_uncorrected_errors", "0"))
        return facts

    def _ecc(self, kind: int) -> int:
        nvml = self._nvml
        return int(nvml.nvmlDeviceGetTotalEccErrors(self._handle, kind, nvml.NVML_VOLATILE_ECC))

    def _channels(self) -> tuple[Channel, ...]:
        """Keep the quantities that answer now; the others go to `missing` with the reason."""
        nvml, handle = self._nvml, self._handle
        getters: dict[Quantity, Callable[[], float]] = {
            "energy_j": lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3,
            "power_w": lambda: self._field_w(nvml.NVML_FI_DEV_POWER_INSTANT),
            "power_average_w": lambda: self._field_w(nvml.NVML_FI_DEV_POWER_AVERAGE),
            "temperature_c": lambda: float(
                nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)
            ),
            "clock_sm_mhz": lambda: float(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
            "clock_memory_mhz": lambda: float(
                nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)
            ),
            "utilization_percent": lambda: float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
            "memory_used_bytes": lambda: float(nvml.nvmlDeviceGetMemoryInfo(handle).used),
            "power_limit_w": lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1e3,
        }
        self._keep_readable(getters)
        if not {"power_w", "power_average_w"} & self._getters.keys():
            plain: Quantity = "power_average_w" if self._averages() else "power_w"
            self._keep_readable({plain: lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1e3})
        return tuple(self._channel(quantity) for quantity in self._getters)

    def _keep_readable(self, getters: dict[Quantity, Callable[[], float]]) -> None:
        for quantity, get in getters.items():
            try:
                get()
            except (self._nvml.NVMLError, SensorError) as error:
                self._missing[quantity] = str(error)
            else:
                self._getters[quantity] = get
                self._missing.pop(quantity, None)

    def _channel(self, quantity: Quantity) -> Channel:
        resolution = {"energy_j": 1e-3, "power_w": 1e-3, "power_average_w": 1e-3}.get(quantity, 1.0)
        period = UPDATE_S if quantity in POWER else SLOW_S
        window = None
        if quantity == "power_average_w":
            window = 1.0
        elif quantity == "power_w" and _PART_TIME.search(self.device.name):
            window = 0.025
        return Channel(quantity, "board", resolution, period, window)

    def _averages(self) -> bool:
        """Whether nvmlDeviceGetPowerUsage is a trailing average on this architecture."""
        nvml = self._nvml
        try:
            architecture = nvml.nvmlDeviceGetArchitecture(self._handle)
        except nvml.NVMLError:
            return False
        ga100 = re.search(r"\bA(100|800|30)\b", self.device.name) is not None
        return bool(architecture >= nvml.NVML_DEVICE_ARCH_AMPERE) and not ga100

    def _field_w(self, field: int) -> float:
        nvml = self._nvml
        value = nvml.nvmlDeviceGetFieldValues(self._handle, [field])[0]
        if value.nvmlReturn != nvml.NVML_SUCCESS:
            raise SensorError(str(nvml.NVMLError(value.nvmlReturn)))
        return float(value.value.uiVal) / 1e3

    def _throttle(self) -> list[str]:
        reasons = self._nvml.nvmlDeviceGetCurrentClocksThrottleReasons(self._handle)
        return [name for bit, name in THROTTLE.items() if reasons & bit]

    def _flags(self) -> tuple[str, ...]:
        """Reasons that hold the clocks down now, and new memory errors; see `missing` for what
        this GPU does not tell."""
        flags: list[str] = []
        with suppress(self._nvml.NVMLError):
            flags = self._throttle()
        with suppress(self._nvml.NVMLError):
            if self._ecc(self._nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED) > self._ecc_errors:
                flags.append("ecc-uncorrected")
        return tuple(flags)


SENSOR = Nvml
