"""The run's clock: monotonic time since the run began, however long the machine is up."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bench.results.samples import unpack
from tests.conftest import Cli

Write = Callable[..., str]
TARGET = "simulated+wall=1+latency_us=3000@sim:0"
DAYS_200 = 200 * 86_400


def aged(seconds: int) -> list[str]:
    """What a command is started with so that the machine seems up for so much longer."""
    command = ["unshare", "--time", "--monotonic", str(seconds)]
    try:
        done = subprocess.run([*command, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return []
    return [] if done.returncode else command


def hetbench(cli: Cli, *args: str, before: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*before, sys.executable, "-m", "bench.cli", *args],
        cwd=cli.folder,
        env={**cli.env, "HETBENCH_SIMULATED_STATE": str(cli.folder / "state")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def integers(value: Any) -> Iterator[int]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from integers(inner)
    elif isinstance(value, int):
        yield value


def stamps(trial: dict[str, Any]) -> Iterator[int]:
    """Every reading of a clock in a trial."""
    (part,) = trial["parts"]
    for one in (*part["series"].values(), *part["windows"]):
        yield from (one["start_ns"], one["end_ns"])
    telemetry = part["telemetry"]
    yield from (telemetry["idle_start_ns"], telemetry["idle_end_ns"])
    for sensor in telemetry["sensors"]:
        yield from map(int, unpack(sensor["stamps_ns"]))
        for flagged in sensor["flags"].values():
            yield from map(int, unpack(flagged))


def read(path: Path) -> dict[str, Any]:
    results: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return results


def test_stamps_count_from_the_start_of_the_run_not_of_the_machine(cli: Cli, suite: Write) -> None:
    path = suite(trials=2, energy_s=0.5, idle_s=0.5)
    began = time.monotonic_ns()
    run = hetbench(cli, "run", path, "-t", TARGET, "-o", "r.json", before=aged(DAYS_200))
    _, said = run.communicate(timeout=120)
    took_ns = time.monotonic_ns() - began + 10**9  # the run says to the second when it began
    assert run.returncode == 0, said
    results = read(cli.folder / "r.json")
    assert max(integers(results)) < 2**53
    first, second = results["cases"][0]["trials"]
    for trial in (first, second):
        assert trial["parts"][0]["telemetry"]["figures"], "the simulated device has a power sensor"
        assert min(stamps(trial)) >= 0 and max(stamps(trial)) <= took_ns
    # energy is integrated between the worker's stamps, over readings of the parent's sensors
    figure = first["parts"][0]["telemetry"]["figures"][0]
    assert figure["gross_j"] is not None and figure["readings"] > 0
    before, after = (one["parts"][0]["series"]["latency"] for one in (first, second))
    assert before["end_ns"] < after["start_ns"]


def test_a_run_taken_up_after_a_restart_of_the_machine_goes_on_later(
    cli: Cli, suite: Write
) -> None:
    before = aged(DAYS_200)
    if not before:
        pytest.skip("this container may not make a time namespace")
    path = suite(trials=4, energy_s=0.5, idle_s=0.5)
    run = hetbench(cli, "run", path, "-t", TARGET, "-o", "r.json", before=before)
    journal = cli.folder / "r.json.journal"
    deadline = time.monotonic() + 60
    while not (journal.exists() and '"trial":' in journal.read_text()):
        assert time.monotonic() < deadline, "no trial was journalled within a minute"
        time.sleep(0.05)
    run.kill()
    run.communicate()
    again = hetbench(cli, "run", "--resume", "r.json.journal", before=[])
    _, said = again.communicate(timeout=120)
    assert again.returncode == 0, said
    trials = read(cli.folder / "r.json")["cases"][0]["trials"]
    ordered = sorted(trials, key=lambda trial: trial["position"])
    ends = [
        (part["series"]["latency"]["start_ns"], part["series"]["latency"]["end_ns"])
        for trial in ordered
        for part in trial["parts"]
    ]
    assert ends == sorted(ends)
    assert all(left[1] < right[0] for left, right in pairwise(ends))
