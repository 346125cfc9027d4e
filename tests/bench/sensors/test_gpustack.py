"""The gpustack sensor against detectors shaped like gpustack-runtime 0.2.6's, traps included."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from functools import lru_cache
from types import ModuleType
from typing import Any

import pytest

from bench.adapter import SensorSpec
from bench.device import Device
from bench.sensor import SensorError
from bench.sensors import gpustack, make


@dataclass
class Card:
    """The fields of gpustack_runtime.detector.Device that the sensor reads."""

    index: int = 0
    name: str = "Test NPU"
    uuid: str = "NPU-0"
    driver_version: str | None = "25.5.1"
    cores_utilization: float = 0
    memory_used: int = 0
    temperature: float | None = None
    power: float | None = None
    power_used: float | None = None
    appendix: dict[str, Any] = field(default_factory=dict)


class Hardware:
    """What is plugged in; `usage` is what the vendor's library reads now, by UUID."""

    def __init__(self) -> None:
        self.pci = True
        self.library = True
        self.cards: list[Card] = [Card()]
        self.usage: dict[str, dict[str, Any]] = {}
        self.fails: Exception | None = None
        self.passes = 0


@pytest.fixture
def hardware(monkeypatch) -> Hardware:
    """Detectors of every vendor in place of the package's, over the same hardware."""
    hardware = Hardware()

    class Detector:
        @staticmethod
        @lru_cache(maxsize=1)
        def is_supported() -> bool:
            return bool(Detector.detect_pci_devices()) and hardware.library

        @staticmethod
        @lru_cache(maxsize=1)
        def detect_pci_devices() -> dict[str, str]:
            return {"0000:c1:00.0": "card"} if hardware.pci else {}

        def detect_info(self) -> list[Card] | None:
            return hardware.cards

        def detect_usage(self, cards: list[Card]) -> list[Card]:
            hardware.passes += 1
            if hardware.fails:
                raise hardware.fails
            for card in cards:
                for name, value in hardware.usage.get(card.uuid, {}).items():
                    setattr(card, name, value)
            return cards

    package = ModuleType("gpustack_runtime.detector")
    monkeypatch.setitem(sys.modules, "gpustack_runtime", ModuleType("gpustack_runtime"))
    monkeypatch.setitem(sys.modules, "gpustack_runtime.detector", package)
    for vendor, cls in gpustack.CLASSES.items():
        module = ModuleType(f"gpustack_runtime.detector.{vendor}")
        setattr(module, cls, Detector)
        monkeypatch.setitem(sys.modules, f"gpustack_runtime.detector.{vendor}", module)
    monkeypatch.setattr(gpustack, "_FEEDS", {})
    return hardware


def card_sensor(vendor: str = "ascend", uuid: str | None = "NPU-0", index: int = 0, **facts: str):
    device = Device(f"npu:{index}", "npu", index, "Test NPU", uuid=uuid, properties=facts)
    # A short period, so that each reading asks the hardware again.
    spec = SensorSpec("gpustack", scope="module", update_period_s=0.001, options={"vendor": vendor})
    return make(spec, device)


def read(sensor) -> dict[str, float]:
    time.sleep(0.001)
    return dict(sensor.read().values)


USAGE = {"power_used": 162.8, "temperature": 41, "cores_utilization": 35, "memory_used": 3133}


def test_figures_and_their_steps(hardware):
    hardware.usage["NPU-0"] = USAGE
    sensor = card_sensor()
    probe = sensor.probe()
    assert read(sensor) == {
        "power_w": 162.8,
        "temperature_c": 41.0,
        "utilization_percent": 35.0,
        "memory_used_bytes": 3133.0 * 1048576,
    }
    power = probe.channels[0]
    assert (power.resolution, power.scope, power.averaging_window_s) == (0.1, "module", None)
    assert probe.facts["driver"] == "25.5.1"


@pytest.mark.parametrize("vendor", ["amd", "cambricon", "hygon", "iluvatar", "metax", "thead"])
def test_whole_watts_are_a_resolution_of_one_watt(hardware, vendor):
    hardware.usage["NPU-0"] = {**USAGE, "power_used": 107}
    assert card_sensor(vendor).probe().channels[0].resolution == 1.0


@pytest.mark.parametrize(
    ("given", "watts"),
    [
        (109_510, 109.51),  # milliwatts, as version 0.2.6 gives them
        (109.51, 109.51),  # watts, should a later version put it right
        (5_000_000, None),  # 5 kW: not one card
        (0, None),
    ],
)
def test_power_of_moore_threads_comes_in_milliwatts(hardware, given, watts):
    hardware.usage["NPU-0"] = {**USAGE, "power_used": given}
    sensor = card_sensor("mthreads")
    probe = sensor.probe()
    assert read(sensor).get("power_w") == watts
    if watts is None:
        assert "is no power in watts" in probe.missing["power_w"]
    else:
        assert ("power_unit" in probe.facts) == (given != watts)


def test_power_of_other_vendors_is_not_divided(hardware):
    hardware.usage["NPU-0"] = {**USAGE, "power_used": 109_510}
    sensor = card_sensor("cambricon")
    assert "power_w" in sensor.probe().missing
    assert "power_w" not in read(sensor)


def test_a_utilisation_of_zero_is_left_out_until_the_card_has_shown_another(hardware):
    hardware.usage["NPU-0"] = {**USAGE, "cores_utilization": 0}
    sensor = card_sensor()
    assert "0 so far" in sensor.probe().missing["utilization_percent"]
    assert "utilization_percent" not in read(sensor)
    hardware.usage["NPU-0"] = USAGE
    assert read(sensor)["utilization_percent"] == 35.0
    hardware.usage["NPU-0"] = {**USAGE, "cores_utilization": 0}
    assert read(sensor)["utilization_percent"] == 0.0


def test_a_failing_library_is_a_reason_and_not_an_absent_vendor(hardware):
    hardware.fails = RuntimeError("MTML_ERROR_TIMEOUT")
    reason = card_sensor("mthreads").probe().reason or ""
    assert "mthreads failed for all its cards" in reason and "MTML_ERROR_TIMEOUT" in reason


def test_a_library_that_fails_later_is_a_failed_reading(hardware):
    hardware.usage["NPU-0"] = USAGE
    sensor = card_sensor()
    sensor.probe()
    hardware.fails = RuntimeError("device lost")
    with pytest.raises(SensorError, match="device lost"):
        read(sensor)
    hardware.fails = None
    assert read(sensor)["power_w"] == 162.8


def test_a_card_that_is_no_longer_read_keeps_no_old_figures(hardware):
    hardware.usage["NPU-0"] = USAGE
    sensor = card_sensor()
    sensor.probe()
    hardware.usage.clear()
    with pytest.raises(SensorError, match="read nothing"):
        read(sensor)


def test_a_card_that_appears_later_is_found_by_the_next_probe(hardware):
    hardware.pci = False
    sensor = card_sensor()
    assert sensor.probe().reason == "no PCI device of ascend is visible here"
    hardware.pci = True
    hardware.usage["NPU-0"] = USAGE
    assert sensor.probe().reason is None


def test_a_card_without_its_library_is_a_reason_with_the_remedy(hardware):
    hardware.library = False
    assert "install the vendor's driver" in (card_sensor().probe().reason or "")


@pytest.mark.parametrize(
    ("uuid", "facts", "found_by"),
    [
        ("npu-1", {}, "uuid"),
        ("0000:C2:00.0", {}, "PCI bus id"),
        (None, {"pci_bus_id": "0000:c2:00.0"}, "PCI bus id"),
        (None, {"tool_index": "5"}, "index"),
    ],
)
def test_the_card_is_found_by_what_stays_the_same(hardware, uuid, facts, found_by):
    hardware.cards = [
        Card(index=4, uuid="NPU-0", appendix={"bdf": "0000:c1:00.0"}),
        Card(index=5, uuid="NPU-1", appendix={"bdf": "0000:c2:00.0"}),
    ]
    hardware.usage = {"NPU-0": USAGE, "NPU-1": {**USAGE, "power_used": 99.0}}
    sensor = card_sensor(uuid=uuid, index=0, **facts)
    assert sensor.probe().facts["found_by"] == found_by
    assert read(sensor)["power_w"] == 99.0


def test_a_card_the_library_does_not_list_is_a_reason(hardware):
    assert "none of which is npu:7" in (card_sensor(uuid="NPU-7", index=7).probe().reason or "")


def test_cards_with_one_uuid_are_refused(hardware):
    hardware.cards = [Card(index=0), Card(index=1)]
    assert "have one UUID" in (card_sensor().probe().reason or "")


def test_one_pass_serves_all_cards_of_a_vendor(hardware):
    hardware.cards = [Card(index=i, uuid=f"NPU-{i}") for i in range(8)]
    hardware.usage = {card.uuid: USAGE for card in hardware.cards}
    spec = SensorSpec("gpustack", update_period_s=60, options={"vendor": "ascend"})
    cards = [make(spec, Device(f"npu:{i}", "npu", i, "x", uuid=f"NPU-{i}")) for i in range(8)]
    cards[0].probe()
    for card in cards[1:]:
        card._position = card.device.index
        card.read()
    assert hardware.passes == 1


def test_an_unknown_vendor_is_answered_with_the_known():
    assert "mthreads" in (card_sensor("moorethreads").probe().reason or "")


def test_a_missing_package_is_a_reason_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "gpustack_runtime", None)
    monkeypatch.setattr(gpustack, "_FEEDS", {})
    assert "hetbench[npu]" in (card_sensor().probe().reason or "")
