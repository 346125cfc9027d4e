"""What the records of a results file are made of."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, FailFast, Field

T = TypeVar("T")
Few = Annotated[list[T], Field(max_length=1_000), FailFast()]
"""Of one case, trial or device. The first wrong item ends the reading of a list: a file of a
million wrong ones needs no million sentences."""
Many = Annotated[list[T], Field(max_length=20_000), FailFast()]
"""Of a whole run."""


class Record(BaseModel):
    """Strict and frozen: unknown keys, wrong types, NaN and infinity are refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        ser_json_inf_nan="null",
        defer_build=True,  # a command builds what it reads or writes, and no import builds anything
    )


class Samples(Record):
    """Packed raw samples; results/README.md shows how to read them."""

    model_config = ConfigDict(use_attribute_docstrings=True)  # made before tests/schema.py asks

    dtype: Literal["int64", "float64"]
    """Whether the samples are whole numbers or not."""
    n: Annotated[int, Field(ge=0, le=4_000_000)]
    """How many samples there are."""
    data: Annotated[str, Field(max_length=64 << 20)]
    """Base64 of zlib of the shuffled bytes; integers as zigzag-coded differences."""
