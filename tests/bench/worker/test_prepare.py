"""What is prepared is of the sizes that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import registry
from bench.axes import Axes
from bench.measure import fidelity
from bench.onnx import export, quantize
from bench.worker import prepare
from bench.workload import Slot

MINILM = registry.model("minilm-l6")


def test_int8_is_calibrated_at_the_sizes_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def exported(card: Any, axes: Axes, build: Callable[[], Any]) -> Path:
        asked.append(dict(axes))
        return Path("model.onnx")

    def quantized(path: Path, precision: str, sets: Callable[[], Sequence[Slot]]) -> Path:
        asked.append([dict(slot.axes) for slot in sets()])
        return path

    monkeypatch.setattr(export, "exported", exported)
    monkeypatch.setattr(quantize, "prepared", quantized)
    prepare.onnx_file(MINILM, "int8", MINILM.sizes(4, {"sequence": 16}), "")
    assert asked == [{"batch": 4, "sequence": 16}, [{"batch": 1, "sequence": 16}] * 32]


def test_each_length_has_a_reference_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HETBENCH_CACHE", str(tmp_path))

    def outputs(card: Any, items: Slot, source: str) -> dict[str, Any]:
        return {"embedding": np.float32([items.arrays["input_ids"].shape])}

    monkeypatch.setattr(prepare, "_outputs", outputs)
    found = {}
    for length in (16, 64, 16):
        items = fidelity.check_items(MINILM, MINILM.sizes(3, {"sequence": length}), 0)
        assert items.axes == {"batch": 8, "sequence": length}
        path = prepare.reference(MINILM, items, 0, "")
        found[path] = fidelity.load(path)["embedding"].tolist()
    assert list(found.values()) == [[[8, 16]], [[8, 64]]]
