"""An adapter from outside is code: shown first, used only when its user says so."""

from __future__ import annotations

import sys

import pytest

from bench import registry
from bench.adapter import Adapter, DeviceList, SensorSpec
from bench.adapters import trust
from bench.errors import UsageError
from bench.settings import toml
from bench.way import OnnxProvider, TorchPlugin

FOREIGN = """
name = "foreign"
vendor = "Foreign"
kind = "foreign"
[torch]
device = "foreign"
module = "foreign_torch"
[[onnxruntime]]
name = "Foreign"
provider = "ForeignExecutionProvider"
module = "foreign_ep"
library = "where"
options.backend_path = "{module}/lib.so"
[lists]
command = ["foreign-smi", "-L", "a b"]
pattern = '(?P<index>1)'
[[sensors]]
kind = "command"
command = ["/opt/foreign/smi", "--power"]
patterns.power_w = '(1)'
[[sensors]]
kind = "gpustack"
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "foreign.toml"
    path.write_text(FOREIGN)
    return path


def test_everything_it_would_import_and_run_is_shown(path):
    assert trust.describe(toml.load(Adapter, path)) == [
        "imports the Python module foreign_torch",
        "imports the Python module foreign_ep",
        "loads into ONNX Runtime the library whose path foreign_ep.where gives",
        "gives ForeignExecutionProvider the option backend_path = {module}/lib.so",
        "runs, to list devices: foreign-smi -L 'a b'",
        "runs, once per reading: /opt/foreign/smi --power",
        "uses the sensor gpustack",
    ]


def test_untrusted_it_is_refused_with_what_to_do(path):
    with pytest.raises(UsageError) as refused:
        trust.require_trust(toml.load(Adapter, path), path, trusted=False)
    said = str(refused.value)
    assert "--trust-adapter" in said
    assert "imports the Python module foreign_torch" in said
    assert "foreign-smi -L 'a b'" in said


def test_reading_it_imports_and_runs_nothing(path, tmp_path, monkeypatch):
    mark = tmp_path / "mark"
    (tmp_path / "foreign_torch.py").write_text(f"open({str(mark)!r}, 'w')")
    (tmp_path / "foreign-smi").write_text(f"#!/bin/sh\ntouch {mark}\n")
    (tmp_path / "foreign-smi").chmod(0o755)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    trust.describe(toml.load(Adapter, path))
    assert not mark.exists()
    assert "foreign_torch" not in sys.modules


def test_names_cannot_rewrite_the_terminal():
    adapter = Adapter(
        "x",
        "X",
        "x",
        torch=TorchPlugin("x", "m"),
        onnxruntime=(OnnxProvider("X", "XP", options={"a\x1b[2K": "b\r"}),),
        lists=DeviceList(("smi", "\x1b]0;x\x07"), "(?P<index>1)"),
        sensors=(SensorSpec("hwmon", options={"path": "\x9b2J"}),),
    )
    assert all(line.isprintable() for line in trust.describe(adapter))


def test_an_adapter_that_does_nothing_says_so():
    adapter = Adapter("x", "X", "x", torch=TorchPlugin("x"))
    assert trust.describe(adapter) == ["imports and runs nothing of its own"]


def test_trusted_it_passes(path):
    trust.require_trust(toml.load(Adapter, path), path, trusted=True)


def test_shipped_adapters_can_all_be_shown():
    for adapter in registry.adapters().values():
        assert trust.describe(adapter)
