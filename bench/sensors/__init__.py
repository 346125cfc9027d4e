"""Sensors: one file per source of telemetry, imported only when asked for.

They live in the parent process, which imports neither torch nor onnxruntime. Each module defines
`SENSOR`, a class called with the device and the adapter's settings; so does the module that an
installed package names in the entry point group `hetbench.sensors`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

from bench.adapter import SensorSpec
from bench.device import Device
from bench.errors import HetbenchError
from bench.language.plain import first_line
from bench.registry import unknown
from bench.sensor import Sample, Sensor, SensorError, SensorProbe
from bench.settings import packages

KINDS = ("nvml", "gpustack", "rapl", "hwmon", "ipmi", "command", "simulated")
PROBE_LIMIT_S = 10.0
_BUS_ID = re.compile(r"([0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


def make(spec: SensorSpec, device: Device) -> Sensor:
    """The sensor an adapter asks for; reads nothing yet.

    Raises UsageError for a kind that does not exist or settings the sensor does not know.
    """
    modules = {kind: f"{__name__}.{kind}" for kind in KINDS}
    for entry in packages.of_group("sensors"):
        modules.setdefault(entry.name, entry.module)
    if spec.kind not in modules:
        raise unknown("sensor", spec.kind, modules)
    try:
        build: Callable[[Device, SensorSpec], Any] = import_module(modules[spec.kind]).SENSOR
        made = build(device, spec)
        if not isinstance(made, Sensor):
            raise TypeError(f"SENSOR made a {type(made).__name__}, which is no Sensor")
        return made
    except HetbenchError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an installed package's own code
        return _Unusable(
            device,
            spec.kind,
            f"the sensor {spec.kind} cannot be used: {type(error).__name__}: {first_line(error)}",
        )


class _Unusable(Sensor):
    """Stands for a sensor of a package that does not load."""

    def __init__(self, device: Device, name: str, reason: str) -> None:
        super().__init__(device)
        self.name = name
        self._reason = reason

    def probe(self) -> SensorProbe:
        """The reason."""
        return SensorProbe(reason=self._reason)

    def read(self) -> Sample:
        """Never asked, since nothing can be read."""
        raise SensorError(self._reason)


def options(spec: SensorSpec, **defaults: str) -> dict[str, str]:
    """The sensor's options over their defaults; raises UsageError for one it does not have."""
    for name in spec.options:
        if name not in defaults:
            raise unknown(f"option of the sensor {spec.kind}", name, defaults or ["(none)"])
    return {**defaults, **spec.options}


def bus_id(device: Device) -> str:
    """The device's PCI address in small letters, `0000:c1:00.0`; empty when it is not known."""
    known = device.properties.get("pci_bus_id", device.uuid or "").lower()
    return known if _BUS_ID.fullmatch(known) else ""


def probe(sensor: Sensor, limit_s: float = PROBE_LIMIT_S) -> SensorProbe:
    """Ask a sensor what it can read, but do not wait for ever: a driver may hang.

    The call that hangs is left behind in its own thread, which does not keep the process alive.
    """
    answers: list[SensorProbe] = []
    thread = threading.Thread(target=lambda: answers.append(ask(sensor)), daemon=True)
    thread.start()
    thread.join(limit_s)
    if answers:
        return answers[0]
    return SensorProbe(
        reason=f"the sensor {sensor.name} did not answer within {limit_s:g} s; "
        "the device or its driver may hang"
    )


def ask(sensor: Sensor) -> SensorProbe:
    """`sensor.probe()`, which promises not to raise, held to it."""
    try:
        return sensor.probe()
    except Exception as error:  # noqa: BLE001 - an installed sensor package may break its promise
        return SensorProbe(
            reason=f"the sensor {sensor.name} failed: {type(error).__name__}: {error}"
        )
