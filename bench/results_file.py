"""Results files as text: strict and bounded when read."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from bench.errors import RefusedInput
from bench.results import SCHEMA_VERSION, Results

MAX_BYTES = 256 << 20
MAX_VALUES = 4_000_000
"""Many tiny values take a hundred times their size in memory, so their number is bounded too."""
MAX_LISTED = 10_000
"""Problems that are listed to name the first one; a file with more is only counted."""


def read(path: Path) -> Results:
    """Read a results file; raises RefusedInput with one sentence for anything else."""
    return parse(_text(path), path)


def parse(text: str, path: Path) -> Results:
    """Validate the text of a results file that came from `path`."""
    document = _json(text, path)
    if not isinstance(document, dict) or document.get("kind") != "hetbench-results":
        raise RefusedInput(f"{path} is JSON, but not a hetbench results file")
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        raise RefusedInput(
            f"{path} has schema version {_short(repr(version))}; this hetbench reads version "
            f"{SCHEMA_VERSION}"
        )
    try:
        # validated as JSON, where a list may stand for a tuple, but nothing else is coerced
        return Results.model_validate_json(text)
    except ValidationError as error:
        count = error.error_count()
        if count > MAX_LISTED:
            raise RefusedInput(f"{path} is not a valid results file: {count} problems") from None
        first = error.errors(include_url=False, include_input=False)[0]
        where = _short(".".join(str(part) for part in first["loc"]) or "(top level)")
        raise RefusedInput(
            f"{path} is not a valid results file: {where}: {first['msg']} (problems: {count})"
        ) from None


def dumps(results: Results) -> str:
    """The text of a results file."""
    return results.model_dump_json() + "\n"


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RefusedInput(f"cannot read {path}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise RefusedInput(f"{path} is larger than {MAX_BYTES >> 20} MiB, the most that is read")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedInput(f"{path} is not a results file: it is not UTF-8 text") from error


def _json(text: str, path: Path) -> Any:
    if sum(text.count(mark) for mark in "[{,") > MAX_VALUES:
        raise RefusedInput(f"{path} holds more than {MAX_VALUES} values, the most that is read")
    try:
        return json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
    except RecursionError as error:
        raise RefusedInput(f"{path} is nested too deeply to be a results file") from error
    except json.JSONDecodeError as error:
        raise RefusedInput(
            f"{path} is not complete JSON, it may be truncated: line {error.lineno}, "
            f"column {error.colno}: {error.msg}"
        ) from error
    except ValueError as error:
        raise RefusedInput(f"{path} is not a valid results file: {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return table


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number a results file may hold")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is larger than a float can be")
    return value


def _integer(text: str) -> int:
    if len(text) > 20:
        raise ValueError("a number has more than 20 digits")
    return int(text)


def _short(text: str) -> str:
    """Text of a foreign file as it may stand in a message: printable and not long."""
    plain = "".join(c if c.isprintable() else "?" for c in text[:200])
    return plain if len(text) <= 200 else f"{plain}..."
