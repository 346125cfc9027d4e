"""Power of the whole node from its management controller, through `ipmitool dcmi power reading`."""

from __future__ import annotations

from dataclasses import replace

from bench.adapter import SensorSpec
from bench.device import Device
from bench.sensor import SensorProbe
from bench.sensors import options
from bench.sensors.command import Command

PATTERNS = {"power_w": r"Instantaneous power reading: +(\d+) Watts"}


class Ipmi(Command):
    """The node's power supply, all devices and fans included. Option `program`: its path."""

    def __init__(self, device: Device, spec: SensorSpec) -> None:
        program = options(spec, program="ipmitool")["program"]
        command = (program, "dcmi", "power", "reading")
        filled = replace(
            spec, kind="command", command=command, patterns=PATTERNS, scope="node", options={}
        )
        super().__init__(device, filled)
        self.name = "ipmi"

    def probe(self) -> SensorProbe:
        """The controller's answer, or why there is none."""
        probe = super().probe()
        if probe.reason is None:
            return probe
        return replace(
            probe,
            reason=f"{probe.reason}; node power needs ipmitool, the kernel module ipmi_devintf "
            "and the right to open /dev/ipmi0 (root)",
        )


SENSOR = Ipmi
