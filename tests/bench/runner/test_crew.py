"""Children that start from one line: who waits for whom, and who is not waited for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.errors import HetbenchError
from bench.runner import crew
from bench.system import process
from bench.system.process import Event, Outcome
from tests.processes import is_gone


@pytest.fixture(autouse=True)
def jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children can also import the jobs of this test."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "jobs"))


class Seen:
    """What one part said, and how it ended."""

    def __init__(self, do: str, limit_s: float = 60) -> None:
        self.events: dict[str, Event] = {}
        self.outcome: Outcome | None = None
        self.task = crew.Task("runner_jobs", {"do": do}, limit_s, {}, self.take, self.end)

    def take(self, event: Event) -> None:
        self.events[event["event"]] = event

    def end(self, outcome: Outcome) -> None:
        self.outcome = outcome

    @property
    def ending(self) -> str:
        assert self.outcome is not None
        assert is_gone(self.outcome.pid)
        return self.outcome.ending


def run(*parts: Seen) -> None:
    crew.run([one.task for one in parts])


def test_all_start_at_one_instant_that_none_has_missed() -> None:
    parts = [Seen("go"), Seen("go"), Seen("go")]
    run(*parts)
    gone = [one.events["gone"] for one in parts]
    (at_ns,) = {event["at_ns"] for event in gone}
    assert all(event["start_ns"] >= at_ns for event in gone)
    assert {one.ending for one in parts} == {"ended with exit code 0"}


def test_a_single_one_waits_for_nothing() -> None:
    alone = Seen("go")
    run(alone)
    assert alone.events["gone"]["at_ns"] <= alone.events["gone"]["heard_ns"]
    assert alone.ending == "ended with exit code 0"


def test_one_that_dies_before_the_line_does_not_hold_up_the_others() -> None:
    dead, first, second = Seen("die before"), Seen("go"), Seen("go")
    run(dead, first, second)
    assert dead.ending == "ended with SIGSEGV" and "gone" not in dead.events
    assert first.events["gone"]["at_ns"] == second.events["gone"]["at_ns"]


def test_waiting_for_one_that_hangs_costs_the_others_nothing_of_their_time() -> None:
    hanging, other = Seen("hang before", limit_s=6), Seen("go", limit_s=4)
    run(hanging, other)
    assert hanging.ending == "did not end in time"
    assert "gone" in other.events and other.ending == "ended with exit code 0"


def test_time_counts_again_behind_the_line() -> None:
    alone = Seen("hang after", limit_s=4)
    run(alone)
    assert "gone" in alone.events and alone.ending == "did not end in time"


def test_what_an_end_raises_ends_the_others() -> None:
    dead, hanging = Seen("die before"), Seen("hang before")

    def full(outcome: Outcome) -> None:
        raise HetbenchError("the disk is full")

    dead.task = crew.Task("runner_jobs", {"do": "die before"}, 60, {}, dead.take, full)
    with pytest.raises(HetbenchError, match="the disk is full"):
        run(dead, hanging)
    for one in (dead, hanging):
        assert "begun" not in one.events or is_gone(one.events["begun"]["pid"])


def test_where_one_cannot_be_started_none_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[process.Child] = []
    real = process.start

    def start(*arguments: Any) -> process.Child:
        if started:
            raise HetbenchError("no process could be started")
        started.append(real(*arguments))
        return started[0]

    monkeypatch.setattr(process, "start", start)
    with pytest.raises(HetbenchError, match="no process could be started"):
        run(Seen("go"), Seen("go"))
    assert is_gone(started[0].pid)
