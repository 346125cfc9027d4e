"""What all tests share: the real command line in a subprocess, with locks of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import runtimes

ROOT = Path(__file__).parents[1]

# Tests run beside each other and start processes of their own. Threads that wait by spinning would
# take the cores from those they wait for: a ResNet-8 of 1 ms takes 200 ms then.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# NumPy's linear algebra starts a thread a core in every process that imports it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

LONG = (
    "tests/test_wheel.py",
    "tests/cli/test_run_real.py",
    "tests/cli/test_axes.py",
)
"""Begun first: one that began last would be waited for by all other workers."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long tests first; the others stay in their order."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose optional runtime has no device on this machine, with its own reason."""
    for mark in item.iter_markers("needs_target"):
        reason = runtimes.unavailable(*mark.args)
        if reason is not None:
            pytest.skip(reason)


class Cli:
    """Runs `hetbench` as a user would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            **os.environ,
            "HETBENCH_LANG": "en",
            "HETBENCH_LOCKS": str(folder / "locks"),
            "PYTHONPATH": str(ROOT),
        }
        self.env.pop("COLUMNS", None)

    def command(self, *args: str) -> list[str]:
        """The full command line."""
        return [sys.executable, "-m", "bench.cli", *args]

    def __call__(
        self, *args: str, env: Mapping[str, str] | None = None, timeout: float = 240
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end and give back everything."""
        return subprocess.run(
            self.command(*args),
            cwd=self.folder,
            env={**self.env, **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def start(self, *args: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start it and let it run."""
        return subprocess.Popen(
            self.command(*args),
            cwd=self.folder,
            env={**self.env, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # a background shell starts its jobs deaf to Ctrl-C, and so would this one be
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def json(self, *args: str, code: int = 0, **kwargs: Any) -> Any:
        """Run with --json and read what it prints; the exit code must be as expected.

        Of `run` it is the results, without the path that is printed beside them.
        """
        done = self(*args, "--json", **kwargs)
        assert done.returncode == code, done.stderr + done.stdout[-2000:]
        document = json.loads(done.stdout)
        return document["results"] if args[0] == "run" and "results" in document else document


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command line in an empty folder."""
    (tmp_path / "locks").mkdir()
    return Cli(tmp_path)


@pytest.fixture
def suite(tmp_path: Path) -> Callable[..., str]:
    """Writes a small suite; keyword arguments go into its table `measure`."""

    def write(trials: int = 1, models: str = '["resnet8"]', **measure: float) -> str:
        settings = {"budget_s": 0.2, "least_s": 0.05, "warmup_s": 0.1, **measure}
        lines = "\n".join(f"{name} = {value}" for name, value in settings.items())
        path = tmp_path / "suite.toml"
        path.write_text(
            f'name = "tiny"\nversion = 1\ntitle = "tiny"\ntitle_zh = "tiny"\ntrials = {trials}\n'
            f"[measure]\n{lines}\n[[cases]]\nmodels = {models}\n"
            'scenarios = ["single-stream"]\n'
        )
        return str(path)

    return write
