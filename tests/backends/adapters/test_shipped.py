"""The adapters that come with the harness, as files."""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest

from bench import registry, toml
from bench.adapter import Adapter
from bench.plugins import HOME
from bench.sensors import KINDS

FOLDER = HOME / "backends" / "adapters"
FILES = sorted(FOLDER.glob("*.toml"))
VENDORS = {
    "amd",
    "apple",
    "ascend",
    "biren",
    "cambricon",
    "enflame",
    "gaudi",
    "hygon",
    "iluvatar",
    "intel",
    "kunlunxin",
    "metax",
    "moorethreads",
    "nvidia",
    "qualcomm",
    "sophgo",
    "thead",
}
PLUGINS = [p for p in FILES if (a := toml.load(Adapter, p)).torch is not None and a.torch.module]


def lines(text: str) -> int:
    return sum(1 for x in text.splitlines() if x.strip() and not x.strip().startswith("#"))


def test_every_vendor_is_there():
    assert set(registry.adapters()) >= VENDORS | {"cpu", "cuda-compatible"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_an_adapter_is_called_like_its_file_and_knows_its_sensors(path):
    adapter = toml.load(Adapter, path)
    assert adapter.name == path.stem
    assert adapter.title
    assert {sensor.kind for sensor in adapter.sensors} <= set(KINDS)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_how_a_device_is_reached_says_where_that_is_from(path):
    """A comment stands above or in each such table, or at the head of the file."""
    text = path.read_text("utf-8")
    assert text.startswith("# ")
    if path.stem in VENDORS:
        for block in re.split(r"\n\n", text):
            if re.search(r"(?m)^\[(torch|lists|\[onnxruntime\])", block):
                assert "#" in block, block


@pytest.mark.parametrize("path", PLUGINS, ids=lambda p: p.stem)
def test_a_vendor_with_a_torch_plug_in_needs_few_lines_and_no_python(path):
    """Needed: everything but what ONNX Runtime adds and sensors that stand in for the first."""
    tables = re.split(r"(?m)^(?=\[)", path.read_text("utf-8"))
    sensors = [table for table in tables if table.startswith("[[sensors]]")]
    spare = [*sensors[1:], *(t for t in tables if t.startswith("[[onnxruntime]]"))]
    assert lines("".join(t for t in tables if t not in spare)) <= 25
    assert toml.load(Adapter, path).backend == ""


def test_there_are_plug_in_vendors():
    assert {p.stem for p in PLUGINS} >= {"ascend", "cambricon", "moorethreads", "biren", "gaudi"}


@pytest.mark.parametrize("path", PLUGINS, ids=lambda p: p.stem)
def test_an_absent_plug_in_has_a_remedy(path):
    torch = toml.load(Adapter, path).torch
    assert torch is not None
    assert find_spec(torch.module.split(".")[0]) is None
    assert len(torch.remedy) > 20


def test_no_two_adapters_claim_one_kind_with_one_framework_unless_told_apart_by_name():
    claims: dict[str, list[str]] = {}
    for path in FILES:
        torch = toml.load(Adapter, path).torch
        if torch is not None and not torch.names:
            claims.setdefault(torch.device, []).append(path.stem)
    assert {device: who for device, who in claims.items() if len(who) > 1} == {}
    assert claims["cuda"] == ["cuda-compatible"]


def test_the_fallback_has_no_vendor():
    assert registry.adapters()["cuda-compatible"].vendor == "unknown"
