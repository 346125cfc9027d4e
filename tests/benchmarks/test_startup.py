"""Whole processes: how long the command line takes to answer, and what a worker weighs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from statistics import median

import pytest

from bench import registry
from bench.system import environment
from bench.worker import prepare
from tests.benchmarks.conftest import Report, alternate
from tests.conftest import Cli

HETBENCH = [sys.executable, "-m", "bench.cli"]
PEERS = {
    "optimum_benchmark": (
        "optimum-benchmark --help",
        [sys.executable, "-m", "optimum_benchmark.cli", "--help"],
    ),
    "pyperf": ("pyperf --help", [sys.executable, "-m", "pyperf", "--help"]),
}


def seconds(command: list[str]) -> Callable[[], float]:
    """A side that runs the command once."""

    def run() -> float:
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - start

    return run


@pytest.mark.parametrize(
    ("words", "bar", "rounds"),
    [(["--help"], "<= 0.25 s", 9), (["models"], "<= 0.25 s", 9), (["devices"], "<= 3 s", 5)],
)
def test_answers(words: list[str], bar: str, rounds: int, report: Report) -> None:
    sides = [seconds([*HETBENCH, *words]), seconds([sys.executable, "-c", "pass"])]
    ours, bare = alternate(sides, rounds)
    report(
        f"hetbench {' '.join(words)}",
        f"{median(ours):.3f} s",
        f"bare interpreter {median(bare):.3f} s",
        bar,
    )


@pytest.mark.parametrize("peer", PEERS)
def test_help_of_others(peer: str, report: Report) -> None:
    if find_spec(peer) is None:
        pytest.skip(f"{peer} is not installed here")
    what, command = PEERS[peer]
    ours, theirs = alternate([seconds([*HETBENCH, "--help"]), seconds(command)], 5)
    ratio = median(ours) / median(theirs)
    report(f"--help against {what}", f"x{ratio:.2f}", f"{median(theirs):.2f} s", "")


@pytest.mark.parametrize(
    ("target", "bare"),
    [
        ("torch@cpu:0", "import torch"),
        ("onnxruntime@cpu:0", "import onnxruntime"),
    ],
)
def test_weight_of_a_worker(target: str, bare: str, cli: Cli, report: Report) -> None:
    """Peak memory of a trial of the smallest model, less that of a process which does the same
    with the framework alone."""
    found = cli.json("run", "smoke", "-m", "ds-cnn", "-s", "single-stream", "-t", target, "-o", "r")
    (trial,) = found["cases"][0]["trials"]
    ours = trial["parts"][0]["memory"]["host_peak_bytes"]
    card = registry.model("ds-cnn")
    path = str(prepare.onnx_file(card, "fp32", card.sizes(), ""))
    theirs = int(subprocess.check_output([sys.executable, "-c", LOOPS[bare], path], text=True))
    report(
        f"memory of a worker, {target}",
        f"{(ours - theirs) / 2**20:+.0f} MiB",
        f"{bare} and a hand-written loop {theirs / 2**20:.0f} MiB",
        "<= +60 MiB",
    )


_PEAK = (
    "\nstatus = open('/proc/self/status').read()"
    "\nprint(int(status.split('VmHWM:')[1].split()[0]) * 1024)"
)
LOOPS = {
    "import torch": (
        "import torch\n"
        "from bench import registry\n"
        "m = registry.builder(registry.model('ds-cnn'))('ds-cnn')\n"
        "x = torch.randn(1, 1, 49, 10)\n"
        "with torch.inference_mode():\n"
        "    for _ in range(100): m(x)" + _PEAK
    ),
    "import onnxruntime": (
        "import numpy, onnxruntime, sys\n"
        "s = onnxruntime.InferenceSession(sys.argv[1])\n"
        "x = {i.name: numpy.ones([1, *i.shape[1:]], 'float32') for i in s.get_inputs()}\n"
        "for _ in range(100): s.run(None, x)" + _PEAK
    ),
}


def test_the_parent_sleeps_while_a_trial_measures(cli: Cli, report: Report) -> None:
    args = ["run", "smoke", "-s", "single-stream", "--budget", "4", "-t", "onnxruntime@cpu:0"]
    (case,) = cli.json(*args)["cases"]
    share = case["trials"][0]["parent_cpu_share"]
    report("the parent while a trial measures", f"{share:.2%} of a core", "", "< 1 %")


def test_the_environment(report: Report) -> None:
    environment.collect()  # fill the file cache
    start = time.perf_counter()
    environment.collect()
    taken = time.perf_counter() - start
    report("collecting the environment", f"{taken:.2f} s", "0.2 s of it watch for steal", "<= 1 s")


def test_quick_suite(cli: Cli, report: Report) -> None:
    """`make run` after set-up, with nothing prepared: first row, whole run, size of the file.

    On the two targets that every set-up has.
    """
    targets = ("-t", "torch@cpu:0", "-t", "onnxruntime@cpu:0")
    start = time.perf_counter()
    run = cli.start(
        "run", "quick", *targets, "-o", "quick.json", env={"HETBENCH_CACHE": str(cli.folder / "c")}
    )
    assert run.stderr is not None
    first = None
    for line in run.stderr:
        if first is None and line.startswith("[1/"):
            first = time.perf_counter() - start
    out, _ = run.communicate()
    total = time.perf_counter() - start
    assert run.returncode == 0, out
    size = (cli.folder / "quick.json").stat().st_size
    trials = sum(
        len(c["trials"]) for c in json.loads((cli.folder / "quick.json").read_text())["cases"]
    )
    report("quick, first row, nothing prepared", f"{first:.1f} s", "", "<= 15 s")
    report(f"quick, whole run of {trials} trials", f"{total:.0f} s", "", "<= 150 s")
    report("quick, results file", f"{size / 1e6:.2f} MB", "", "<= 3 MB")
