"""Targets: which software drives which device."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.adapter import Adapter
from bench.errors import UsageError

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

    def __str__(self) -> str:
        words = "".join(f"+{n}={v}" if v else f"+{n}" for n, v in self.options)
        return f"{self.backend}{words}@{self.device}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A backend with an adapter and options that may be available."""

    backend: str
    adapter: Adapter
    options: dict[str, str]
