"""A foreign torch device, built from C++ here, drives the adapter slot end to end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from . import builder

HERE = Path(__file__).parent

pytestmark = [
    pytest.mark.skipif(shutil.which("g++") is None, reason="building the device needs g++"),
    pytest.mark.skipif(sys.platform != "linux", reason="its memory is a Linux memfd"),
]


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Where the device's package can be imported."""
    path = [str(builder.installed()), str(HERE.parents[1])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path),
        "TORCH_DEVICE_BACKEND_AUTOLOAD": "0",
        "REFNPU_MEMORY_MIB": "256",
    }


def python(code: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120
    )


def test_the_adapter_is_short() -> None:
    assert len((HERE / "refnpu.toml").read_text().splitlines()) <= 25


def test_device_checks(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rP", "-p", "no:cacheprovider", "device_checks.py"],
        cwd=HERE,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0


def test_the_host_cannot_touch_device_memory(environment: dict[str, str]) -> None:
    code = (
        "import ctypes, torch, refnpu_torch\n"
        "x = torch.ones(8, device='refnpu')\n"
        "print(x.sum().item(), flush=True)\n"
        "ctypes.string_at(x.data_ptr(), 4)\n"
    )
    done = python(code, environment)
    assert done.stdout.strip() == "8.0"
    assert done.returncode == -signal.SIGSEGV


def test_the_dishonest_mode_lies(environment: dict[str, str]) -> None:
    code = (
        "import time, torch, refnpu_torch\n"
        "x = torch.randn(768, 768, device='refnpu')\n"
        "x.cpu()\n"
        "start = time.perf_counter()\n"
        "for _ in range(20): y = x @ x\n"
        "torch.accelerator.synchronize()\n"
        "said = time.perf_counter() - start\n"
        "y.cpu()\n"
        "print(said, time.perf_counter() - start)\n"
    )
    done = python(code, {**environment, "REFNPU_EARLY_SYNC": "1"})
    said, true = map(float, done.stdout.split())
    assert said < 0.3 * true


def test_the_unmodified_torch_backend_measures_it(
    environment: dict[str, str], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "bench.cli", "run", "quick", "-t", "torch@refnpu:1"]
    for model in ("resnet8", "mobilenetv3-small", "minilm-l6"):
        command += ["--model", model]
    command += ["-p", "fp32", "-b", "1", "-s", "single-stream", "--trials", "1", "--budget", "1"]
    command += ["--adapter", str(HERE / "refnpu.toml"), "--trust-adapter", "--json"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.stdout, done.stderr
    results = json.loads(done.stdout)["results"]
    for case in results["cases"]:
        print(case["id"], case["status"], case["reason"])
        assert case["status"] == "ok"
        (trial,) = case["trials"]
        print(trial["fidelity"], trial["memory"])
        print({name: metric["value"] for name, metric in trial["metrics"].items()})
        assert trial["fidelity"]["relative_l2"] <= 1e-5
        assert trial["memory"]["device_peak_bytes"] > case["weight_bytes"]
        assert trial["device_event_ns"]["n"] > 0
    assert len(results["cases"]) == 3
    assert results["targets"][0]["device"]["memory_bytes"] == 256 << 20
    assert done.returncode == 0
