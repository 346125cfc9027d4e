"""The command sensor against recorded outputs, printed by real programs on PATH."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.adapter import SensorSpec
from bench.device import Device
from bench.sensor import SensorError
from bench.sensors import make

SMI = Path(__file__).parents[2] / "data" / "smi"
MIB = 1048576.0


def npu(index: int, **properties: str) -> Device:
    return Device(f"npu:{index}", "npu", index, "Test NPU", properties=properties)


@pytest.fixture
def tool(tmp_path, monkeypatch) -> Callable[..., None]:
    """Puts a program on PATH that checks its arguments and prints a recorded output."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def write(name: str, recorded: str = "", arguments: str = "", body: str = "") -> None:
        body = body or f"cat {shlex.quote(str(SMI / recorded))}"
        path = tmp_path / name
        path.write_text(
            f'#!/bin/sh\n[ "$*" = {shlex.quote(arguments)} ] || {{ echo "bad: $*" >&2; exit 9; }}\n'
            f"{body}\n"
        )
        path.chmod(0o755)

    return write


GAUDI = SensorSpec(
    "command",
    command=("hl-smi", "-Q", "index,power.draw", "--format", "csv,noheader"),
    patterns={
        "memory_used_bytes": r"(?m)^{index}, .*, (\d+) MiB, \d+ MiB, \d+ W,",
        "power_w": r"(?m)^{index}, .* MiB, (\d+) W,",
        "temperature_c": r"(?m)^{index}, .*, (\d+) C,",
    },
    scale={"memory_used_bytes": MIB},
    scope="module",
    update_period_s=0.5,
)


def test_one_line_per_device(tool):
    recorded = "intel-gaudi_hl-smi_Q-csv-noheader_HL-325L_v1.22.1.txt"
    tool("hl-smi", recorded, "-Q index,power.draw --format csv,noheader")
    second = make(GAUDI, npu(1))
    probe = second.probe()
    assert probe.reason is None
    power = next(c for c in probe.channels if c.quantity == "power_w")
    assert (power.scope, power.resolution, power.update_period_s) == ("module", 1.0, 0.5)
    assert power.averaging_window_s is None
    assert second.read().values == {
        "power_w": 230.0,
        "temperature_c": 39.0,
        "memory_used_bytes": 672 * MIB,
    }
    assert make(GAUDI, npu(0)).read().values["power_w"] == 226.0


def test_a_reading_is_stamped_in_its_middle(tool):
    tool("slow", body="sleep 0.2; echo 5 W")
    spec = SensorSpec("command", command=("slow",), patterns={"power_w": r"(\d+) W"})
    before = time.monotonic_ns()
    sample = make(spec, npu(0)).read()
    after = time.monotonic_ns()
    half_ns = sample.duration_ns // 2
    assert half_ns >= 0.1e9
    assert before + half_ns <= sample.stamp_ns <= after - half_ns


ASCEND = SensorSpec(
    "command",
    command=("npu-smi", "info", "-t", "power", "-i", "{card}"),
    patterns={"power_w": r"Real-time Power\(W\) +: (\S+)"},
    scope="module",
)


def test_placeholders_name_the_device_and_the_digits_printed_are_the_resolution(tool):
    tool("npu-smi", "huawei_npu-smi_info-t-power_910B_v25.5.1.txt", "info -t power -i 7")
    sensor = make(ASCEND, npu(0, card="7"))
    (channel,) = sensor.probe().channels
    assert channel.resolution == pytest.approx(0.1)
    assert sensor.read().values == {"power_w": 103.5}


@pytest.mark.parametrize(("chip", "watts"), [("0", 162.8), ("1", None)])
def test_a_dash_is_null_and_not_zero(tool, chip, watts):
    tool("npu-smi", "huawei_npu-smi_info_A3-910C_v25.2.0_2chips.txt", "info")
    spec = SensorSpec(
        "command",
        command=("npu-smi", "info"),
        select=r"(?m)^\| {card} [^\n]*\n\| {chip} [^\n]*",
        patterns={
            "power_w": r"\| OK +\| (\S+)",
            "temperature_c": r"\| OK +\| \S+ +(\d+)",
        },
    )
    probe = make(spec, npu(0, card="0", chip=chip)).probe()
    sample = make(spec, npu(0, card="0", chip=chip)).read()
    assert sample.values.get("power_w") == watts
    assert sample.values["temperature_c"] == 37.0
    if watts is None:
        assert probe.missing == {"power_w": "the tool prints '-'"}
        assert [c.quantity for c in probe.channels] == ["temperature_c"]


@pytest.mark.parametrize("printed", ["NA", "N/A", "-", "[N/A]", "nan", "inf", "1e999", "0x10", ""])
def test_what_is_no_number_is_null(tool, printed):
    tool("smi", body=f"echo 'power: {printed} W'; echo 'temp: 40 C'")
    spec = SensorSpec(
        "command",
        command=("smi",),
        patterns={"power_w": r"power: (\S*) W", "temperature_c": r"temp: (\d+)"},
    )
    probe = make(spec, npu(0)).probe()
    assert set(probe.missing) == {"power_w"}
    assert make(spec, npu(0)).read().values == {"temperature_c": 40.0}


def test_nothing_found_is_a_reason(tool):
    tool("smi", body="echo no devices")
    spec = SensorSpec("command", command=("smi",), patterns={"power_w": r"(\d+) W"})
    probe = make(spec, npu(3)).probe()
    assert probe.reason is not None
    assert "npu:3" in probe.reason and "not in the tool's output" in probe.reason


def test_another_program_of_the_same_name_is_refused(tool):
    tool("mx-smi", body="echo MOFFETT-SMI; echo power 50 W")
    spec = SensorSpec(
        "command",
        command=("mx-smi",),
        require="MetaX System Management Interface",
        patterns={"power_w": r"(\d+) W"},
    )
    assert "another program" in (make(spec, npu(0)).probe().reason or "")


@pytest.mark.parametrize(
    ("body", "limit_s", "said"),
    [
        ("echo driver not loaded >&2; exit 3", 60, "driver not loaded"),
        ("sleep 3600", 0.2, "did not end within"),
    ],
)
def test_a_tool_that_fails_or_hangs_is_a_failed_reading(tool, monkeypatch, body, limit_s, said):
    monkeypatch.setattr("bench.sensors.command.LIMIT_S", limit_s)
    tool("smi", body=body)
    spec = SensorSpec("command", command=("smi",), patterns={"power_w": r"(\d+) W"})
    with pytest.raises(SensorError, match=said):
        make(spec, npu(0)).read()


def test_a_missing_tool_is_a_reason():
    spec = SensorSpec("command", command=("no-such-smi",), patterns={"power_w": r"(\d+)"})
    assert "no-such-smi is not on PATH" in (make(spec, npu(0)).probe().reason or "")


DCMI = """
    Instantaneous power reading:                   632 Watts
    Minimum during sampling period:                122 Watts
    Maximum during sampling period:               1210 Watts
    Average power reading over sample period:      588 Watts
    IPMI timestamp:                           Mon Jan  1 00:00:00 2024
    Sampling period:                          00000001 Seconds.
    Power reading state is:                   activated
"""


def test_ipmi_reads_the_node(tool):
    tool("ipmitool", arguments="dcmi power reading", body=f"cat <<'X'{DCMI}X")
    sensor = make(SensorSpec("ipmi"), npu(0))
    (channel,) = sensor.probe().channels
    assert (channel.quantity, channel.scope) == ("power_w", "node")
    assert sensor.read().values == {"power_w": 632.0}


def test_ipmi_says_what_it_needs(tool):
    body = "echo 'Could not open device at /dev/ipmi0' >&2; exit 1"
    tool("ipmitool", arguments="dcmi power reading", body=body)
    reason = make(SensorSpec("ipmi"), npu(0)).probe().reason or ""
    assert "Could not open device" in reason and "root" in reason
