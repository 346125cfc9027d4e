"""A vendor's program is run without a shell, in bounded time, with bounded output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.system import command
from tests.processes import is_gone


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """Write an executable script on PATH and return its name."""

    def write(text, name="vendor-smi"):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return name

    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return write


def test_output_is_returned(tool):
    assert command.run([tool("echo one; echo two >&2")]).text == "one\n"


def test_found_by_name_and_by_full_path(tool, tmp_path):
    tool("echo here")
    assert command.find("vendor-smi") == str(tmp_path / "vendor-smi")
    assert command.run([str(tmp_path / "vendor-smi")]).text == "here\n"


def test_arguments_reach_no_shell(tool):
    assert command.run([tool('printf %s "$1"'), "$(id); *"]).text == "$(id); *"


def test_it_gets_no_input_and_the_plain_locale(tool):
    assert command.run([tool("cat; echo $LC_ALL")]).text == "C\n"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("no-such-smi", "the program no-such-smi is not on PATH"),
        ("./vendor-smi", "is a relative path"),
        ("/no/such/smi", "does not exist or is not executable"),
    ],
)
def test_not_found(program, said):
    with pytest.raises(command.CommandError, match=said):
        command.run([program])


def test_a_file_without_the_right_to_run_it(tmp_path):
    path = tmp_path / "smi"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o644)
    with pytest.raises(command.CommandError, match="not executable"):
        command.run([str(path)])


def test_not_a_program(tool, tmp_path):
    path = tmp_path / "not-a-program"
    path.write_bytes(b"\x00\x01")
    path.chmod(0o755)
    with pytest.raises(command.CommandError, match="could not be started"):
        command.run(["not-a-program"])


def test_a_failure_is_told_in_the_tools_own_words(tool):
    with pytest.raises(command.CommandError, match=r"vendor-smi ended with status 9: no driver"):
        command.run([tool("echo no driver >&2; exit 9")])


def test_time_limit_ends_the_program_and_its_children(tool, tmp_path):
    mark = tmp_path / "mark"
    limit_s = 0.3
    while not mark.exists():  # on a busy machine the program may be ended before it writes
        with pytest.raises(command.CommandError, match=f"did not end within {limit_s:g} s"):
            command.run([tool(f"sleep 3600 & echo $! > {mark}; sleep 3600")], timeout_s=limit_s)
        limit_s *= 3
    assert is_gone(int(mark.read_text()))


def test_time_limit_holds_for_a_program_that_closed_its_output(tool):
    with pytest.raises(command.CommandError, match="did not end"):
        command.run([tool("exec >&- 2>&-; sleep 3600")], timeout_s=0.3)


def test_a_child_of_the_program_that_keeps_its_output_open_is_not_waited_for(tool):
    assert command.run([tool("sleep 60 & echo said")], timeout_s=30).text == "said\n"


def test_endless_output_is_cut(tool):
    output = command.run([tool("while :; do echo 0123456789; done")], max_bytes=1000)
    assert output.truncated
    assert len(output.text) == 1000


def test_a_flood_of_errors_does_not_block_it(tool):
    text = command.run([tool("head -c 300000 /dev/zero >&2; echo done")]).text
    assert text == "done\n"


def test_output_that_is_no_text_is_kept_readable(tool):
    assert command.run([tool(r"printf '35\377C'")]).text == "35\ufffdC"


def test_it_dies_with_the_process_that_started_it(tool, tmp_path):
    """Started from a thread, as a sampler does; the parent gets no chance to clean up."""
    tool(f"echo $$ > {tmp_path}/tool.new; sleep 600 & echo $! > {tmp_path}/child; "
         f"mv {tmp_path}/tool.new {tmp_path}/tool; wait")  # fmt: skip
    code = (
        "import threading; from bench.system import command\n"
        "threading.Thread(target=command.run, args=(['vendor-smi'], 600)).start()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=Path(command.__file__).parents[2])
    wait_for((tmp_path / "tool").exists)
    pids = [int((tmp_path / name).read_text()) for name in ("tool", "child")]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not any(alive(pid) for pid in pids))


def wait_for(true, limit_s=60.0):
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid):
    """Whether a process runs; one that has ended and waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
