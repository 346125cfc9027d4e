"""A trial of several parts: real children that start together, and one record of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from bench import registry, scenarios
from bench.devices import discover
from bench.energy.meter import Meter
from bench.report import table
from bench.results import file as results_file
from bench.results.records import Results
from bench.results.trial import Trial
from bench.runner import crew, plan, state, suites, trial
from bench.runner.listener import Listener
from bench.runner.part import Worker
from bench.scenarios import single_stream
from bench.scenarios.scenario import Scenario, Seen
from bench.suite import Measure
from bench.target import Target

from ..examples import results
from .plans import environment

QUICK = Measure(budget_s=0.2, warmup_s=0.05, energy_s=0.1, idle_s=0.0)


def run(*written: str) -> Trial:
    """One trial of a case, a part on each target."""
    targets = discover.resolve(
        [Target.parse(text) for text in written], registry.adapters().values()
    )
    suite = replace(suites.override(suites.load("smoke"), scenarios=["single-stream"]), trials=1)
    cases = suites.cases(suite, [targets[0].target])
    made = plan.make(suite, targets, cases, 0, environment())
    case = replace(cases[0], measure=QUICK)
    listener = Mock(spec=Listener)
    workers = [
        Worker(case, target, state.fresh(made)[case.id], 0, Meter(target, 0), listener)
        for target in targets
    ]
    records: list[Trial] = []
    attempt = trial.Attempt(case, workers, 0, 0)
    trial.run([attempt], lambda attempt, record: records.append(record))
    (record,) = records
    return record


def file_of(record: Trial) -> Results:
    """A results file with that trial, read again."""
    case = results().cases[0].model_copy(update={"trials": [record], "status": record.status})
    text = results_file.dumps(results(cases=[case]))
    return results_file.parse(text, Mock())


def both(parts: Sequence[Seen]) -> dict[str, Any]:
    """The figures of each part, under its number."""
    return {
        f"part{place}_{name}": metric
        for place, seen in enumerate(parts)
        for name, metric in single_stream.figures([seen]).items()
    }


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenario takes several parts, here in the parent."""
    scenario: Scenario = replace(single_stream.SCENARIO, figures=both)
    monkeypatch.setattr(scenarios, "get", lambda name: scenario)


@pytest.mark.usefixtures("several")
def test_parts_start_at_one_instant_and_are_one_record(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(
        "HETBENCH_SIMULATED_STATE", str(tmp_path)
    )  # where the devices' power is read
    let_go: list[int] = []
    tell = crew.Child.tell
    monkeypatch.setattr(
        crew.Child,
        "tell",
        lambda self, word, **more: (let_go.append(more["at_ns"]), tell(self, word, **more)),
    )
    written = [f"simulated+wall=1+latency_us=1000@sim:{card}" for card in (0, 1)]
    record = run(*written)
    assert (record.status, record.reason) == ("ok", None)
    assert len(let_go) == 2 and len(set(let_go)) == 1
    assert [part.target for part in record.parts] == written
    assert len({part.process_id for part in record.parts}) == 2
    for place, part in enumerate(record.parts):
        assert part.series["latency"].start_ns >= let_go[0], "on the monotonic clock they share"
        assert f"part{place}_latency_p50_ns" in record.metrics
        assert part.telemetry is not None and part.telemetry.figures
    assert not any(name.endswith(("_w", "_joule", "_item")) for name in record.metrics)
    assert file_of(record).cases[0].trials == [record]


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize("place", [0, 1])
def test_one_that_dies_ends_its_part_and_the_trial_says_whose(place: int) -> None:
    written = ["simulated@sim:0", "simulated@sim:1"]
    written[place] = written[place].replace("@", "+fault=crash-segv@")
    record = run(*written)
    dead, whole = record.parts[place], record.parts[1 - place]
    assert (dead.status, whole.status) == ("crashed", "ok")
    assert dead.reason and "the worker died of" in dead.reason and dead.stderr_tail
    assert whole.reason is None and whole.series["latency"].samples.n > 0
    assert whole.fidelity is not None and whole.fidelity.passed
    assert (record.status, record.reason) == ("crashed", f"{written[place]}: {dead.reason}")
    assert not record.metrics and record.wall_s
    table.render(file_of(record))


def test_a_scenario_of_one_part_makes_no_figure_of_several() -> None:
    record = run("simulated@sim:0", "simulated@sim:1")
    assert record.status == "failed" and not record.metrics
    assert {part.status for part in record.parts} == {"failed"}
    assert "it holds 2 parts, and its scenario has one" in (record.reason or "")
