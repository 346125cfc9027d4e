"""Axes and terms, and the cards and workloads that are made of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import registry
from bench.axes import Axis, Term, label, total
from bench.errors import RefusedInput
from bench.model import ModelCard
from bench.settings import toml
from bench.workload import Workload

BERT = registry.model("bert-large")
VIT = registry.model("vit-b16")


def test_a_term_is_a_product_and_a_count_their_sum() -> None:
    terms = (Term(5), Term(3, ("s",)), Term(9, ("s", "s"), per=16))
    assert total(terms, {"batch": 7, "s": 8}) == 5 + 24 + 36
    with pytest.raises(ValueError, match="no whole number"):
        Term(1, ("s",), per=16).at({"s": 8})


def test_labels_are_those_of_ids() -> None:
    assert label(8, {"batch": 8, "sequence": 512}) == "b8xs512"
    assert label(None, {"image": 64}) == "autoxi64"
    assert label(1, {}) == "b1"


def test_an_axis_allows_its_range_in_steps() -> None:
    axis = Axis(224, least=32, most=1024, step=16)
    assert [size for size in (16, 32, 40, 48, 1024, 1040) if axis.allows(size)] == [32, 48, 1024]
    assert str(axis) == "32 to 1024 in steps of 16"
    assert str(Axis(128, 8, 512)) == "8 to 512"


@pytest.mark.parametrize(
    "sizes", [(0, 0, 4), (5, 8, 9), (9, 1, 8), (5, 1, 9, 2), (4, 1, 2**21), (4, 1, 8, 0)]
)
def test_an_axis_without_sizes_is_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"an axis needs|no multiple"):
        Axis(*sizes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"axes": {"sequence": Axis(8, 1, 9), "side": Axis(8, 1, 9)}}, "different letters"),
        ({"axes": {"breadth": Axis(8, 1, 9)}}, "not with b"),
        ({"axes": {}}, "'sequence' is named"),
        ({"flops": (Term(1, ("image",)),)}, "'image' is named"),
        ({"activations": (Term(1, ("image",)),)}, "'image' is named"),
    ],
)
def test_a_card_whose_axes_cannot_be_told_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(BERT, **changes)


def test_a_card_is_read_with_its_axes(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    table = {"default": 128, "least": 8, "most": 512, "stepp": 1}
    with pytest.raises(RefusedInput, match="did you mean 'step'"):
        toml.convert(Axis, table, path)
    assert toml.convert(ModelCard, toml.read(Path("models/vit.toml"))["model"][0], path).axes == {
        "image": Axis(224, 32, 1024, 16, free=False)
    }


def test_sizes_are_the_published_ones_but_for_those_given() -> None:
    assert BERT.sizes() == {"batch": 1, "sequence": 384}
    assert BERT.sizes(4, {"sequence": 64, "batch": 9}) == {"batch": 4, "sequence": 64}
    assert list(VIT.sizes(2)) == ["batch", "image"]
    assert VIT.inputs[0].at(VIT.sizes(2, {"image": 64})) == (3, 64, 64)


def test_the_least_bytes_are_weights_once_and_items_batch_times() -> None:
    one, eight = (Workload(BERT, "bf16", BERT.sizes(n)).least_bytes() for n in (1, 8))
    assert one == 2 * BERT.parameters + 32 * 384
    assert eight == 2 * BERT.parameters + 8 * 32 * 384
    assert Workload(replace(BERT, bytes=None), "bf16", BERT.sizes()).least_bytes() is None


def test_the_least_memory_grows_with_the_axes_and_with_training() -> None:
    long, short = (
        Workload(BERT, "fp32", BERT.sizes(2, {"sequence": s})).least_memory_bytes()
        for s in (512, 16)
    )
    # three inputs of int64, and a layer's tokens of 1024 floats
    assert long - short == 2 * (512 - 16) * (3 * 8 + 4 * 1024)
    train = Workload(BERT, "fp32", BERT.sizes(2, {"sequence": 16}), purpose="train")
    assert train.least_memory_bytes() == short + 4 * BERT.parameters
    # 197 tokens at the published size, 17 at 64 x 64
    large, small = (
        Workload(VIT, "fp16", VIT.sizes(1, {"image": i})).least_memory_bytes() for i in (224, 64)
    )
    assert large - small == 2 * (3 * (224**2 - 64**2) + (197 - 17) * 768)
