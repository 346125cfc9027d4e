"""Results files as text: strict and bounded when read."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from bench.errors import RefusedInput
from bench.language.plain import short
from bench.results.records import SCHEMA_VERSION, Results
from bench.settings import bounded

MAX_BYTES = 1 << 30
"""Twenty thousand trials with sensors, twice as many as a large suite on a node of eight cards."""
MAX_VALUES = 8_000_000
MAX_RECORDS = 2_000_000
"""Many tiny values take twenty times their size in memory, so their number is bounded too."""
MAX_KEYS = 300
"""Keys of one object; the most are a machine's environment variables."""
MAX_PARTS = 64
"""Keys of an object that holds more than numbers and text. Each unknown key is a problem, which
takes a kilobyte, so wide objects in wide objects would take the memory."""
MAX_DECODED = 4 << 30
"""Bytes that all samples of a file take when they are unpacked, which may be a thousand times
what they take in the file."""
MAX_LISTED = 10_000
"""Problems that are listed to name the first one; a file with more is only counted."""
MAX_DIGITS = 22
"""The longest whole number in canonical JSON (RFC 8785): 21 digits and a sign."""


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
            f"{path} has schema version {short(repr(version))}; this hetbench reads version "
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
        where = short(".".join(str(part) for part in first["loc"]) or "(top level)")
        problem = f"{where}: {first['msg']}"  # apart, as a key is not translated
        raise RefusedInput(f"{path} is not a valid results file: {problem}") from None


def dumps(results: Results) -> str:
    """The text of a results file."""
    return results.model_dump_json() + "\n"


def _text(path: Path) -> str:
    data = bounded.read(path, MAX_BYTES)
    if len(data) > MAX_BYTES:
        raise RefusedInput(f"{path} is larger than {MAX_BYTES >> 20} MiB, the most that is read")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedInput(f"{path} is not a results file: it is not UTF-8 text") from error


def _json(text: str, path: Path) -> Any:
    """Check the whole text and keep of each object only what tells a results file.

    Nothing else is needed of it, and a second tree of the values would double the memory.
    """
    records = text.count("{") + text.count("[")
    if records > MAX_RECORDS or records + text.count(",") > MAX_VALUES:
        raise RefusedInput(
            f"{path} holds more than {MAX_RECORDS} objects and lists, or {MAX_VALUES} values, the "
            "most that is read"
        )
    try:
        return json.loads(text, object_pairs_hook=_Objects().check, **NUMBERS)
    except RecursionError as error:
        raise RefusedInput(f"{path} is nested too deeply to be a results file") from error
    except json.JSONDecodeError as error:
        raise RefusedInput(
            f"{path} is not complete JSON, it may be truncated: line {error.lineno}, "
            f"column {error.colno}: {error.msg}"
        ) from error
    except ValueError as error:
        raise RefusedInput(f"{path} is not a valid results file: {error}") from error


class _Objects:
    """Bounds of what a file's objects hold, counted over all of them."""

    def __init__(self) -> None:
        self._decoded = 0

    def check(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """The keys of the object that tell a results file; raises ValueError."""
        if len(pairs) > MAX_KEYS:
            raise ValueError(f"an object has more than {MAX_KEYS} keys")
        if len(pairs) > MAX_PARTS and any(isinstance(value, dict | list) for _, value in pairs):
            raise ValueError(f"an object holds more than {MAX_PARTS} others")
        table = dict(pairs)
        if len(table) != len(pairs):
            raise ValueError("a key stands twice in one object")
        if "data" in table and isinstance(n := table.get("n"), int):
            self._decoded += 8 * max(n, 0)
            if self._decoded > MAX_DECODED:
                raise ValueError(f"its samples are more than {MAX_DECODED >> 30} GiB when unpacked")
        return {key: table[key] for key in ("kind", "schema_version") if key in table}


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number a results file may hold")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is larger than a float can be")
    return value


def _integer(text: str) -> int:
    """A whole number, which may stand for a float; a reader that has only doubles gets the same."""
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number has more than {MAX_DIGITS - 1} digits")
    value = int(text)
    if float(value) != value:
        raise ValueError("a whole number is larger than a float can hold exactly")
    return value


NUMBERS: dict[str, Any] = {
    "parse_constant": _no_constant,
    "parse_float": _finite,
    "parse_int": _integer,
}
"""How json.loads reads the numbers that a results file may hold; others raise ValueError."""
