"""What a scenario asks of the trial that carries it out."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from bench import registry, scenarios
from bench.backend import Decoder
from bench.device import Device
from bench.suite import Measure
from bench.worker import trial
from bench.worker.session import Job


def job() -> Job:
    return Job(
        backend="simulated",
        adapter=registry.adapters()["simulated"],
        options={},
        device=Device("sim:0", "sim", 0, "None at all"),
        card=registry.model("resnet8"),
        precision="fp32",
        batch=1,
        axes={},
        scenario="single-stream",
        scenario_options={},
        measure=Measure(budget_s=0.1),
        threads=1,
        cores=(),
        seed=0,
        power=False,
        origin_ns=0,
        items_per_run=1,
    )


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the trial under the scenario with some of its fields changed; (end, phases)."""
    monkeypatch.setattr(trial, "wait_for_start", lambda emit: None)

    def run(**changes: Any) -> tuple[dict[str, Any], list[str]]:
        phases: list[str] = []
        changed = replace(scenarios.get("single-stream"), **changes)
        monkeypatch.setattr(scenarios, "get", lambda name: changed)
        one = job()
        backend = registry.backend(one.backend)(one.adapter, one.options)

        def emit(event: str, **fields: Any) -> None:
            phases.extend([fields["name"]] if event == "phase" else [])

        return trial.trial(one, backend, 0, emit), phases

    return run


def test_outputs_are_checked_after_the_timing_unless_the_scenario_asks_for_it(ran: Any) -> None:
    end, phases = ran()
    assert (end["status"], phases) == ("ok", ["load", "measure", "fidelity"])
    end, phases = ran(check_first=True)
    assert (end["status"], phases) == ("ok", ["load", "fidelity", "measure"])
    assert end["fidelity"]["passed"]


def test_a_session_of_another_kind_is_unsupported(ran: Any) -> None:
    end, phases = ran(needs=Decoder)
    assert (end["status"], phases) == ("unsupported", ["load"])
    assert end["reason"] == "the scenario single-stream is for another kind of model than resnet8"


def test_a_worker_is_spared_what_only_the_parent_needs() -> None:
    """A tenth of a second in every trial."""
    code = (
        "import sys\n"
        "from bench import scenarios\n"
        "from bench.worker import probe, search, trial\n"
        "[scenarios.get(name) for name in scenarios.names()]\n"
        "print(*sorted({'pydantic', 'rich', 'typer'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
