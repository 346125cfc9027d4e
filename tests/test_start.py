"""Where the command starts: from a checkout too, `bench` is the one beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Cli


def test_a_users_own_bench_on_pythonpath_is_not_run(cli: Cli, tmp_path: Path) -> None:
    """Neither in this process nor in its children, and not from the working folder either."""
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__init__.py").write_text("raise ImportError('not the one')")
    start = "from _hetbench import main; main()"
    words = ("run", "smoke", "-t", "simulated@sim:0", "-m", "resnet8", "-s", "offline")
    done = subprocess.run(
        [sys.executable, "-c", start, *words],
        cwd=tmp_path,
        env={**cli.env, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_ctrl_c_while_it_loads_says_nothing(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    done = subprocess.run(
        [sys.executable, "-c", "from _hetbench import main; main()", "models"],
        env={**cli.env, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("name", ["TERMINAL_WIDTH", "COLUMNS", "LINES"])
@pytest.mark.parametrize("width", ["abc", "-5", "\u00b2", "9" * 5000])
def test_a_width_that_is_none_changes_nothing(cli: Cli, name: str, width: str) -> None:
    for args, code in ((["models", "--help"], 0), (["models", "--odd"], 2)):
        done = cli(*args, env={name: width, "PYTHONIOENCODING": "utf-8"})
        assert done.returncode == code
        assert "Traceback" not in done.stderr
