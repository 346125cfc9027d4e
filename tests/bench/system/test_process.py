"""Child processes for real: how they end, what comes back, and that nothing is left behind."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench.errors import HetbenchError
from bench.system import outcome as outcomes
from bench.system import process
from bench.system.process import Event, Outcome
from tests.processes import is_gone

JOBS = Path(__file__).parents[1] / "jobs"


@pytest.fixture(autouse=True)
def odd_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children can also import the jobs of this test."""
    monkeypatch.syspath_prepend(str(JOBS))


def run(do: str, timeout_s: float = 60, **job: Any) -> tuple[Outcome, list[Event]]:
    events: list[Event] = []
    outcome = process.run("odd_jobs", {"do": do, **job}, events.append, timeout_s)
    return outcome, events


def test_events_come_in_order_and_prints_stay_apart() -> None:
    outcome, events = run("count")
    assert events == [{"event": "count", "number": number} for number in range(3)]
    assert (outcome.returncode, outcome.timed_out, outcome.signal_name) == (0, False, None)
    assert set(outcome.printed.splitlines()) == {"printed to stdout", "printed to stderr"}
    assert outcome.wall_s > 0 and outcome.pid != os.getpid()


@pytest.mark.parametrize("size", [0, 65_536, 5_000_000])
def test_an_event_of_any_size_comes_whole(size: int) -> None:
    assert run("large", size=size)[1] == [{"event": "large", "text": "x" * size}]


def test_what_a_library_writes_to_the_pipe_is_passed_over() -> None:
    outcome, events = run("garbage")
    assert events == [{"event": "real"}] and outcome.returncode == 0


def test_an_event_of_no_bounds_ends_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "MAX_EVENT_BYTES", 100_000)
    outcome, events = run("large", size=1_000_000)
    assert not events and outcome.returncode == -signal.SIGKILL
    assert outcome.oversized and not outcome.timed_out
    assert outcome.ending == "ended with a message of more than 0 MiB"


def test_a_number_that_json_does_not_have_is_never_sent() -> None:
    outcome, events = run("nan")
    assert not events and outcome.returncode == 1
    assert "Out of range float values are not JSON compliant" in outcome.printed


def test_an_exit_code() -> None:
    outcome, events = run("leave", code=7)
    assert (outcome.returncode, outcome.signal_name) == (7, None)
    assert events == [{"event": "before"}]


def test_an_exception_leaves_its_traceback() -> None:
    outcome, _ = run("fail")
    assert outcome.returncode == 1
    assert outcome.printed.endswith("RuntimeError: the device is on fire")


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL", "SIGBUS"])
def test_a_signal_is_named_and_half_an_event_is_none(name: str) -> None:
    outcome, events = run("die", signal=int(signal.Signals[name]))
    assert (outcome.signal_name, outcome.timed_out) == (name, False)
    assert events == [{"event": "before"}]


def test_a_signal_without_a_name() -> None:
    assert run("die", signal=35)[0].signal_name == "signal 35"


@pytest.mark.parametrize("do", ["hang", "hang_silently"])
def test_a_child_that_hangs_is_ended_at_its_limit(do: str) -> None:
    outcome, _ = run(do, timeout_s=1.5)
    assert outcome.timed_out and outcome.returncode == -signal.SIGKILL
    assert outcome.wall_s >= 1.5
    assert is_gone(outcome.pid)


@pytest.mark.parametrize("size", [100, 1_000_000])
def test_what_was_reported_while_this_process_was_stopped_is_not_lost(size: int) -> None:
    events: list[Event] = []

    def stopped(event: Event) -> None:
        events.append(event)
        if event["event"] == "begun":
            time.sleep(1.2)  # as SIGSTOP and SIGCONT would, beyond the child's limit

    outcome = process.run("odd_jobs", {"do": "report_late", "size": size}, stopped, 1.0)
    assert [event["event"] for event in events] == ["begun", "late"]
    assert len(events[1]["text"]) == size
    assert not outcome.timed_out


def test_the_parent_sleeps_while_the_child_works(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    real = process.select.poll

    class Poll:
        def __init__(self) -> None:
            self.real = real()
            self.register, self.unregister = self.real.register, self.real.unregister

        def poll(self, wait_ms: int) -> Any:
            waits.append(wait_ms)
            return self.real.poll(wait_ms)

    monkeypatch.setattr(process.select, "poll", Poll)
    outcome, _ = run("hang", timeout_s=2.5)
    assert outcome.parent_cpu_s > 0
    # It never asks without waiting, and wakes for an event or once a second.
    assert min(waits) > 0
    assert len(waits) <= 8


def test_a_child_of_the_child_does_not_stay() -> None:
    outcome, events = run("leave_a_child")
    assert (outcome.returncode, outcome.timed_out) == (0, False)
    assert is_gone(events[0]["pid"])


def test_a_crash_is_seen_though_a_child_of_the_child_holds_the_pipe() -> None:
    outcome, _ = run("die_with_a_child_on_the_pipe", timeout_s=50)
    assert (outcome.signal_name, outcome.timed_out) == ("SIGABRT", False)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interruption_ends_the_child_first(error: type[BaseException]) -> None:
    pids: list[int] = []

    def interrupt(event: Event) -> None:
        pids.append(event["pid"])
        raise error

    with pytest.raises(error):
        process.run("odd_jobs", {"do": "hang"}, interrupt, 60)
    assert is_gone(pids[0])


def test_a_child_hears_what_it_is_told_and_reads_nothing_else() -> None:
    child = process.start("odd_jobs", {"do": "listen"}, 60)
    heard: list[Event] = []

    def on_event(place: int, event: Event) -> None:
        if event["event"] == "listening":
            child.tell("go", at_ns=7)
        heard.append(event)

    (outcome,) = process.follow([child], on_event)
    assert outcome.returncode == 0, outcome.printed
    assert heard == [
        {"event": "listening", "stdin": ""},
        {"event": "heard", "said": {"word": "go", "at_ns": 7}},
    ]


def test_a_child_whose_parent_says_no_more_ends() -> None:
    read_end, write_end = os.pipe()
    os.close(write_end)
    code = "from bench.system.child import hear; hear()"
    command = [sys.executable, "-c", code, "0", str(read_end)]
    done = subprocess.run(command, pass_fds=[read_end], timeout=60, check=False)
    os.close(read_end)
    assert done.returncode == 1


def test_several_are_followed_and_one_that_hangs_does_not_hold_up_the_others() -> None:
    jobs = [({"do": "hang_silently"}, 4), ({"do": "leave", "code": 3}, 60), ({"do": "listen"}, 60)]
    children = [process.start("odd_jobs", job, limit_s) for job, limit_s in jobs]
    ends: list[tuple[int, str]] = []

    def on_event(place: int, event: Event) -> None:
        if event["event"] == "listening":
            children[place].tell("go")

    def on_end(place: int, outcome: Outcome) -> None:
        ends.append((place, outcome.ending))

    outcomes = process.follow(children, on_event, on_end)
    assert [outcome.pid for outcome in outcomes] == [child.pid for child in children]
    assert ends[-1] == (0, "did not end in time")
    assert set(ends[:-1]) == {(1, "ended with exit code 3"), (2, "ended with exit code 0")}
    assert all(is_gone(child.pid) for child in children)


def test_the_time_of_a_child_that_is_held_does_not_count() -> None:
    held = process.start("odd_jobs", {"do": "listen"}, 3.0)
    other = process.start("odd_jobs", {"do": "hang"}, 4.0)

    def on_event(place: int, event: Event) -> None:
        if event["event"] == "listening":
            held.hold()

    def on_end(place: int, outcome: Outcome) -> None:
        if place == 1:
            held.tell("go")

    outcomes = process.follow([held, other], on_event, on_end)
    assert [outcome.timed_out for outcome in outcomes] == [False, True]


def test_only_the_tail_of_what_was_printed_is_kept_and_is_plain_text() -> None:
    printed = run("chatter")[0].printed
    assert len(printed) <= process.TAIL_BYTES
    assert printed.endswith("\\x1b[31mred\\x1b[0m\\x07 \xff the end")
    assert "start" not in printed


def test_what_the_child_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    core = min(os.sched_getaffinity(0))
    events: list[Event] = []
    job = {"do": "look", "cores": [core]}
    process.run("odd_jobs", job, events.append, 60, {"HETBENCH_TEST": "here"})
    assert events == [
        {
            "event": "seen",
            "cores": [core],
            "variable": "here",
            "folder": str(tmp_path),
            "leader": True,
        }
    ]


def test_nothing_in_the_working_folder_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "bench", "models", "ctypes", "signal"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the folder')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    outcome, events = run("count")
    assert outcome.returncode == 0, outcome.printed
    assert len(events) == 3


def test_a_module_that_is_not_there_is_an_error_of_the_child() -> None:
    outcome = process.run("bench.nothing", {}, lambda event: None, 60)
    assert outcome.returncode == 1
    assert outcome.last_line == "ModuleNotFoundError: No module named 'bench.nothing'"


def test_no_descriptor_is_left_open() -> None:
    run("count")
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - not a real folder
    run("count")
    run("die", signal=9)
    assert len(os.listdir("/proc/self/fd")) == len(before)  # noqa: PTH208


def test_a_killed_parent_takes_its_child_with_it() -> None:
    script = f"""
import sys; sys.path[:] = {sys.path!r}
from bench.system import outcome as outcomes
from bench.system import process
process.run("odd_jobs", {{"do": "hang"}}, lambda e: print(e["pid"], flush=True), 60)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = json.loads(parent.stdout.readline())
    assert not is_gone(child, within_s=0.2)
    parent.kill()
    parent.communicate()
    assert is_gone(child)


def test_a_limit_on_processes_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: object, **kwargs: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208
    monkeypatch.setattr(process.subprocess, "Popen", refused)
    with pytest.raises(HetbenchError, match=r"no process could be started: .*ulimit -u"):
        process.run("odd_jobs", {}, lambda event: None, 1.0)
    assert set(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
