"""The zoo: counts against tools and publications, and outputs that tell right from wrong."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench import registry, weights
from bench.axes import Axes
from bench.measure import inputs
from bench.model import ModelCard
from bench.onnx import export as onnx_export

CARDS = {name: card for name, card in registry.models().items() if "plugins" in card.module}
LIGHTWEIGHT = [name for name, card in CARDS.items() if card.size == "lightweight"]
ITEMS = {"bert-large": 2, "vit-b16": 3, "resnet50": 3, "yolox-nano": 2, "mobilenetv3-small": 4}
"""How many are compared where 8 would take too long."""

each_model = pytest.mark.parametrize("name", CARDS)
each_lightweight = pytest.mark.parametrize("name", LIGHTWEIGHT)


def build(name: str) -> nn.Module:
    module: nn.Module = registry.builder(CARDS[name])(name)
    return module


def example(card: ModelCard, sizes: Axes | None = None) -> list[Tensor]:
    sizes = sizes or card.sizes(ITEMS.get(card.name, 8))
    found = inputs.slots(card.inputs, sizes, 1, f"{card.name}/test")[0].arrays
    return [torch.from_numpy(found[spec.name]) for spec in card.inputs]


def run(module: nn.Module, tensors: list[Tensor]) -> tuple[Tensor, ...]:
    with torch.inference_mode():
        found = module(*tensors)
    return found if isinstance(found, tuple) else (found,)


@cache
def reference(name: str) -> tuple[Tensor, ...]:
    return run(build(name), example(CARDS[name]))


def relative_l2(outputs: tuple[Tensor, ...], right: tuple[Tensor, ...]) -> float:
    """The largest over the outputs, as fidelity is judged."""
    return max(
        float((a.double() - b.double()).norm() / b.double().norm())
        for a, b in zip(outputs, right, strict=True)
    )


@pytest.fixture
def without_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are built without weights, which counting does not need."""

    def construct(network: type[nn.Module], *_: object) -> nn.Module:
        with torch.device("meta"):
            return network().eval()

    monkeypatch.setattr(weights, "build", construct)


def test_the_zoo_is_complete() -> None:
    assert set(LIGHTWEIGHT) == set(DIGESTS)
    assert set(CARDS) - set(LIGHTWEIGHT) == {"bert-large", "resnet50", "vit-b16"}


@each_model
def test_cards_hold_together(name: str) -> None:
    card = CARDS[name]
    assert card.name == name
    assert set(card.tolerance) == set(card.precisions)
    assert card.precisions[0] == "fp32"
    assert "http" in card.source
    classifier = [limit.top1 is not None for limit in card.tolerance.values()]
    assert all(classifier) or not any(classifier)


SIZES: dict[str, tuple[Axes, ...]] = {
    "bert-large": ({}, {"sequence": 8}, {"sequence": 512}),
    "minilm-l6": ({}, {"sequence": 16}, {"sequence": 512}),
    "vit-b16": ({}, {"image": 32}, {"image": 304}),
}
"""The published sizes, and two others of every model that has any."""


@pytest.mark.parametrize(
    ("name", "axes"), [(name, axes) for name in CARDS for axes in SIZES.get(name, ({},))]
)
@pytest.mark.usefixtures("without_storage")
def test_counts_are_what_the_tools_count(name: str, axes: Axes) -> None:
    card, module = CARDS[name], build(name)
    sizes = card.sizes(1, axes)
    assert sum(p.numel() for p in module.parameters()) == card.parameters
    tensors = [tensor.to("meta") for tensor in example(card, sizes)]
    with FlopCounterMode(display=False) as counter:
        outputs = run(module, tensors)
    assert counter.get_total_flops() == card.flops_of(sizes)
    assert sum(t.numel() * t.element_size() for t in (*tensors, *outputs)) == card.bytes_of(sizes)


def test_every_axis_is_counted_at_three_sizes() -> None:
    assert set(SIZES) == {name for name, card in CARDS.items() if card.axes}
    assert all(len(axes) == 3 for axes in SIZES.values())


def test_positions_of_an_image_of_another_size_are_resampled() -> None:
    """Each is near those it lies between; at the published size they are the weights themselves."""
    module = build("vit-b16")
    published = module.get_parameter("position")
    assert module._position(14, 14) is published  # type: ignore[operator]
    other = module._position(4, 4)  # type: ignore[operator]
    assert other.shape == (1, 17, 768)
    assert torch.equal(other[:, 0], published[:, 0])
    grid = published[0, 1:].reshape(14, 14, -1)
    # A row of 4 has its centers at 1.25, 4.75, ... of the row of 14: between 1 and 2.
    corner, near = other[0, 1], grid[1:3, 1:3].reshape(4, -1)
    assert ((corner - near.mean(0)).norm() / corner.norm()) < 1
    assert module(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)


KERAS = {"resnet8": 78_666, "ds-cnn": 24_908, "autoencoder": 269_992}
TORCHVISION = {"resnet50": 25_557_032, "vit-b16": 86_567_656, "mobilenetv3-small": 2_542_856}
MULTIPLY_ACCUMULATES = {"resnet50": 4.089e9, "vit-b16": 17.564e9, "mobilenetv3-small": 0.057e9}


@pytest.mark.parametrize("name", KERAS)
@pytest.mark.usefixtures("without_storage")
def test_parameters_with_running_statistics_are_those_keras_counts(name: str) -> None:
    statistics = sum(b.numel() for n, b in build(name).named_buffers() if "running" in n)
    assert CARDS[name].parameters + statistics == KERAS[name]
    assert f"{KERAS[name]:,}" in CARDS[name].published


@pytest.mark.parametrize("name", TORCHVISION)
def test_parameters_and_operations_are_the_published_ones(name: str) -> None:
    card = CARDS[name]
    assert card.parameters == TORCHVISION[name]
    assert f"{TORCHVISION[name]:,}" in card.published
    assert card.flops_of(card.sizes()) == pytest.approx(2 * MULTIPLY_ACCUMULATES[name], rel=0.01)


def test_yolox_nano_counts_are_near_the_published_ones() -> None:
    card = CARDS["yolox-nano"]
    assert card.parameters == pytest.approx(0.91e6, rel=0.005)
    assert card.flops_of(card.sizes()) == pytest.approx(
        1.08e9, rel=0.04
    )  # theirs has BatchNorm's in it


@pytest.mark.parametrize(("name", "published"), [("minilm-l6", 22.7e6), ("bert-large", 340e6)])
def test_bert_parameters_follow_from_the_published_dimensions(name: str, published: float) -> None:
    card = CARDS[name]
    hidden, layers, vocabulary = (card.dimensions[k] for k in ("hidden", "layers", "vocabulary"))
    embeddings = (vocabulary + 512 + 2) * hidden + 2 * hidden
    attention = 4 * (hidden * hidden + hidden) + 2 * hidden
    feed_forward = 2 * 4 * hidden * hidden + 5 * hidden + 2 * hidden
    head = 2 * hidden + 2 if name == "bert-large" else 0
    assert card.parameters == embeddings + layers * (attention + feed_forward) + head
    assert card.parameters == pytest.approx(published, rel=0.02)


@each_model
def test_outputs_are_finite_and_differ_from_input_to_input(name: str) -> None:
    outputs = reference(name)
    assert len(outputs) == len(CARDS[name].outputs)
    for output in outputs:
        assert torch.isfinite(output).all()
        assert 0.01 < float(output.abs().max()) < 100
    shifted = tuple(output.roll(1, 0) for output in outputs)
    assert relative_l2(shifted, outputs) > 0.4


@pytest.mark.parametrize("name", [n for n, c in CARDS.items() if c.tolerance["fp32"].top1])
def test_classes_are_several_and_not_saturated(name: str) -> None:
    for output in reference(name):
        assert len(set(output.argmax(1).tolist())) > 1
        assert float(output.softmax(1).amax(1).median()) < 0.95


@each_lightweight
def test_an_item_does_not_depend_on_its_batch(name: str) -> None:
    alone = run(build(name), [tensor[:1] for tensor in example(CARDS[name])])
    assert relative_l2(alone, tuple(output[:1] for output in reference(name))) < 1e-5


@each_lightweight
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_rounding_is_well_within_tolerance(name: str, precision: str) -> None:
    kind = {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    tensors = [t.to(kind) if t.is_floating_point() else t for t in example(CARDS[name])]
    error = relative_l2(run(build(name).to(kind), tensors), reference(name))
    tolerance = CARDS[name].tolerance[precision].relative_l2
    assert tolerance / 10 < error < tolerance / 1.5


class Nothing(nn.Module):
    """Stands for a part of a network that did not run."""

    def __init__(self, zero: bool = False) -> None:
        super().__init__()
        self.zero = zero

    def forward(self, x: Tensor, *_: Tensor) -> Tensor:
        return torch.zeros_like(x) if self.zero else x


MIDDLE = {
    "resnet8": ("stacks.0", "branch"),
    "ds-cnn": ("blocks", "4"),
    "autoencoder": ("hidden", "6"),
    "mobilenetv3-small": ("features", "8"),
    "yolox-nano": ("stage4.1.through", "2"),
    "minilm-l6": ("encoder.layers", "3"),
    "resnet50": ("blocks.8", "branch"),
}


@pytest.mark.parametrize("name", MIDDLE)
def test_a_skipped_layer_is_outside_every_tolerance(name: str) -> None:
    card, module = CARDS[name], build(name)
    parent, child = MIDDLE[name]
    setattr(module.get_submodule(parent), child, Nothing(zero=child == "branch"))
    error = relative_l2(run(module, example(card)), reference(name))
    assert error > 2 * card.tolerance["bf16"].relative_l2
    assert error > card.tolerance["int8"].relative_l2


@each_lightweight
def test_exports_to_onnx_with_a_free_batch_axis(name: str, tmp_path: Path) -> None:
    card = CARDS[name]
    path = tmp_path / "model.onnx"
    onnx_export.export(card, {}, build(name), path)
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    right = reference(name)
    for items in (1, len(right[0])):  # it was traced with 2
        feeds = {
            spec.name: tensor[:items].numpy()
            for spec, tensor in zip(card.inputs, example(card), strict=True)
        }
        found = tuple(torch.from_numpy(array) for array in session.run(list(card.outputs), feeds))
        error = relative_l2(found, tuple(output[:items] for output in right))
        assert error < card.tolerance["fp32"].relative_l2 / 5


DIGESTS = {
    "autoencoder": "82cb309097937792",
    "minilm-l6": "d14a510e2235b0c5",
    "ds-cnn": "2ae166a83435a1bc",
    "mobilenetv3-small": "83fe2bbfdf9092ff",
    "resnet8": "41cfd3229cab48ad",
    "yolox-nano": "cfb0cee04c3f1c44",
}


@each_lightweight
def test_weights_are_the_same_on_every_platform(name: str) -> None:
    total = hashlib.sha256()
    for tensor in build(name).state_dict().values():
        array = tensor.numpy()
        total.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    assert total.hexdigest()[:16] == DIGESTS[name]
