"""From what a person writes to one device: ids, stable UUIDs, and parts of a CPU.

`cpu:0[0-3]` is the cores 0 to 3 of `cpu:0`, held by CPU affinity. It locks only those cores, so
two partitions without a common core can be measured at the same time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from bench.device import Device, format_cores, parse_cores
from bench.errors import UsageError
from bench.registry import unknown

_PARTITION = re.compile(r"(?P<parent>[^\[\]]+)\[(?P<cores>[^\[\]]*)\]")


def resolve(device_id: str, devices: Sequence[Device]) -> Device:
    """The listed device with this id or UUID, or the partition of a CPU it describes.

    Raises UsageError for an unknown device, with the nearest, and for cores the CPU has not.
    """
    match = _PARTITION.fullmatch(device_id)
    device = _find(match["parent"] if match else device_id, devices)
    return _partition(device, match["cores"]) if match else device


def _find(name: str, devices: Sequence[Device]) -> Device:
    for device in devices:
        if name == device.id or (device.uuid and name.lower() == device.uuid.lower()):
            return device
    raise unknown("device", name, [device.id for device in devices])


def _partition(parent: Device, text: str) -> Device:
    if not parent.cores:
        raise UsageError(
            f"{parent.id} is not a CPU, so {parent.id}[{text}] is no partition of it; "
            "slices of an accelerator are devices of their own"
        )
    cores = parse_cores(text)
    missing = [core for core in cores if core not in parent.cores]
    if missing:
        raise UsageError(
            f"{parent.id} has no core {format_cores(tuple(missing))} that this process may use; "
            f"usable: {format_cores(parent.cores)}"
        )
    locks = parent.locks
    if len(locks) == len(parent.cores):  # one lock a core, in the order of the cores
        locks = tuple(locks[parent.cores.index(core)] for core in cores)
    return replace(
        parent,
        id=f"{parent.id}[{format_cores(cores)}]",
        uuid=None,
        cores=cores,
        scope="partition",
        board=parent.id,
        locks=locks,
    )
