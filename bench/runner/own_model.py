"""A person's own ONNX model: inspected in a child process, since reading ONNX is foreign ground."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.bounds import fits
from bench.errors import RefusedInput, UsageError
from bench.model import ModelCard
from bench.settings import toml
from bench.system import process

INSPECT_TIMEOUT_S = 120.0


def inspect(path: Path, shapes: Sequence[str]) -> ModelCard:
    """The card of the model in `path` with the shapes bound; raises RefusedInput, and UsageError
    for a text that is no shape."""
    answers: list[dict[str, Any]] = []

    def on_event(event: process.Event) -> None:
        if event["event"] in ("card", "refused") and event["event"] in event:
            answers[:] = [event]

    job = {"path": str(path), "shapes": list(shapes)}
    outcome = process.run("bench.onnx.own", job, on_event, INSPECT_TIMEOUT_S)
    if not answers and outcome.lacked_memory:
        raise RefusedInput(f"{path} needs more memory than is free to be read")
    if not answers:
        if outcome.last_line:
            why = f"{outcome.ending}: {outcome.last_line}"
            raise RefusedInput(f"{path} could not be read as ONNX: reading it {why}")
        raise RefusedInput(f"{path} could not be read as ONNX: reading it {outcome.ending}")
    if "refused" in answers[0]:
        kind = UsageError if answers[0].get("misused") is True else RefusedInput
        raise kind(str(answers[0]["refused"]))
    card = toml.convert(ModelCard, answers[0]["card"], Path("the model's card"))
    flops = card.flops_of(card.sizes())
    if not fits([card.parameters, flops, card.name]):
        raise RefusedInput(
            f"{path} is larger than any device: it has {card.parameters:.2g} parameters and "
            f"{flops or 0:.2g} operations an item"
        )
    return card
