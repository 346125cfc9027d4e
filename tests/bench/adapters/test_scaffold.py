"""What `hetbench adapter new` writes loads, and passes its own test, as it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.adapter import Adapter
from bench.adapters import trust
from bench.adapters.scaffold import new_adapter
from bench.errors import CannotWrite, UsageError
from bench.settings import toml

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["acme", "acme-npu", "acme_2"])
def test_the_toml_loads_and_does_nothing_yet(tmp_path, name):
    (path,) = new_adapter(name, tmp_path)
    assert path == tmp_path / f"{name}.toml"
    adapter = toml.load(Adapter, path)
    assert (adapter.name, adapter.kind, adapter.torch.device) == (name, name, name)
    assert trust.describe(adapter) == ["imports and runs nothing of its own"]


def test_the_toml_with_every_line_in_use_loads_too(tmp_path):
    (path,) = new_adapter("acme-npu", tmp_path)
    lines = [re.sub(r"^# (?=[a-z_.]+ = |\[)", "", x) for x in path.read_text().splitlines()]
    path.write_text("\n".join(lines))
    adapter = toml.load(Adapter, path)
    assert adapter.torch.module == "torch_acme_npu"
    assert adapter.onnxruntime[0].provider == "AcmeNpuExecutionProvider"
    assert adapter.visible_devices == ("ACME_NPU_VISIBLE_DEVICES",)
    assert adapter.lists is not None
    assert adapter.sensors[0].patterns.keys() == {"power_w", "temperature_c"}


def test_the_package_passes_its_own_test_and_is_well_formed(tmp_path):
    files = new_adapter("acme-npu", tmp_path, python=True)
    home = tmp_path / "hetbench-acme-npu"
    assert sorted(str(f.relative_to(home)) for f in files) == [
        "hetbench_acme_npu/__init__.py",
        "hetbench_acme_npu/acme-npu.toml",
        "hetbench_acme_npu/backend.py",
        "pyproject.toml",
        "tests/test_backend.py",
    ]
    environ = {**os.environ, "PYTHONPATH": f"{home}{os.pathsep}{ROOT}"}
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=home,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert tests.returncode == 0, tests.stdout
    assert "6 passed" in tests.stdout
    leftovers = [f for f in files if re.search(r"\bNAME|NAME\b|MODULE", f.read_text())]
    assert leftovers == []


@pytest.mark.parametrize("name", ["", "A", "a b", "../a", "1a", "a-", "a" * 41, "a/b"])
def test_names_that_cannot_be(tmp_path, name):
    with pytest.raises(UsageError, match="cannot be the name"):
        new_adapter(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("python", [False, True])
def test_nothing_is_overwritten(tmp_path, python):
    files = new_adapter("acme", tmp_path, python)
    files[-1].write_text("mine")
    with pytest.raises(UsageError, match="already there"):
        new_adapter("acme", tmp_path, python)
    assert files[-1].read_text() == "mine"


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match="cannot write"):
        new_adapter("acme", tmp_path / "file")
