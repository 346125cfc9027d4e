"""A person's own ONNX model: inspected in a child process, since reading ONNX is foreign ground."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import process, toml
from bench.errors import RefusedInput
from bench.model import ModelCard

INSPECT_TIMEOUT_S = 120.0


def inspect(path: Path, shapes: Sequence[str]) -> ModelCard:
    """The card of the model in `path` with the shapes bound; raises RefusedInput."""
    answers: list[dict[str, Any]] = []
    job = {"kind": "inspect", "path": str(path), "shapes": list(shapes)}
    outcome = process.run(job, answers.append, INSPECT_TIMEOUT_S)
    if not answers:
        how = outcome.signal_name or f"exit code {outcome.returncode}"
        raise RefusedInput(f"{path} could not be read as ONNX: reading it ended with {how}")
    if "refused" in answers[0]:
        raise RefusedInput(answers[0]["refused"])
    return toml.convert(ModelCard, answers[0]["card"], Path("the model's card"))
