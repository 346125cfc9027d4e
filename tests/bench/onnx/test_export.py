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
from bench.axes import BATCH, Axis
from bench.errors import Unsupported
from bench.measure import inputs
from bench.model import InputSpec
from bench.onnx import export as onnx_export

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
        onnx_export.export(card, {}, module, path)
    session = ort.InferenceSession(path)
    assert [one.name for one in session.get_inputs()] == [spec.name for spec in card.inputs]
    assert tuple(one.name for one in session.get_outputs()) == card.outputs
    assert all(one.shape[0] == BATCH for one in session.get_inputs())
    for batch in (1, 3):
        feed = inputs.slots(card.inputs, card.sizes(batch), 1, "test")[0].arrays
        found = session.run(None, feed)
        with torch.inference_mode():
            wanted = module(*(torch.from_numpy(feed[spec.name]) for spec in card.inputs))
        tensors = wanted if isinstance(wanted, tuple) else (wanted,)
        for one, right in zip(found, tensors, strict=True):
            error = np.linalg.norm(one - right.numpy()) / np.linalg.norm(right.numpy())
            assert one.shape == tuple(right.shape)
            assert error < 1e-5


def test_one_file_serves_every_length(tmp_path: Path) -> None:
    card = registry.model("minilm-l6")
    module = registry.builder(card)("minilm-l6")
    path = tmp_path / "model.onnx"
    onnx_export.export(card, {}, module, path)
    session = ort.InferenceSession(path)
    assert [one.shape for one in session.get_inputs()] == [["batch", "sequence"]] * 3
    for batch, length in ((1, 8), (2, 77), (1, 512)):
        axes = card.sizes(batch, {"sequence": length})
        feed = inputs.slots(card.inputs, axes, 1, "test")[0].arrays
        with torch.inference_mode():
            wanted = module(*(torch.from_numpy(feed[spec.name]) for spec in card.inputs)).numpy()
        (found,) = session.run(None, feed)
        assert np.linalg.norm(found - wanted) / np.linalg.norm(wanted) < 1e-5


class Spread(torch.nn.Module):
    """Two outputs of which one has an axis of the input's, in another place."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x[:, None].repeat(1, 3, 1) * 2, x.mean(1)


SPREAD = replace(
    registry.model("resnet8"),
    name="spread",
    inputs=(InputSpec("x", ("length",)),),
    outputs=("wide", "mean"),
    axes={"length": Axis(6, least=4, most=12, step=2)},
)


def test_outputs_name_the_axes_they_have(tmp_path: Path) -> None:
    onnx_export.export(SPREAD, {}, Spread(), tmp_path / "model.onnx")
    session = ort.InferenceSession(tmp_path / "model.onnx")
    shapes = {one.name: one.shape for one in session.get_outputs()}
    assert shapes == {"wide": ["batch", 3, "length"], "mean": ["batch"]}


def test_a_size_that_is_not_free_has_a_file_of_its_own() -> None:
    card = replace(SPREAD, axes={"length": Axis(6, least=4, most=12, step=2, free=False)})
    paths = [
        onnx_export.exported(card, card.sizes(batch, {"length": length}), Spread)
        for batch, length in ((1, 4), (8, 4), (1, 12))
    ]
    assert paths[0] == paths[1] != paths[2]
    shapes = [ort.InferenceSession(path).get_inputs()[0].shape for path in paths[1:]]
    assert shapes == [["batch", 4], ["batch", 12]]
    free = [onnx_export.exported(SPREAD, SPREAD.sizes(1, {"length": n}), Spread) for n in (4, 12)]
    assert free[0] == free[1]


def test_the_file_is_kept_and_built_only_once() -> None:
    card = registry.model("resnet8")
    first = onnx_export.exported(card, {}, lambda: registry.builder(card)("resnet8"))

    def never() -> torch.nn.Module:
        raise AssertionError("built again")

    assert onnx_export.exported(card, {}, never) == first
    onnx.checker.check_model(str(first))


def test_a_changed_card_or_network_is_another_file(monkeypatch: pytest.MonkeyPatch) -> None:
    card = registry.model("resnet8")

    def build() -> torch.nn.Module:
        module: torch.nn.Module = registry.builder(card)("resnet8")
        return module

    first = onnx_export.exported(card, {}, build)
    renamed = replace(card, outputs=("scores",))
    second = onnx_export.exported(renamed, {}, build)
    assert second != first
    assert ort.InferenceSession(second).get_outputs()[0].name == "scores"
    sources = onnx_export.sources(card)
    assert {"resnet.py", "weights.py"} <= set(sources)
    changed = {**sources, "resnet.py": "0" * 64}
    monkeypatch.setattr(onnx_export, "sources", lambda card: changed)
    assert onnx_export.exported(card, {}, build) not in (first, second)


def test_a_model_beyond_two_gibibytes_says_where_it_can_run(tmp_path: Path) -> None:
    card = replace(registry.model("resnet8"), parameters=600_000_000)
    with pytest.raises(Unsupported, match=r"2\.2 GiB of weights.*torch target"):
        onnx_export.export(card, {}, torch.nn.Identity(), tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


def test_two_exports_are_the_same_bytes(tmp_path: Path) -> None:
    card = registry.model("autoencoder")
    files = [tmp_path / name for name in ("a.onnx", "b.onnx")]
    for path in files:
        onnx_export.export(card, {}, registry.builder(card)("autoencoder"), path)
    assert files[0].read_bytes() == files[1].read_bytes()
