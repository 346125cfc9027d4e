"""The conformance kit on a real asynchronous device, honest and not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from . import builder

HERE = Path(__file__).parent

MISSING = builder.missing()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

# A launch takes far longer than the host needs to queue it, and none of the host's cores: what the
# checks see of time is then the device's, however busy the machine is.
DEVICE = {"REFNPU_MEMORY_MIB": "256", "REFNPU_LAUNCH_US": "100"}

CODE = """
import json, sys
from dataclasses import replace
from pathlib import Path
from bench import registry
from bench.devices import discover
from bench.settings import toml
from bench.adapter import Adapter
from bench.conformance import check, preparing
from bench.target import Target

adapter = toml.load(Adapter, Path(sys.argv[1]))
(target,) = discover.resolve([Target.parse("torch@refnpu:0")], [adapter])
cards = [registry.model("resnet8"), registry.model("minilm-l6")]
if len(sys.argv) > 2:  # only these checks
    files = preparing.prepare(target, cards[:1], 7, str)
    run = check._Run(target, check._job(target, cards[:1], files, 7, "fp32", 60.0), str)
    run._children(replace(run._job, checks=tuple(sys.argv[2:])))
    checks = run._checks.values()
else:
    checks = check.check(target, str, cards).checks
print(json.dumps({one.id: [one.status, one.seen] for one in checks}))
"""


def conform(*checks: str, **variables: str) -> dict[str, list[str]]:
    """Id -> status and what was seen."""
    path = os.pathsep.join([str(builder.installed()), str(HERE.parents[1])])
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(HERE / "refnpu.toml"), *checks],
        env={**os.environ, **DEVICE, "PYTHONPATH": path, **variables},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_an_honest_device_passes() -> None:
    found = conform()
    assert {id: seen for id, (status, seen) in found.items() if status == "fail"} == {}
    assert found["sync-waits"][0] == "pass"
    assert "ends as out of memory" in found["memory-errors"][1]


def test_a_synchronize_that_does_not_wait_is_caught() -> None:
    status, seen = conform("sync-waits", REFNPU_EARLY_SYNC="1")["sync-waits"]
    assert status == "fail"
    # Which of the signs the check sees first is up to the machine; each tells of this lie.
    assert any(sign in seen for sign in ("left to do", "with synchronize", "not computed")), seen
