"""What the libraries say that read files: the commonest of it has Chinese, each with an example."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError, field_validator

from bench.language import translate as text
from bench.language.translate import split, tr
from bench.settings.toml import tomllib
from tests.messages import english

TOML = [
    *("a = 1\na.b = 2", "[a]\n[a]", "a = {}\na.b = 1", "a = 1\na = 2", "a = {b = 1, b = 2}"),
    *("a 1", "[a", "[[a]", "a = 1 b", "a = 'x", 'a = "x\ty\x01"', "# \x01", "a = 2024-02-31"),
    *('a = "\\u12"', 'a = "\\q"', "!", "a", "a = ", "a = [1", "a = {b = 1", 'a = "x', "a.= 1"),
    'a = "\\uD800"',
]
"""Settings files that are refused, each for another reason."""


@dataclass(frozen=True)
class Part:
    size: int


class Record(BaseModel):
    """Has a field of every kind that a results file has."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    name: Annotated[str, Field(min_length=2, max_length=5)]
    one: Annotated[str, Field(min_length=1)]
    kind: Literal["b", "a"]
    only: Literal["x"]
    count: Annotated[StrictInt, Field(ge=1, lt=9)]
    share: Annotated[float, Field(gt=0, le=1)]
    flag: bool
    listed: Annotated[list[int], Field(max_length=2)]
    least: Annotated[list[int], Field(min_length=2)]
    pair: tuple[int, int]
    table: dict[str, int]
    none: None
    part: Part
    inner: Record | None
    checked: int

    @field_validator("checked")
    @classmethod
    def _check(cls, value: int) -> int:
        if value:
            raise ValueError("slots must be 1 to 64")
        return value


WRONG: list[dict[str, Any]] = [
    *({field: None} for field in Record.model_fields),
    *({"name": "x"}, {"name": "x" * 6}, {"one": ""}, {"kind": "c"}, {"count": 0}),
    *(
        {"count": 9},
        {"share": 0},
        {"share": 2},
        {"listed": [1, 2, 3]},
        {"least": []},
        {"share": math.inf},
        {"pair": [1]},
    ),
    *({"extra": 1}, {"none": 1}, {"count": 1.5}, {"checked": 1}, {"part": 1}, {"inner": 1}),
    {"part": {"size": 1, "more": 2}},
]


def said() -> Iterator[str]:
    """What the libraries say of all of these."""
    for wrong in TOML:
        with pytest.raises(tomllib.TOMLDecodeError) as unparsed:
            tomllib.loads(wrong)
        yield str(unparsed.value)
    for fields in WRONG:
        with pytest.raises(ValidationError) as unread:
            Record.model_validate_json(json.dumps(fields))
        with pytest.raises(ValidationError) as unmade:
            Record.model_validate(fields)
        for refused in (unread, unmade):
            yield from (error["msg"] for error in refused.value.errors())


def test_the_commonest_are_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HETBENCH_LANG", "zh")
    assert [tr(one) for one in said() if english(tr(one), "'x'") or tr(one) == one] == []


def test_every_entry_is_said() -> None:
    heard = "\n".join(said())
    patterns = {
        entry: ".+".join(map(re.escape, split(entry))) for entry in text.sections()["libraries"]
    }
    assert [entry for entry, one in patterns.items() if not re.search(one, heard)] == []
