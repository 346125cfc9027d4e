"""The adapters that come with the harness, as files."""

from __future__ import annotations

import re

from bench import registry
from bench.adapter import Adapter
from bench.plugins import HOME
from bench.sensors import KINDS
from bench.settings import toml
from tests.offenders import assert_none

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


def test_an_adapter_is_called_like_its_file_and_knows_its_sensors():
    loaded = {path.stem: toml.load(Adapter, path) for path in FILES}
    assert_none(stem for stem, adapter in loaded.items() if adapter.name != stem)
    assert_none(stem for stem, adapter in loaded.items() if not adapter.title)
    kinds = {(stem, s.kind) for stem, adapter in loaded.items() for s in adapter.sensors}
    assert_none(one for one in kinds if one[1] not in KINDS)


def test_how_a_device_is_reached_says_where_that_is_from():
    """A comment stands above or in each such table, and at the head of the file."""
    texts = {path.stem: path.read_text("utf-8") for path in FILES}
    assert_none(stem for stem, text in texts.items() if not text.startswith("# "))
    assert_none(
        (stem, block)
        for stem in VENDORS
        for block in texts[stem].split("\n\n")
        if re.search(r"(?m)^\[(torch|lists|\[onnxruntime\])", block) and "#" not in block
    )


def needed_lines(text: str) -> int:
    """Of all but what ONNX Runtime adds and sensors that stand in for the first."""
    tables = re.split(r"(?m)^(?=\[)", text)
    sensors = [table for table in tables if table.startswith("[[sensors]]")]
    spare = [*sensors[1:], *(t for t in tables if t.startswith("[[onnxruntime]]"))]
    return lines("".join(t for t in tables if t not in spare))


def test_a_vendor_with_a_torch_plug_in_needs_few_lines_and_no_python():
    needed = {path.stem: needed_lines(path.read_text("utf-8")) for path in PLUGINS}
    assert_none(item for item in needed.items() if item[1] > 25)
    assert_none(path.stem for path in PLUGINS if toml.load(Adapter, path).backend)


def test_there_are_plug_in_vendors():
    assert {p.stem for p in PLUGINS} >= {"ascend", "cambricon", "moorethreads", "biren", "gaudi"}


def test_a_plug_in_has_a_remedy_for_where_it_is_absent():
    remedies = {path.stem: toml.load(Adapter, path).torch.remedy for path in PLUGINS}
    assert_none(item for item in remedies.items() if len(item[1]) <= 20)


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
