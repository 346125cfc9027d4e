"""An adapter's patterns over a tool's output: numbers, or the reason why not."""

from __future__ import annotations

import pytest

from bench.adapter import SensorSpec
from bench.device import Device
from bench.readings import read
from bench.sensor import SensorError

DEVICE = Device("x:1", "x", 1, "X")
SPEC = SensorSpec(
    "command",
    ("x-smi",),
    require="X-SMI",
    select=r"(?m)^{index}\|[^\n]*",
    patterns={"power_w": r"\|(\S+) W", "memory_used_bytes": r"(\S+) MiB"},
    scale={"memory_used_bytes": 1048576.0},
)


def test_the_devices_own_part_is_read_in_the_quantities_units():
    got = read(SPEC, DEVICE, "X-SMI\n0|10 W 3 MiB\n1|20.5 W 4 MiB\n11|30 W 5 MiB\n")
    assert got.values == {"power_w": 20.5, "memory_used_bytes": 4 * 2**20}
    assert got.missing == {}


@pytest.mark.parametrize("text", ["NA", "N/A", "-", "nan", "inf", "--", "0", "0.0", "-5"])
def test_what_is_no_power_is_missing_and_never_zero(text):
    got = read(SPEC, DEVICE, f"X-SMI\n1|{text} W 4 MiB\n")
    assert "power_w" not in got.values
    assert repr(text) in got.missing["power_w"]
    assert got.values["memory_used_bytes"] == 4 * 2**20


def test_no_memory_used_is_a_figure():
    assert read(SPEC, DEVICE, "X-SMI\n1|5 W 0 MiB\n").values["memory_used_bytes"] == 0


def test_what_is_not_printed_is_missing():
    assert "does not print" in read(SPEC, DEVICE, "X-SMI\n1|5 W\n").missing["memory_used_bytes"]


def test_another_vendors_tool_of_the_same_name_is_refused():
    with pytest.raises(SensorError, match="another vendor's program"):
        read(SPEC, DEVICE, "Y-SMI\n1|20 W 4 MiB\n")


def test_another_devices_figures_are_not_taken():
    with pytest.raises(SensorError, match="prints nothing about x:1"):
        read(SPEC, DEVICE, "X-SMI\n0|20 W 4 MiB\n")


def test_a_device_of_unknown_identity_is_not_asked_about():
    device = Device("x:1", "x", 1, "X", properties={"identity": "not matched"})
    with pytest.raises(SensorError, match="not matched"):
        read(SPEC, device, "X-SMI\n1|20 W 4 MiB\n")
