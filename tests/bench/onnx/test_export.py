from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from bench import registry
from bench.errors import Unsupported
from bench.measure import inputs
from bench.onnx import export as onnx_export
from bench.onnx.batch import BATCH_AXIS

SMALL = ["resnet8", "ds-cnn", "autoencoder"]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HETBENCH_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", SMALL)
def test_the_file_computes_what_torch_does_at_any_batch(name: str, tmp_path: Path) -> None:
    card = registry.model(name)
    module = registry.builder(card)(name)
    path = tmp_path / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing of the exporter reaches a person
        onnx_export.export(card, module, path)
    session = ort.InferenceSession(path)
    assert [one.name for one in session.get_inputs()] == [spec.name for spec in card.inputs]
    assert tuple(one.name for one in session.get_outputs()) == card.outputs
    assert all(one.shape[0] == BATCH_AXIS for one in session.get_inputs())
    for batch in (1, 3):
        feed = inputs.slots(card.inputs, batch, 1, "test")[0]
        found = session.run(None, feed)
        with torch.inference_mode():
            wanted = module(*(torch.from_numpy(feed[spec.name]) for spec in card.inputs))
        tensors = wanted if isinstance(wanted, tuple) else (wanted,)
        for one, right in zip(found, tensors, strict=True):
            error = np.linalg.norm(one - right.numpy()) / np.linalg.norm(right.numpy())
            assert one.shape == tuple(right.shape)
            assert error < 1e-5


def test_the_file_is_kept_and_built_only_once() -> None:
    card = registry.model("resnet8")
    first = onnx_export.exported(card, lambda: registry.builder(card)("resnet8"))

    def never() -> torch.nn.Module:
        raise AssertionError("built again")

    assert onnx_export.exported(card, never) == first
    onnx.checker.check_model(str(first))


def test_a_changed_card_or_network_is_another_file(monkeypatch: pytest.MonkeyPatch) -> None:
    card = registry.model("resnet8")

    def build() -> torch.nn.Module:
        module: torch.nn.Module = registry.builder(card)("resnet8")
        return module

    first = onnx_export.exported(card, build)
    renamed = replace(card, outputs=("scores",))
    second = onnx_export.exported(renamed, build)
    assert second != first
    assert ort.InferenceSession(second).get_outputs()[0].name == "scores"
    sources = onnx_export.sources(card)
    assert {"resnet.py", "weights.py"} <= set(sources)
    changed = {**sources, "resnet.py": "0" * 64}
    monkeypatch.setattr(onnx_export, "sources", lambda card: changed)
    assert onnx_export.exported(card, build) not in (first, second)


def test_a_model_beyond_two_gibibytes_says_where_it_can_run(tmp_path: Path) -> None:
    card = replace(registry.model("resnet8"), parameters=600_000_000)
    with pytest.raises(Unsupported, match=r"2\.2 GiB of weights.*torch target"):
        onnx_export.export(card, torch.nn.Identity(), tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


def test_two_exports_are_the_same_bytes(tmp_path: Path) -> None:
    card = registry.model("autoencoder")
    files = [tmp_path / name for name in ("a.onnx", "b.onnx")]
    for path in files:
        onnx_export.export(card, registry.builder(card)("autoencoder"), path)
    assert files[0].read_bytes() == files[1].read_bytes()
