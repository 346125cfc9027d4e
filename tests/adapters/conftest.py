"""What the adapter checks share: the command line, run and shown."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

LIMIT_S = 900


@dataclass(frozen=True)
class Answer:
    """What one command said."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Answer]


@pytest.fixture(scope="session")
def hetbench(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """`hetbench ARGUMENTS...` of this checkout, in a folder of its own."""
    folder = tmp_path_factory.mktemp("run")

    def call(*arguments: str | Path) -> Answer:
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "bench.cli", *map(str, arguments)],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
        seconds = time.perf_counter() - start
        line = " ".join(map(str, arguments))
        print(f"\n$ hetbench {line}  -> {done.returncode}, {seconds:.1f} s")
        return Answer(done.returncode, done.stdout, done.stderr, seconds)

    return call


def case_of(
    hetbench: Command, target: str, model: str, precision: str, *more: str | Path
) -> dict[str, Any]:
    """The one case of a short run; what it came to is printed."""
    answer = hetbench(
        *("run", "quick", "-t", target, "-m", model, "-p", precision, "-b", "1"),
        *("-s", "single-stream", "--trials", "1", "--budget", "2", "--wait", "120"),
        *more,
        "--json",
    )
    if not answer.out:
        pytest.fail(answer.err)
    case: dict[str, Any]
    (case,) = answer.json["results"]["cases"]
    print(f"{case['id']}: {case['status']}, {case['reason'] or 'no remark'}")
    for trial in case["trials"]:
        for part in trial["parts"]:
            print({key: part[key] for key in ("reason", "placement", "fidelity", "cold_start")})
        print({name: one["value"] for name, one in trial["metrics"].items()})
    return case
