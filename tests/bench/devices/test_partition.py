"""What a person writes for a device, and the parts of a CPU."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.device import Device
from bench.devices.cpu import cpu_device
from bench.devices.partition import resolve
from bench.errors import UsageError

CPU = Device(
    "cpu:0", "cpu", 0, "CPU", cores=(0, 2, 4, 6), locks=("c-0", "c-2", "c-4", "c-6"), uuid="u"
)
NPU = Device("npu:3", "npu", 3, "N", uuid="0000:C1:00.0", locks=("0000:C1:00.0",))
DEVICES = [CPU, NPU]


def test_by_id_and_by_the_identity_that_stays():
    assert resolve("npu:3", DEVICES) is NPU
    assert resolve("0000:c1:00.0", DEVICES) is NPU
    assert resolve("cpu:0", DEVICES) is CPU


def test_a_partition_is_its_cores_and_locks_only_those():
    part = resolve("cpu:0[2-2,6]", DEVICES)
    assert (part.id, part.cores, part.scope) == ("cpu:0[2,6]", (2, 6), "partition")
    assert part.locks == ("c-2", "c-6")
    assert (part.board, part.uuid, part.kind) == ("cpu:0", None, "cpu")
    assert not set(part.locks) & set(resolve("cpu:0[0,4]", DEVICES).locks)


def test_one_partition_has_one_id():
    assert resolve("cpu:0[6,2]", DEVICES) == resolve("cpu:0[2,6]", DEVICES)


def test_where_locks_are_not_one_a_core_the_partition_holds_them_all():
    whole = replace(CPU, locks=("all",))
    assert resolve("cpu:0[2]", [whole]).locks == ("all",)


def test_the_real_cpu():
    cpu = cpu_device()
    first = cpu.cores[0]
    part = resolve(f"cpu:0[{first}]", [cpu])
    assert part.cores == (first,)
    assert part.locks == cpu.locks[:1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cpu:0[0-3]", r"cpu:0 has no core 1,3 that this process may use; usable: 0,2,4,6"),
        ("cpu:0[8]", r"has no core 8"),
        ("cpu:0[x]", r"'x' is not a list of cores"),
        ("cpu:0[]", r"'' is not a list of cores"),
        ("cpu:0[4-2]", r"not a list of cores"),
        ("npu:3[0]", r"npu:3 is not a CPU"),
        ("npu:4", r"no device is called 'npu:4'; known and near: npu:3"),
        ("gpu", r"known and near"),
        ("cpu:1[0]", r"no device is called 'cpu:1'"),
    ],
)
def test_refused(text, said):
    with pytest.raises(UsageError, match=said):
        resolve(text, DEVICES)
