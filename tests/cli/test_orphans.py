"""What a run started is gone when the run is, however it ended."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Cli


def test_a_sensors_tool_dies_with_a_run_that_is_killed(cli: Cli, tmp_path: Path) -> None:
    tool = tmp_path / "smi"
    pid_file = tmp_path / "pid"
    tool.write_text(
        f"#!/bin/sh\necho $$ > {pid_file}.new\nmv {pid_file}.new {pid_file}\nsleep 600\n"
    )
    tool.chmod(0o755)
    adapter = tmp_path / "x.toml"
    adapter.write_text(
        'name = "simulated"\nvendor = "X"\nkind = "sim"\nbackend = "simulated"\n'
        f'[[sensors]]\nkind = "command"\ncommand = ["{tool}"]\npatterns.power_w = "([0-9]+) W"\n'
    )
    words = ("--adapter", str(adapter), "--trust-adapter", "-t", "simulated@sim:0")
    run = cli.start("run", "smoke", "-m", "resnet8", *words)
    until(pid_file.exists)
    pid = int(pid_file.read_text())
    assert running(pid)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    until(lambda: not running(pid))


def until(true: Callable[[], bool], limit_s: float = 60.0) -> None:
    """Wait; fails at the limit, which only something broken reaches."""
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def running(pid: int) -> bool:
    """Whether a process is there that has not ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
