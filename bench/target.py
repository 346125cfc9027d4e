"""Targets: which software drives which device.

The way from what a person writes to what is measured: text -> `Target` -> the `Candidate`s that it
can mean -> what is `Found` of them -> `Resolved`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bench.adapter import Adapter
from bench.device import Device
from bench.errors import UsageError
from bench.way import Way

CHILD_ENV = {
    # A torch plug-in that cannot load makes `import torch` itself raise; ours are imported by name.
    "TORCH_DEVICE_BACKEND_AUTOLOAD": "0",
    # CUDA numbers devices by speed unless told otherwise; NVML, which reads them, by bus id.
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
}
"""Variables of every child that imports a framework."""

_TARGET = re.compile(
    r"(?P<backend>[a-z][a-z0-9_-]*)(?P<options>(\+[^+@]+)*)@(?P<device>[a-z][a-z0-9_-]*(:[\w.:/-]+(\[[0-9,-]+\])?)?)"
)


@dataclass(frozen=True, slots=True)
class Target:
    """A backend on a device, with the backend's options: `onnxruntime+OpenVINO@cpu:0`."""

    backend: str
    device: str
    options: tuple[tuple[str, str], ...] = ()
    """(name, value) pairs in the order written; a bare word has the value ""."""

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read `backend[+option[=value]]...@device`; raises UsageError."""
        match = _TARGET.fullmatch(text)
        if match is None:
            raise UsageError(
                f"{text!r} is not a target; write BACKEND@DEVICE or BACKEND+OPTION@DEVICE, "
                "for example torch@cuda:0 or onnxruntime+OpenVINO@cpu:0"
            )
        options = []
        for word in filter(None, match["options"].split("+")):
            name, _, value = word.partition("=")
            options.append((name, value))
        return cls(match["backend"], match["device"], tuple(options))

    @property
    def kind(self) -> str:
        """Kind of device: the word before the colon."""
        return self.device.partition(":")[0]

    def __str__(self) -> str:
        words = "".join(f"+{n}={v}" if v else f"+{n}" for n, v in self.options)
        return f"{self.backend}{words}@{self.device}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way of an adapter that may be open here, with the options its backend is given."""

    adapter: Adapter
    way: Way
    options: dict[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate's answer: its devices, or why it has none."""

    candidate: Candidate
    reason: str | None
    """Why it has no device; None when it has."""
    versions: Mapping[str, str]
    devices: tuple[Device, ...]
    simulated: bool
    format: str = ""
    """What its backend takes, see `Backend.format`; empty for a backend that was not asked."""
    misused: bool = False
    """True when the reason is that the backend does not have such an option."""

    def target(self, device_id: str) -> str:
        """How a device of this answer is written as a target."""
        options = tuple(self.candidate.options.items())
        return str(Target(self.candidate.way.backend, device_id, options))


@dataclass(frozen=True, slots=True)
class Resolved:
    """A target on this machine, ready to be measured."""

    target: str
    backend: str
    adapter: Adapter
    options: dict[str, str]
    device: Device
    versions: Mapping[str, str]
    simulated: bool
    threads: int

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the worker: thread counts are fixed before any framework reads them."""
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        return {**CHILD_ENV, **{name: str(self.threads) for name in names}}
