"""The checks' one model is chosen by what its card says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench import registry
from bench.conformance.preparing import probe_model
from bench.model import InputSpec, ModelCard, Tolerance


def test_it_is_the_smallest_of_the_zoo_that_has_convolutions_and_tells_classes() -> None:
    chosen = probe_model()
    assert chosen.channels_last and chosen.tolerance["fp32"].top1 is not None
    assert chosen.parameters == min(
        card.parameters
        for card in registry.models().values()
        if card.channels_last and card.tolerance["fp32"].top1 is not None
    )


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModelCard]:
    cards = dict(registry.models())
    monkeypatch.setattr(registry, "models", lambda: cards)
    return cards


def test_a_smaller_one_takes_its_place(zoo: dict[str, ModelCard]) -> None:
    zoo["small"] = replace(probe_model(), name="small", parameters=1)
    assert probe_model().name == "small"


@pytest.mark.parametrize(
    "changes",
    [
        {"channels_last": False},
        {"tolerance": {"fp32": Tolerance(0.1)}},
        {"inputs": (InputSpec("x", (8,), "int64", "integers", high=9),)},
        {"precisions": ("fp32",)},
    ],
)
def test_one_that_lacks_something_does_not(
    zoo: dict[str, ModelCard], changes: dict[str, Any]
) -> None:
    before = probe_model()
    zoo["small"] = replace(before, name="small", parameters=1, **changes)
    assert probe_model() == before
