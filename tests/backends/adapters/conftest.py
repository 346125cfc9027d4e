"""Recorded outputs of vendors' tools, read as an adapter reads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from bench import registry
from bench.adapter import Adapter, SensorSpec
from bench.device import Device
from bench.devices import smi as listing
from bench.sensor import Sensor
from bench.sensors import make
from bench.system import command

FOLDER = Path(__file__).parents[2] / "data" / "smi"
PREFIXES = {
    "ascend": "huawei_npu-smi_info_",
    "gaudi": "intel-gaudi_",
    "moorethreads": "mthreads_",
}


@dataclass(frozen=True)
class Recorded:
    """The recorded outputs, and the patch that has a program print one."""

    monkeypatch: pytest.MonkeyPatch

    def text(self, name: str) -> str:
        """One output by the beginning of its file's name."""
        (path,) = FOLDER.glob(f"{name}*.txt")
        return path.read_text("utf-8")

    def lists(self, adapter: Adapter) -> dict[str, tuple[listing.ListedDevice, ...]]:
        """What the adapter's list reads from each recorded output of its vendor, by file name."""
        assert adapter.lists is not None
        found = {}
        for path in sorted(FOLDER.glob(f"{PREFIXES.get(adapter.name, adapter.name)}*.txt")):
            try:
                rows = listing.parse(adapter.lists, path.read_text("utf-8"))
            except command.CommandError:
                continue
            if rows:
                found[path.stem] = rows
        return found

    def sensor(
        self, adapter: str, program: str, text: str, device: Device, argument: str = ""
    ) -> tuple[Sensor, list[list[str]]]:
        """The adapter's sensor of a program, which prints `text`, and the commands it is given."""
        runs: list[list[str]] = []

        def run(argv: list[str], timeout_s: float) -> command.Output:
            runs.append(list(argv))
            return command.Output(text, truncated=False)

        self.monkeypatch.setattr(command, "run", run)
        return make(spec(adapter, program, argument), device), runs


def spec(adapter: str, program: str, argument: str = "") -> SensorSpec:
    """The sensor of an adapter that runs a program: the one with that argument, else the one with
    the shortest command."""
    found = [
        sensor
        for sensor in registry.adapters()[adapter].sensors
        if sensor.command and Path(sensor.command[0]).name == program
    ]
    return min(
        (sensor for sensor in found if not argument or argument in sensor.command),
        key=lambda sensor: len(sensor.command),
    )


@pytest.fixture
def smi(monkeypatch) -> Recorded:
    return Recorded(monkeypatch)
