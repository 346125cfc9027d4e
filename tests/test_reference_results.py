"""Files measured on hardware are readable today, and those of before can be brought here."""

from __future__ import annotations

import copy
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from bench.results import file as results_file

FOLDER = Path(__file__).parents[1] / "results" / "reference"
FILES = sorted(FOLDER.glob("*.json"))


def migrated(document: dict[str, Any]) -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("migrate", FOLDER / "migrate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, Any] = module.migrated(copy.deepcopy(document))
    return found


def test_there_are_reference_files() -> None:
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_of_today_is_read_and_migrating_it_changes_nothing(path: Path) -> None:
    assert not results_file.read(path).simulated
    document = json.loads(path.read_text("utf-8"))
    assert migrated(document) == document


def test_a_file_of_before_is_brought_here() -> None:
    path = FILES[0]
    today = json.loads(path.read_text("utf-8"))
    before = copy.deepcopy(today)
    before["schema_version"] = 1
    del before["suite"]["bounds"]
    up_ns = 9_000_000_000_000
    for case in before["cases"]:
        case["settings"]["allow_fallback"] = case.pop("allow_fallback")
        case["settings"]["sustained_s"] = 600.0
        sizes = case["id"].split("/")[2]
        case["id"] = case["id"].replace(sizes, sizes.split("x")[0])
        for key in ("axes", "bytes_per_item", "found", "scenario_options"):
            del case[key]
        case["summary"] = {}
        for trial in case["trials"]:
            (part,) = trial.pop("parts")
            assert part.pop("target") == case["target"]
            assert (part.pop("status"), part.pop("reason")) == (trial["status"], trial["reason"])
            trial |= part
            for one in (*trial["series"].values(), *trial["windows"]):
                one["start_ns"] += up_ns
                one["end_ns"] += up_ns
    before["run"]["order"] = [
        "/".join(part.split("x")[0] if place == 2 else part for place, part in enumerate(parts))
        for parts in (step.split("/") for step in before["run"]["order"])
    ]
    after = migrated(before)
    results_file.parse(json.dumps(after), path)
    for was, now in zip(today["cases"], after["cases"], strict=True):
        assert now["id"] == was["id"]
        assert now["summary"] == was["summary"]
        for old, new in zip(was["trials"], now["trials"], strict=True):
            (one,), (two,) = old["parts"], new["parts"]
            for name, series in one["series"].items():
                moved = two["series"][name]
                assert abs(moved["start_ns"] - series["start_ns"]) < 2e9
                length_ns = series["end_ns"] - series["start_ns"]
                assert moved["end_ns"] - moved["start_ns"] == length_ns
                series |= {"start_ns": moved["start_ns"], "end_ns": moved["end_ns"]}
            assert new == old, "all but the stamps is as it was, bit by bit"
    assert after["run"]["order"] == today["run"]["order"]
