"""`run --parallel`: several targets at the same time, and what happens when one goes wrong."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Cli

Write = Callable[..., str]
SLOW = "simulated+wall=1+latency_us=3000@sim:0"
QUICK = "simulated+wall=1+latency_us=2000@sim:1"
ARGS = ("run", "smoke", "-s", "single-stream", "--parallel", "-o", "r.json")


def named(*targets: str) -> list[str]:
    return [word for target in targets for word in ("-t", target)]


def span(case: Any, index: int) -> tuple[int, int]:
    """Start and end of a trial's series on the run's clock."""
    series = case["trials"][index]["parts"][0]["series"]["latency"]
    return series["start_ns"], series["end_ns"]


def test_trials_of_two_targets_overlap_and_are_records_of_their_own(cli: Cli) -> None:
    args = [*ARGS, "--trials", "2", "--budget", "0.5", *named(SLOW, QUICK)]
    results = cli.json(*args)
    assert results["run"]["parallel"] is True and results["run"]["complete"]
    one, other = results["cases"]
    for index in range(2):
        a, b = span(one, index), span(other, index)
        assert max(a[0], b[0]) < min(a[1], b[1])
    for case in (one, other):
        assert span(case, 0)[1] < span(case, 1)[0]
        for index, trial in enumerate(case["trials"]):
            planned = results["run"]["order"].index(f"{case['id']}#{index}")
            assert (trial["index"], trial["position"], trial["status"]) == (index, planned, "ok")
    parts = [part for case in (one, other) for trial in case["trials"] for part in trial["parts"]]
    assert len({part["process_id"] for part in parts}) == len(parts) == 4


@pytest.mark.parametrize("phase", ["load", "run"])
def test_a_crash_of_one_leaves_the_others_trials(cli: Cli, phase: str) -> None:
    bad = f"simulated+wall=1+fault=crash-segv+phase={phase}@sim:1"
    args = [*ARGS, "--trials", "1", "--budget", "0.3", *named(SLOW, bad)]
    good, crashed = cli.json(*args, code=3)["cases"]
    assert (good["status"], crashed["status"]) == ("ok", "crashed")
    assert "SIGSEGV" in crashed["reason"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_ends_the_run_loses_nothing_that_was_finished(cli: Cli, number: int) -> None:
    targets = named(SLOW, QUICK)
    run = cli.start(*ARGS, "--trials", "2", "--budget", "3", *targets)
    journal = cli.folder / "r.json.journal"
    kept = b""
    while kept.count(b'"trial":') < 2 or not kept.endswith(b"\n"):
        assert run.poll() is None
        kept = journal.read_bytes() if journal.exists() else b""
    run.send_signal(number)
    run.communicate()
    assert run.returncode == (130 if number == signal.SIGINT else -number)
    if number == signal.SIGINT:
        stopped = cli.json("show", "r.json")["cases"]
        assert [case["trials"][0]["status"] for case in stopped] == ["ok", "ok"]
    assert journal.read_bytes().startswith(kept)
    results = cli.json("run", "--resume", str(journal))
    assert results["run"]["complete"] and results["run"]["parallel"]
    assert [[one["status"] for one in case["trials"]] for case in results["cases"]] == [
        ["ok", "ok"],
        ["ok", "ok"],
    ]
    for case in results["cases"]:
        assert f'"process_id":{case["trials"][0]["parts"][0]["process_id"]},'.encode() in kept


def test_targets_that_share_a_device_are_refused(cli: Cli) -> None:
    done = cli(*ARGS, *named("simulated@sim:0", "simulated+latency_us=7@sim:0"))
    assert done.returncode == 2
    assert "cannot be measured at the same time; leave --parallel out" in done.stderr
    assert not list(cli.folder.glob("r.json*"))


def test_a_single_target_is_refused(cli: Cli) -> None:
    done = cli(*ARGS, "--dry-run", *named("simulated@sim:0"))
    assert done.returncode == 2
    assert "--parallel is for several targets, and there is only simulated@sim:0" in done.stderr


OF_A_PACKAGE = """name = "simulated"
vendor = "none"
kind = "sim"
backend = "simulated"
[[sensors]]
kind = "simulated"
scope = "package"
"""


@pytest.mark.parametrize("scope", ["board", "package"])
def test_a_card_has_its_own_power_and_a_package_is_nobodys(
    cli: Cli, suite: Write, scope: str
) -> None:
    targets = named(f"{SLOW[:-6]}+power_w=50@sim:0", f"{QUICK[:-6]}+power_w=150@sim:1")
    args = ["run", suite(energy_s=1, idle_s=0.2), "--parallel", *targets]
    if scope == "package":
        (cli.folder / "own.toml").write_text(OF_A_PACKAGE)
        args += ["--adapter", "own.toml", "--trust-adapter"]
    results = cli.json(*args, env={"HETBENCH_SIMULATED_STATE": str(cli.folder / "state")})
    for case, watts in zip(results["cases"], (50, 150), strict=True):
        (figure,) = case["trials"][0]["parts"][0]["telemetry"]["figures"]
        assert figure["scope"] == scope
        assert abs(figure["mean_w"] - watts) < 25
        why = "the package also powers the targets that were measured at the same time"
        assert (figure["reason"] == why) == (scope == "package")
        assert not figure["valid"]  # of a card because its load was short


def test_it_is_said_and_told_apart_from_a_run_in_turn(cli: Cli, suite: Write) -> None:
    both = ("simulated@sim:0", "simulated@sim:1")
    turn = cli.json("run", suite(), *named(*both))
    done = cli("run", suite(), "--parallel", "-o", "p.json", *named(*both))
    assert "measured at the same time, 2 targets (--parallel)" in done.stdout
    together = cli.json("show", "p.json")
    assert [case["beside"] for case in together["cases"]] == [[both[1]], [both[0]]]
    for one, other in zip(turn["cases"], together["cases"], strict=True):
        assert (one["id"], one["beside"]) == (other["id"], [])
        assert one["version"] != other["version"]
