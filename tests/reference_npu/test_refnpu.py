"""A foreign torch device, built from C++ here, drives the adapter slot end to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from . import builder

HERE = Path(__file__).parent

MISSING = builder.missing()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


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
        "import torch, refnpu_torch\n"
        "x = torch.ones(8, 8, device='refnpu')\n"
        "x.cpu()\n"
        "refnpu_torch.hold()\n"
        "y = x @ x\n"
        "done = refnpu_torch.Event()\n"
        "done.record()\n"
        "torch.accelerator.synchronize()\n"  # an honest one would never return
        "print(done.query())\n"
        "refnpu_torch.release()\n"
        "print(y.cpu().unique().tolist())\n"
    )
    done = python(code, {**environment, "REFNPU_EARLY_SYNC": "1"})
    assert done.stdout.split() == ["False", "[8.0]"], done.stderr


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
        print(trial["parts"][0]["fidelity"], trial["parts"][0]["memory"])
        print({name: metric["value"] for name, metric in trial["metrics"].items()})
        assert trial["parts"][0]["fidelity"]["relative_l2"] <= 1e-5
        assert trial["parts"][0]["memory"]["device_peak_bytes"] > case["weight_bytes"]
        assert trial["parts"][0]["device_event_ns"]["n"] > 0
    assert len(results["cases"]) == 3
    assert results["targets"][0]["device"]["memory_bytes"] == 256 << 20
    assert done.returncode == 0
