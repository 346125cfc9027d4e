"""How a batch search ended, as the parent sees it and keeps it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.runner import assemble, execute, state
from bench.runner.journal import Journal
from bench.runner.plan import Plan
from bench.suite import Case
from bench.system import conditions, process
from bench.system.process import Event, Outcome

from .plans import make

Play = Callable[..., state.CaseState]


class Silent:
    """Stands for a listener that shows nothing, and for the meter of a target without power."""

    reason = "no power here"
    device_power = False
    origin_ns = 0

    def searching(self, case: Case, batch: int) -> None: ...


@pytest.fixture
def plan() -> Plan:
    return make()


@pytest.fixture
def journal(plan: Plan, tmp_path: Path) -> Iterator[Journal]:
    with Journal.create(tmp_path / "r.json.journal", plan) as made:
        yield made


@pytest.fixture
def searched(plan: Plan) -> Case:
    return next(case for case in plan.cases if case.batch is None)


@pytest.fixture
def play(plan: Plan, searched: Case, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Searches with a child that reports the events given and ends so."""

    def go(
        *events: Event, returncode: int = 0, timed_out: bool = False, stopped: bool = False
    ) -> state.CaseState:
        def run(module: str, job: Any, on_event: Callable[[Event], None], *_: Any) -> Outcome:
            for event in events:
                on_event(event)
            if stopped:
                raise KeyboardInterrupt
            return Outcome(returncode, timed_out, "", 1.0, 0.0, 7)

        monkeypatch.setattr(process, "run", run)
        one = state.fresh(plan)[searched.id]
        silent: Any = Silent()
        try:
            execute.search(plan, searched, one, silent, journal, silent)
        except KeyboardInterrupt:
            assert stopped
        return one

    return go


def step(batch: int, rate: float) -> list[Event]:
    return [
        {"event": "trying", "batch": batch},
        {"event": "batch", "batch": batch, "items_per_s": rate, "reason": None},
    ]


TRYING_4: Event = {"event": "trying", "batch": 4}
BEFORE = [*step(1, 100.0), *step(2, 190.0)]


def test_an_end_of_its_own_needs_no_reason(play: Play) -> None:
    end = {"event": "end", "status": "ok", "reason": None, "stopped_by": "level"}
    one = play(*BEFORE, *step(4, 191.0), end)
    assert one.search is not None and (one.search.end, one.search.reason) == ("level", None)
    assert one.batch == 2


@pytest.mark.parametrize(
    ("events", "how", "reason"),
    [
        ([TRYING_4], {"returncode": -11}, "the process ended with SIGSEGV"),
        ([TRYING_4], {"returncode": 3}, "the process ended with exit code 3"),
        ([TRYING_4], {"returncode": -9, "timed_out": True}, "the process did not end in time"),
        ([TRYING_4, {"event": "end", "status": "failed", "reason": "it broke"}], {}, "it broke"),
    ],
    ids=["signal", "exit", "timeout", "error"],
)
def test_what_cut_it_short_is_kept_with_the_batch(
    play: Play, journal: Journal, plan: Plan, events: list[Event], how: Any, reason: str
) -> None:
    one = play(*BEFORE, *events, **how)
    assert one.search is not None
    assert (one.search.end, one.search.reason) == ("cut-short", f"at batch 4: {reason}")
    assert (one.search.points[-1].batch, one.search.points[-1].reason) == (4, reason)
    assert one.batch == 2
    *_, last = journal.path.read_text().splitlines()
    entry = json.loads(last.partition(" ")[2])
    assert state.restore(plan, [entry])[entry["case"]].search == one.search


def test_a_stop_during_the_search_is_seen_and_the_search_is_made_again(
    play: Play, plan: Plan, searched: Case, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "warnings", lambda env: [])
    one = play(*BEFORE, TRYING_4, stopped=True)
    assert one.batch is None  # so that resume searches
    assert len(journal.path.read_text().splitlines()) == 1  # the plan alone
    meters: Any = {target.target: Silent() for target in plan.targets}
    states = {**state.fresh(plan), searched.id: one}
    results = assemble.results(plan, states, meters, False, 0, [])
    (case,) = (case for case in results.cases if case.id == searched.id)
    assert case.batch_search_end == "cut-short"
    assert case.batch_search_reason == "the run was stopped while batch 4 was tried"
    assert [point.batch for point in case.batch_search] == [1, 2]
    assert case.found == {}
