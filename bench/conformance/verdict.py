"""What a check found, and the report that holds all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bench.device import Device
from bench.language import plain

Status = Literal["pass", "fail", "skip"]


@dataclass(frozen=True, slots=True)
class Found:
    """The answer of one check."""

    status: Status
    seen: str
    """What was seen, in one sentence."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report."""

    id: str
    """Stable: the same question has the same id in every version."""
    status: Status
    seen: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one `adapter check` found."""

    target: str
    adapter: str
    device: Device
    simulated: bool
    versions: Mapping[str, str]
    precision: str
    """Precision of all checks that do not name their own."""
    seed: int
    """Decides every input; `hetbench run --seed` draws the same check items."""
    started_at: str
    wall_s: float
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(check.status != "fail" for check in self.checks)

    def count(self, status: Status) -> int:
        """How many checks ended so."""
        return sum(check.status == status for check in self.checks)


def passed(seen: str) -> Found:
    """The device does what it says."""
    return Found("pass", seen)


def failed(seen: str) -> Found:
    """It does not."""
    return Found("fail", seen)


def skipped(reason: str) -> Found:
    """It could not be told, and why."""
    return Found("skip", reason)


def first_line(error: BaseException) -> str:
    """Type and first line of an error, for a sentence."""
    kind, said = type(error).__name__, plain.first_line(error)
    return kind if said == kind else f"{kind}: {said}"
