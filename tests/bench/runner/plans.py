"""Small plans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench import registry
from bench.adapter import Adapter
from bench.device import Device
from bench.runner import plan, suites
from bench.runner.plan import Plan
from bench.target import Resolved
from bench.way import TorchPlugin

from ..examples import environment


def target(text: str = "torch@cpu:0") -> Resolved:
    return Resolved(
        target=text,
        backend="torch",
        adapter=registry.adapters()["cpu"],
        options={"compile": ""},
        device=Device("cpu:0", "cpu", 0, "A processor", cores=(0, 1), properties={"isa": "x"}),
        versions={"torch": "2.13.0"},
        simulated=False,
        threads=2,
    )


def other() -> Resolved:
    adapter = Adapter("npu", "A vendor", "npu", torch=TorchPlugin("npu", "torch_npu"))
    device = Device("npu:0", "npu", 0, "A card", memory_bytes=32 << 30, uuid="0000:01:00.0")
    return Resolved("torch@npu:0", "torch", adapter, {}, device, {}, False, 8)


def make(
    trials: int | None = 3, seed: int = 0, scenarios: Sequence[str] = (), **fields: Any
) -> Plan:
    """The suite `smoke` on two targets: two cases a scenario."""
    chosen = suites.override(suites.load("smoke"), scenarios=scenarios, trials=trials)
    targets = [target(), other()]
    cases = suites.cases(chosen, [one.target for one in targets])
    return plan.make(chosen, targets, cases, seed, environment(), **fields)
