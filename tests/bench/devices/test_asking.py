"""Whom adapters' ways are asked with, and whose the devices are that several of them list."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import pytest

from bench import registry
from bench.adapter import Adapter
from bench.device import Device
from bench.devices import asking, discover
from bench.system import process
from bench.system.process import Event, Outcome
from bench.target import Found
from bench.way import OnnxProvider, TorchPlugin

NAMED = Adapter("named", "N", "cuda", torch=TorchPlugin("cuda", names="^N"))
REST = Adapter("rest", "any", "cuda", torch=TorchPlugin("cuda"))
PROVIDER = Adapter("provider", "P", "cuda", onnxruntime=(OnnxProvider("P", "PProvider"),))
FOREIGN = Adapter("foreign", "F", "npu", torch=TorchPlugin("npu", module="json"))
OWN = Adapter("own", "O", "npu", backend="acme")
ABSENT = Adapter(
    "absent", "A", "npu", torch=TorchPlugin("npu", module="torch_absent.x", remedy="install it")
)


class Machine:
    """What each adapter finds here, and which of them were asked in one process."""

    def __init__(self) -> None:
        self.devices: dict[str, list[str]] = {}
        self.together: list[list[str]] = []

    def run(
        self,
        module: str,
        job: Mapping[str, Any],
        on_event: Callable[[Event], None],
        timeout_s: float,
        env: Mapping[str, str] | None = None,
    ) -> Outcome:
        assert module == "bench.worker.probe"
        names = [candidate["adapter"]["name"] for candidate in job["candidates"]]
        self.together.append(names)
        for index, name in enumerate(names):
            ids = self.devices.get(name, [])
            devices = [asdict(Device(id, "cuda", int(id[-1]), f"N{id}")) for id in ids]
            event = {
                "event": "found",
                "index": index,
                "reason": None if ids else "none is here",
                "versions": {},
                "devices": devices,
                "simulated": False,
                "format": "",
                "misused": False,
            }
            on_event(json.loads(json.dumps(event)))
        return Outcome(0, False, "", 1.0, 0.0, 7)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(process, "run", made.run)
    return made


def ids(answer: Found) -> list[str]:
    return [device.id for device in answer.devices]


def test_a_device_that_an_adapter_knows_by_name_is_nobody_elses(machine: Machine) -> None:
    machine.devices = {"named": ["cuda:0"], "rest": ["cuda:0", "cuda:1"]}
    rest, named = discover.find([REST, NAMED])
    assert (ids(rest), ids(named)) == (["cuda:1"], ["cuda:0"])


def test_an_adapter_that_is_left_with_nothing_says_why(machine: Machine) -> None:
    machine.devices = {"named": ["cuda:0"], "rest": ["cuda:0"]}
    _, rest = discover.find([NAMED, REST])
    assert (ids(rest), rest.reason) == ([], "every device is claimed by its vendor's own adapter")


def test_claims_are_of_one_backend(machine: Machine) -> None:
    """The same card is measured with both."""
    machine.devices = {"named": ["cuda:0"], "provider": ["cuda:0"]}
    assert [ids(answer) for answer in discover.find([NAMED, PROVIDER])] == [["cuda:0"]] * 2


def test_what_loads_foreign_code_is_asked_alone(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    backends = {**registry.backends(), "acme": "acme.backend"}
    monkeypatch.setattr(registry, "backends", lambda: backends)
    discover.find([NAMED, FOREIGN, REST, OWN, PROVIDER])
    assert sorted(machine.together) == [["foreign"], ["named", "rest"], ["own"], ["provider"]]


def test_a_package_that_is_missing_is_told_without_a_process(machine: Machine) -> None:
    (answer,) = discover.find([ABSENT])
    assert answer.reason == "the package torch_absent.x is not installed; install it"
    assert machine.together == []


def test_answers_are_in_the_order_asked(machine: Machine) -> None:
    found = discover.find([ABSENT, NAMED, OWN])
    assert [answer.candidate.adapter.name for answer in found] == ["absent", "named", "own"]
    assert len(asking.ask([answer.candidate for answer in found[::-1]])) == 3
