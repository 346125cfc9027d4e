"""Where the command starts: from a checkout too, `bench` is the one beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
