"""Every status provoked for real: crashes, limits, hangs, wrong answers, full disks, kills."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli

Write = Callable[..., str]


def one_case(cli: Cli, suite: str, target: str, code: int, **kwargs: Any) -> dict[str, Any]:
    """Run one simulated case and return it."""
    results = cli.json("run", suite, "-t", target, "-o", "r.json", code=code, **kwargs)
    stored = json.loads((cli.folder / "r.json").read_text())
    assert stored == results
    (case,) = results["cases"]
    return case


@pytest.mark.parametrize(
    ("fault", "status", "words", "code"),
    [
        ("crash-segv", "crashed", "SIGSEGV", 3),
        ("crash-kill", "crashed", "SIGKILL", 3),
        ("exit", "crashed", "code 3", 3),
        ("memory-error", "out-of-memory", "memory ran out", 3),
        ("raise", "failed", "error 507035", 3),
        ("nan", "invalid", "NaN", 1),
        ("wrong", "invalid", "relative L2", 1),
        ("constant", "invalid", "relative L2", 1),
        ("stale-fetch", "invalid", "relative L2", 1),
        ("fallback", "invalid", "ran on CPU", 1),
    ],
)
def test_each_end_has_its_name(
    cli: Cli, suite: Write, fault: str, status: str, words: str, code: int
) -> None:
    case = one_case(cli, suite(), f"simulated+fault={fault}@sim:0", code)
    assert case["status"] == status
    assert words in case["reason"]
    if status in ("crashed", "failed", "out-of-memory"):
        assert f"simulated fault: {fault}" in case["trials"][0]["parts"][0]["stderr_tail"]
    assert "latency_p50_ns" not in case["summary"]


def test_a_fault_ends_one_trial_and_everything_else_goes_on(cli: Cli, suite: Write) -> None:
    results = cli.json(
        "run",
        suite(trials=2),
        *("-t", "simulated+fault=crash-segv@sim:0"),
        *("-t", "simulated+latency_us=2000@sim:1"),
        code=3,
    )
    statuses = {case["target"]: case["status"] for case in results["cases"]}
    assert statuses["simulated+fault=crash-segv@sim:0"] == "crashed"
    assert statuses["simulated+latency_us=2000@sim:1"] == "ok"
    assert [len(case["trials"]) for case in results["cases"]] == [2, 2]


def test_a_wrong_answer_counts_for_more_than_one_that_is_missing(cli: Cli, suite: Write) -> None:
    results = cli.json(
        "run",
        suite(),
        *("-t", "simulated+fault=crash-segv@sim:0"),
        *("-t", "simulated+fault=wrong@sim:1"),
        code=1,
    )
    assert {case["status"] for case in results["cases"]} == {"crashed", "invalid"}


@pytest.mark.parametrize("fault", ["hang", "hang-deaf"])
def test_a_hang_is_ended_and_not_tried_again(cli: Cli, suite: Write, fault: str) -> None:
    path = suite(trials=3, timeout_s=2.4)  # and what the trial may go over its budget of 0.2 s
    case = one_case(cli, path, f"simulated+fault={fault}@sim:0", 3)
    assert (case["status"], len(case["trials"])) == ("timeout", 1)
    assert "3 s" in case["reason"]
    with pytest.raises(ProcessLookupError):
        os.kill(case["trials"][0]["parts"][0]["process_id"], 0)


def test_a_real_memory_limit(cli: Cli, suite: Write) -> None:
    """RLIMIT_AS stops a real allocation of the worker."""
    limit = 3 << 30
    code = (
        "import resource, runpy, sys\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))\n"
        "sys.argv[0] = 'hetbench'\n"
        "runpy.run_module('bench.cli', run_name='__main__')\n"
    )
    target = "simulated+fault=allocate+allocate_mib=8192@sim:0"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", suite(), "-t", target, "--json"],
        cwd=cli.folder,
        env={**cli.env, "OPENBLAS_NUM_THREADS": "1"},  # a buffer a core would fill the limit
        capture_output=True,
        text=True,
        check=False,
    )
    (case,) = json.loads(done.stdout)["results"]["cases"]
    assert (case["status"], done.returncode) == ("out-of-memory", 3)
    assert resource.getrlimit(resource.RLIMIT_AS)[0] != limit


def test_unsupported_says_why_and_runs_nothing(cli: Cli, suite: Write) -> None:
    case = one_case(cli, suite(), "simulated+memory_mib=0.1@sim:0", 3)
    assert case["status"] == "unsupported"
    assert "KiB" in case["reason"]
    assert case["trials"] == []


def test_ctrl_c_keeps_what_is_done_and_resume_finishes(cli: Cli, suite: Write) -> None:
    path = suite(trials=6)
    run = cli.start("run", path, "-t", "simulated+wall=1+latency_us=3000@sim:0", "-o", "r.json")
    wait_for_trials(cli.folder / "r.json.journal", 2)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 130, err
    assert "--resume" in out
    stopped = json.loads((cli.folder / "r.json").read_text())
    done = [t for t in stopped["cases"][0]["trials"] if t["status"] == "ok"]
    assert 2 <= len(done) < 6
    assert not stopped["run"]["complete"]
    assert stopped["cases"][0]["status"] == "interrupted"
    resumed = cli.json("run", "--resume", "r.json.journal")
    finish(resumed, done, 6)
    assert not (cli.folder / "r.json.journal").exists()


def test_kill_9_loses_no_finished_trial(cli: Cli, suite: Write) -> None:
    path = suite(trials=5)
    run = cli.start("run", path, "-t", "simulated+wall=1+latency_us=3000@sim:0", "-o", "r.json")
    journal = cli.folder / "r.json.journal"
    wait_for_trials(journal, 2)
    run.kill()
    run.communicate()
    done = [entry(line)["trial"] for line in journal.read_text().splitlines()[1:]]
    with journal.open("a") as file:
        file.write('0123456789abcdef {"case": "torn li')
    finish(cli.json("run", "--resume", "r.json.journal"), done, 5)


def entry(line: str) -> dict[str, Any]:
    """The record in a line of a journal, behind its checksum."""
    record: dict[str, Any] = json.loads(line.partition(" ")[2])
    return record


def finish(results: dict[str, Any], before: list[dict[str, Any]], planned: int) -> None:
    """All trials are there, and those finished before the stop are unchanged."""
    trials = results["cases"][0]["trials"]
    assert [trial["index"] for trial in trials] == list(range(planned))
    assert all(trial["status"] == "ok" for trial in trials)
    for trial in before:
        assert trials[trial["index"]] == trial
    assert results["run"]["complete"]
    assert results["run"]["resumed"] == 1


def wait_for_trials(journal: Path, count: int) -> None:
    """Until that many trials are on disk."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if journal.exists() and journal.read_text().count('"trial":') >= count:
            return
        time.sleep(0.05)
    raise AssertionError(f"{count} trials were not journalled within a minute")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs needs root")
def test_a_full_disk_leaves_the_old_file_intact(cli: Cli, suite: Write) -> None:
    small = cli.folder / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(small)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this container may not mount a tmpfs")
    try:
        old = small / "r.json"
        old.write_text("the old file")
        (small / "ballast").write_bytes(b"x" * (100 << 10))
        path = suite(trials=40)
        done = cli(
            "run",
            path,
            "-t",
            "simulated+latency_us=1000+jitter=0.3@sim:0",
            "-o",
            str(old),
            "--force",
        )
        assert done.returncode == 6
        assert "the disk is full" in done.stderr
        assert "Traceback" not in done.stderr
        assert old.read_text() == "the old file"
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_device_in_use_is_refused_with_its_holder(cli: Cli, suite: Write) -> None:
    slow = suite(trials=20)
    run = cli.start("run", slow, "-t", "simulated+wall=1+latency_us=3000@sim:0", "-o", "a.json")
    wait_for_trials(cli.folder / "a.json.journal", 1)
    second = cli("run", slow, "-t", "simulated@sim:0", "-o", "b.json")
    other = cli("run", suite(), "-t", "simulated@sim:1", "-o", "c.json")
    run.kill()
    run.communicate()
    assert second.returncode == 5
    assert str(run.pid) in second.stderr
    assert "hetbench: simulated@sim:0 is in use by" in second.stderr
    assert other.returncode == 0
    after = cli("run", suite(), "-t", "simulated@sim:0", "-o", "d.json")
    assert after.returncode == 0, after.stderr
