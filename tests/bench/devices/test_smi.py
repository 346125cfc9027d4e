"""The vendor's list of devices, joined with what a framework may see of it."""

from __future__ import annotations

import os

import pytest

from bench import sensors
from bench.adapter import Adapter, DeviceList
from bench.device import Device
from bench.devices import smi as listing
from bench.system.command import CommandError
from bench.way import TorchPlugin

INDEXED = DeviceList(
    ("vendor-smi",), r"(?m)^GPU (?P<index>\d+): (?P<name>[^(\n]*)\((?P<uuid>[^)\n]*)\)"
)
CARDS = DeviceList(
    ("vendor-smi",), r"(?m)^(?P<card>\d+)\.(?P<chip>\d+) (?P<uuid>\S+) (?P<memory_mib>\d+)"
)
FOUR = "".join(f"GPU {i}: X{i} (GPU-aaaa000{i})\n" for i in range(4))


def adapter(spec=INDEXED):
    return Adapter(
        "x", "X", "cuda", torch=TorchPlugin("cuda"), visible_devices=("X_DEVICES",), lists=spec
    )


def devices(count):
    return [Device(f"cuda:{i}", "cuda", i, "X") for i in range(count)]


def test_a_list_is_read():
    first, *_ = listing.parse(INDEXED, FOUR)
    assert first == listing.ListedDevice("0", "X0", "GPU-aaaa0000")


def test_without_an_index_devices_are_ranked_by_card_and_chip():
    rows = listing.parse(CARDS, "10.0 b:1 8\n2.1 b:3 8\n2.0 b:2 8\n")
    assert [(r.index, r.card, r.chip) for r in rows] == [
        ("0", "2", "0"),
        ("1", "2", "1"),
        ("2", "10", "0"),
    ]
    assert [r.board for r in rows] == ["card:2", "card:2", None]
    assert rows[0].memory_bytes == 8 << 20


def test_chips_with_one_bus_id_get_distinct_identities():
    rows = listing.parse(CARDS, "1.0 0000:01:00.0 8\n1.1 0000:01:00.0 8\n")
    assert [r.uuid for r in rows] == ["0000:01:00.0/0", "0000:01:00.0/1"]


def test_a_bus_id_shared_without_a_chip_number():
    rows = listing.parse(INDEXED, "GPU 0: K (b:1)\nGPU 1: K (b:1)\nGPU 2: K (b:2)\n")
    assert [(r.uuid, r.board) for r in rows] == [("b:1/0", "b:1"), ("b:1/1", "b:1"), ("b:2", None)]


def test_a_bus_id_is_written_as_linux_writes_it():
    printed = ["00000000:C1:00.0", "0000:C1:00.0", "00:c1:00.0"]
    for text in printed:
        (row,) = listing.parse(INDEXED, f"GPU 0: K ({text})\n")
        assert (row.uuid, row.pci_bus_id) == ("0000:c1:00.0", "0000:c1:00.0")
    (row,) = listing.parse(INDEXED, "GPU 0: K (0001:C1:00.0)\n")
    assert row.uuid == "0001:c1:00.0"


def test_what_is_no_identity_is_dropped():
    (row,) = listing.parse(INDEXED, "GPU 0: A\x1b[31m (-i 0; rm)\n")
    assert row.uuid is None
    assert row.name == r"A\x1b[31m"


def test_another_vendors_tool_is_refused():
    spec = DeviceList(("xpu-smi",), r"(?P<index>\d)", require="XPU-RT")
    with pytest.raises(CommandError, match="another vendor's program"):
        listing.parse(spec, "Intel 0")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ["0", "1", "2", "3"]),
        ("all", ["0", "1", "2", "3"]),
        ("2,0", ["2", "0"]),
        (" 3 ", ["3"]),
        ("GPU-aaaa0001,GPU-AAAA0002", ["1", "2"]),
        ("", []),
        ("-1", []),
        ("1,-1,2", ["1"]),
        ("none", []),
        ("GPU-aaaa", None),
        ("7", None),
        ("0.1", None),
    ],
)
def test_visible_devices(value, expected):
    environ = {} if value is None else {"X_DEVICES": value}
    seen = listing.visible(listing.parse(INDEXED, FOUR), ["X_DEVICES", "Y_DEVICES"], environ)
    assert (None if seen is None else [row.index for row in seen]) == expected


def test_the_variable_that_decides_first_decides():
    rows = listing.parse(INDEXED, FOUR)
    environ = {"X_DEVICES": "1", "Y_DEVICES": "2"}
    assert [r.index for r in listing.visible(rows, ["Y_DEVICES", "X_DEVICES"], environ)] == ["2"]


def test_a_hidden_device_does_not_shift_the_others():
    rows = listing.parse(INDEXED, FOUR)
    first, second = listing.identify(devices(2), adapter(), rows, {"X_DEVICES": "3,1"})
    assert (first.id, first.uuid, first.properties["tool_index"]) == ("cuda:0", "GPU-aaaa0003", "3")
    assert (second.id, second.properties["tool_index"]) == ("cuda:1", "1")
    assert first.locks == ("GPU-aaaa0003",)


def test_chips_of_one_card_cannot_be_measured_at_once():
    rows = listing.parse(CARDS, "0.0 b:1 8\n0.1 b:2 8\n")
    one, two = listing.identify(devices(2), adapter(CARDS), rows, {})
    assert set(one.locks) & set(two.locks) == {"card:0"}
    assert (two.board, two.properties["chip"]) == ("card:0", "1")


def test_a_lock_names_the_card_however_a_framework_calls_it():
    rows = listing.parse(INDEXED, "GPU 0: K (0000:C1:00.0)\n")
    (bare,) = listing.identify(devices(1), adapter(), rows, {})
    known = Device("cuda:0", "cuda", 0, "X", uuid="GPU-1", locks=("GPU-1",))
    (known,) = listing.identify([known], adapter(), rows, {})
    assert set(bare.locks) & set(known.locks) == {"0000:c1:00.0"}
    assert known.locks[0] == "GPU-1"


def test_sensors_find_the_card_by_the_bus_id_that_the_list_tells():
    printed = "0.0 0000:C1:00.0 8\n0.1 0000:C1:00.0 8\n"  # two chips, one bus id
    chips = listing.identify(devices(2), adapter(CARDS), listing.parse(CARDS, printed), {})
    rows = listing.parse(INDEXED, "GPU 0: K (0000:C1:00.0)\n")
    known = [Device("cuda:0", "cuda", 0, "X", uuid="GPU-1")]
    for device in (*chips, *listing.identify(known, adapter(), rows, {})):
        assert sensors.bus_id(device) == "0000:c1:00.0", device


def test_what_the_framework_says_of_its_own_bus_id_comes_first():
    rows = listing.parse(INDEXED, "GPU 0: K (0000:C1:00.0)\n")
    own = [Device("cuda:0", "cuda", 0, "X", properties={"pci_bus_id": "0000:02:00.0"})]
    (device,) = listing.identify(own, adapter(), rows, {})
    assert sensors.bus_id(device) == "0000:02:00.0"


def test_a_provider_of_the_adapters_on_the_cpu_is_left_alone():
    cpu = [Device("cpu:0", "cpu", 0, "CPU")]
    assert listing.join(cpu, adapter(), {"X_DEVICES": "5"}) == cpu


def test_nothing_is_guessed_when_the_lists_do_not_agree():
    rows = listing.parse(INDEXED, FOUR)
    (device,) = listing.identify(devices(1), adapter(), rows, {})
    assert device.uuid is None
    assert "lists 4 devices" in device.properties["identity"]
    (device,) = listing.identify(devices(1), adapter(), rows, {"X_DEVICES": "what"})
    assert "an unknown part" in device.properties["identity"]


@pytest.fixture
def tool(tmp_path, monkeypatch):
    def write(text):
        (tmp_path / "list.txt").write_text(text)
        path = tmp_path / "vendor-smi"
        path.write_text(f"#!/bin/sh\ncat {tmp_path}/list.txt\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return write


def test_the_tool_is_run(tool):
    tool(FOUR)
    joined = listing.join(devices(1), adapter(), {"X_DEVICES": "2"})
    assert [d.uuid for d in joined] == ["GPU-aaaa0002"]


def test_without_the_tool_numbers_in_the_variable_still_tell(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    joined = listing.join(devices(2), adapter(), {"X_DEVICES": "5,7"})
    assert [d.properties["tool_index"] for d in joined] == ["5", "7"]
    assert listing.join(devices(2), adapter(), {}) == devices(2)
    (device,) = listing.join(devices(1), adapter(), {"X_DEVICES": "GPU-1"})
    assert "identity" in device.properties


def test_a_list_that_is_cut_off_is_refused(tmp_path):
    tool = tmp_path / "smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: x'\nhead -c 70000 /dev/zero\necho 'GPU 1: x'\n")
    tool.chmod(0o755)
    spec = DeviceList((str(tool),), r"GPU (?P<index>\d+): (?P<name>\w+)")
    with pytest.raises(CommandError, match="printed more than 65536 bytes"):
        listing.run_list(spec)
