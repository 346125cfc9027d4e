"""What children say, in which foreign code runs, is bounded and checked before it is used."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from bench import registry
from bench.devices import asking, discover
from bench.energy.meter import Meter
from bench.errors import HetbenchError, RefusedInput
from bench.runner import crew, own_model, preparing, state, trial
from bench.runner.listener import Listener
from bench.runner.part import Worker
from bench.system import process
from bench.system.process import Event, Outcome
from bench.target import Found

from .. import examples
from . import plans

ENDED = Outcome(1, False, "", 1.0, 0.0, 7)


def says(monkeypatch: pytest.MonkeyPatch, *events: Event, outcome: Outcome = ENDED) -> None:
    """Every child says this and ends."""

    def run(
        module: str,
        job: Mapping[str, Any],
        on_event: Callable[[Event], None],
        timeout_s: float,
        env: Mapping[str, str] | None = None,
    ) -> Outcome:
        for event in events:
            on_event(json.loads(json.dumps(event)))
        return outcome

    def work(tasks: Sequence[crew.Task]) -> None:
        for task in tasks:
            task.on_end(run(task.module, task.job, task.on_event, task.limit_s))

    def follow(children: Sequence[Any], on_event: Callable[[int, Event], None]) -> list[Outcome]:
        return [run("", {}, lambda event: on_event(0, event), 0.0)]

    monkeypatch.setattr(process, "run", run)
    monkeypatch.setattr(process, "start", Mock())
    monkeypatch.setattr(process, "follow", follow)
    monkeypatch.setattr(crew, "run", work)


DEVICE = asdict(plans.target().device)
FOUND = {
    "event": "found",
    "index": 0,
    "reason": None,
    "versions": {"torch": "2.13.0"},
    "devices": [DEVICE],
    "simulated": False,
    "format": "none",
    "misused": False,
}


def found(monkeypatch: pytest.MonkeyPatch, *events: Event, **outcome: Any) -> Found:
    says(monkeypatch, *events, **outcome)
    (answer,) = discover.find([registry.adapters()["simulated"]])
    return answer


def test_a_good_answer_of_a_probe_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = found(monkeypatch, FOUND)
    assert answer.reason is None and len(answer.devices) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"devices": [{**DEVICE, "name": "x" * 501}]}, "a device's name or number is out of"),
        ({"devices": [{**DEVICE, "memory_bytes": 2**53}]}, "a device's name or number is out of"),
        ({"devices": [{**DEVICE, "memory_bytes": -1}]}, "a device's name or number is out of"),
        ({"devices": [{**DEVICE, "properties": {"a": "x" * 501}}]}, "is out of bounds"),
        ({"devices": [DEVICE] * 1025}, "it is too long"),
        ({"versions": {"torch": "x" * 501}}, "it is too long"),
        ({"versions": None}, "the probe's answer is not usable: 'NoneType'"),
        ({"devices": [{"id": 7}]}, "the probe's answer is not usable: "),
        ({"devices": 7}, "the probe's answer is not usable: "),
        ({"index": 99}, "the probe process ended with exit code 1"),
        ({"index": "x"}, "the probe process ended with exit code 1"),
    ],
)
def test_an_odd_answer_of_a_probe_is_a_reason(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str
) -> None:
    answer = found(monkeypatch, {**FOUND, **changes})
    assert not answer.devices
    assert said in (answer.reason or "")


def test_a_reason_of_a_probe_is_not_long(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = found(monkeypatch, {**FOUND, "reason": "x" * 100_000, "devices": []})
    assert len(answer.reason or "") == asking.MAX_REASON


def run_trial(monkeypatch: pytest.MonkeyPatch, *events: Event, outcome: Outcome = ENDED) -> Any:
    plan = plans.make()
    case = plan.cases[0]
    monkeypatch.setattr("bench.energy.meter._specs", lambda target: [])
    says(monkeypatch, *events, outcome=outcome)
    states = state.fresh(plan)
    meter = Meter(plan.target(case), 0)
    target, listener = plan.target(case), Mock(spec=Listener)
    worker = Worker(case, target, states[case.id], 0, meter, listener)
    attempt = trial.Attempt(case, [worker], 0, 0)
    records: list[Any] = []
    trial.run([attempt], lambda attempt, record: records.append(record))
    return records[0]


def test_a_worker_that_says_too_much_at_once_did_not_time_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outcome = Outcome(-9, False, "", 1.0, 0.0, 7, oversized=True)
    record = run_trial(monkeypatch, {"event": "phase", "name": "measure"}, outcome=outcome)
    assert record.status == "failed"
    assert record.reason == (
        "the worker was ended in phase measure: it sent a message of more than 128 MiB"
    )


@pytest.mark.parametrize(
    "event",
    [
        {"event": "phase"},
        {"event": "estimate"},
        {"event": "estimate", "value": "x", "low": None, "high": [], "items": {}},
        {"event": "end"},
        {"event": "end", "status": ["ok"]},
        {"event": "end", "status": "ok", "series": {"latency": {"samples": 7}}},
        {"event": "end", "status": "ok", "memory": {"host_peak_bytes": 2**53}},
        {"event": "end", "status": "ok", "index": 7},
        {"event": "end", "status": "ok", "target": "torch@cuda:0", "series": {}},
        {"event": "end", "status": "ok", "series": {"round": examples.timed().model_dump()}},
    ],
)
def test_an_odd_report_of_a_worker_fails_its_trial_alone(
    monkeypatch: pytest.MonkeyPatch, event: Event
) -> None:
    record = run_trial(monkeypatch, event)
    assert record.status in ("failed", "crashed")
    assert record.index == 0
    (part,) = record.parts
    assert (part.target, part.process_id) == ("torch@cpu:0", ENDED.pid)
    assert (part.status, part.reason) == (record.status, record.reason)
    assert not part.series and not record.metrics


@pytest.mark.parametrize(
    "event",
    [
        {"event": "preparing"},
        {"event": "prepared"},
        {"event": "prepared", "case": "of nobody", "status": "ok"},
        {"event": "prepared", "case": ["x"]},
    ],
)
def test_an_odd_event_of_a_preparing_child_settles_nothing_else(
    monkeypatch: pytest.MonkeyPatch, event: Event
) -> None:
    plan = plans.make()
    states = state.fresh(plan)
    says(monkeypatch, event)
    preparing.prepare(plan, plan.cases[0].card.name, states, Mock(spec=Listener))
    mine = [states[c.id].settled for c in plan.cases if c.card.name == plan.cases[0].card.name]
    assert all(one is not None and one[0] == "crashed" for one in mine)


def test_what_a_preparing_child_says_of_a_case_fits_into_a_results_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = plans.make()
    case = plan.cases[0]
    states = state.fresh(plan)
    says(
        monkeypatch,
        {"event": "prepared", "case": case.id, "status": "odd", "reason": "x" * 100_000},
    )
    preparing.prepare(plan, case.card.name, states, Mock(spec=Listener))
    assert states[case.id].settled == ("failed", "x" * preparing.MAX_REASON)
    says(monkeypatch, {"event": "prepared", "case": case.id, "status": "disk", "reason": "full"})
    with pytest.raises(HetbenchError, match="full"):
        preparing.prepare(plan, case.card.name, state.fresh(plan), Mock(spec=Listener))


def inspect(monkeypatch: pytest.MonkeyPatch, *events: Event, shapes: Sequence[str] = ()) -> Any:
    says(monkeypatch, *events)
    return own_model.inspect(Path("m.onnx"), shapes)


def test_the_card_of_ones_own_model_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    card = asdict(registry.model("resnet8"))
    event = {"event": "card", "card": card}
    assert inspect(monkeypatch, {"event": "card"}, event).name == "resnet8"
    with pytest.raises(RefusedInput, match="larger than any device: it has 9e"):
        inspect(monkeypatch, {**event, "card": {**card, "parameters": 2**53}})
    with pytest.raises(RefusedInput, match="reading it ended with exit code 1"):
        inspect(monkeypatch, {"event": "odd", "card": card}, {"event": "refused"})
    with pytest.raises(RefusedInput, match="the model's card"):
        inspect(monkeypatch, {"event": "card", "card": 7})
