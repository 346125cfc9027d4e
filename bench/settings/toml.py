"""Reading TOML into frozen dataclasses, strictly, with the line and key in every error.

Suites, model cards, adapters and rule files all come through here. A dataclass's type hints are
the schema: unknown keys, missing keys and wrong types are refused.
"""

from __future__ import annotations

import dataclasses
import re
import sys
import types
import typing
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar

from bench.errors import RefusedInput
from bench.settings import bounded

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # the same code under its older name

T = TypeVar("T")
MAX_BYTES = 1 << 18
MAX_DOTS = 100
"""In a line: tomllib takes time and memory with the square of the parts of a dotted key."""


def read(path: Path) -> dict[str, Any]:
    """Parse one TOML file of at most 256 KiB; raises RefusedInput."""
    data = bounded.read(path, MAX_BYTES)
    if len(data) > MAX_BYTES:
        raise RefusedInput(f"{path} is larger than {MAX_BYTES} bytes; it is not a settings file")
    if any(line.count(b".") > MAX_DOTS for line in data.splitlines()):
        raise RefusedInput(
            f"{path} is not valid TOML: a line has more than {MAX_DOTS} dots, and a key of many "
            "parts takes the square of their number to read"
        )
    try:
        table: dict[str, Any] = tomllib.loads(data.decode("utf-8-sig"))  # some editors begin so
    except (ValueError, RecursionError) as error:  # of syntax, encoding, or a number's length
        raise RefusedInput(f"{path} is not valid TOML: {error}") from error
    if _has_huge_integer(table):
        raise RefusedInput(f"{path} is not valid TOML: an integer does not fit into 64 bits")
    return table


def _has_huge_integer(table: dict[str, Any]) -> bool:
    """Whether there is an integer that TOML does not promise and that no float may hold."""
    left: list[Any] = [table]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
        elif type(value) is int and not -(2**63) <= value < 2**63:
            return True
    return False


def load(cls: type[T], path: Path) -> T:
    """Read `path` as one `cls`; raises RefusedInput naming line and key."""
    return convert(cls, read(path), path)


def convert(cls: type[T], table: Any, path: Path, at: tuple[str | int, ...] = ()) -> T:
    """Make a `cls` from a parsed table found in `path` under the key path `at`."""
    return typing.cast(T, _value(cls, table, path, at))


def problem(path: Path, at: tuple[str | int, ...], problem: str) -> RefusedInput:
    """A RefusedInput for the key path `at` of the file, with its line."""
    key = ".".join(str(part) for part in at) or "(top level)"
    line = _line(path, at)
    return RefusedInput(f"{path}:{line}: {key}: {problem}")


def _value(hint: Any, value: Any, path: Path, at: tuple[str | int, ...]) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _record(hint, value, path, at)
    if origin in (typing.Union, types.UnionType):
        return _union(args, value, path, at)
    if origin is Literal:
        if value not in args:
            raise problem(path, at, f"{value!r} is none of {', '.join(map(str, args))}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise problem(path, at, f"{value!r} is not a list")
        return tuple(_value(args[0], v, path, (*at, i)) for i, v in enumerate(value))
    if origin in (dict, Mapping) or hint in (dict, Mapping):
        if not isinstance(value, dict):
            raise problem(path, at, f"{value!r} is not a table")
        inner = args[1] if args else Any
        return {k: _value(inner, v, path, (*at, k)) for k, v in value.items()}
    if hint is Any:
        return value
    if hint is float and type(value) is int:
        try:
            return float(value)
        except OverflowError as error:  # not from TOML: from what another process said
            raise problem(path, at, "the number is larger than a float can be") from error
    if type(value) is not hint:
        raise problem(path, at, f"{value!r} is not of type {hint.__name__}")
    return value


def _union(args: tuple[Any, ...], value: Any, path: Path, at: tuple[str | int, ...]) -> Any:
    if value is None and type(None) in args:
        return None
    problems = []
    for option in args:
        if option is type(None):
            continue
        try:
            return _value(option, value, path, at)
        except RefusedInput as error:
            problems.append(error)
    raise problems[0]


def _record(cls: type, table: Any, path: Path, at: tuple[str | int, ...]) -> Any:
    if not isinstance(table, dict):
        raise problem(path, at, f"{table!r} is not a table")
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in table:
        if key not in fields:
            near = get_close_matches(key, fields, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(fields)}"
            raise problem(path, (*at, key), f"unknown key{hint}")
    for name, field in fields.items():
        required = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if required and name not in table:
            raise problem(path, at, f"the key {name!r} is missing")
    values = {k: _value(hints[k], v, path, (*at, k)) for k, v in table.items()}
    try:
        return cls(**values)
    except ValueError as error:  # a __post_init__ check
        raise problem(path, (*at, *_culprit(cls, values, error)), str(error)) from error


def _culprit(cls: type, values: Mapping[str, Any], error: ValueError) -> tuple[str, ...]:
    """The key path of the first value without which this error is not raised.

    Empty where no single one is to blame, or it is one that cannot be left out.
    """
    for key in values:
        less = {name: value for name, value in values.items() if name != key}
        if _raises(cls, less, error):
            continue
        entries = values[key] if isinstance(values[key], dict) else {}
        for name in entries:
            rest = {one: value for one, value in entries.items() if one != name}
            if not _raises(cls, {**values, key: rest}, error):
                return (key, name)
        return (key,)
    return ()


def _raises(cls: type, values: Mapping[str, Any], error: ValueError) -> bool:
    """Whether the values give the same error, or are too few to tell."""
    try:
        cls(**values)
    except TypeError:  # a key that is needed
        return True
    except ValueError as other:
        return str(other) == str(error)
    return False


_PART = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_KEY = re.compile(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*=")


def _parts(key: str) -> list[str]:
    """The parts of a dotted key, of which those in quotes may hold anything."""
    return [part.strip("\"'") for part in re.findall(_PART, key)]


def _line(path: Path, at: tuple[str | int, ...]) -> int:
    """Line on which the key path starts, found in the text since tomllib keeps no positions."""
    if not path.is_file():  # a record that came from another process, not from a file
        return 0
    wanted = [part for part in at if isinstance(part, str)]
    counts = [part for part in at if isinstance(part, int)]
    table: list[str] = []
    seen: dict[str, int] = {}
    best = 1
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
        header = _header(line)
        key = _KEY.match(line)
        if header:
            name, is_item = header
            table = _parts(name)
            if is_item:
                seen[name] = seen.get(name, -1) + 1
                if counts and seen[name] != counts[0]:
                    table = ["(another item)"]
            here = table
        elif key:
            here = [*table, *_parts(key[1])]
        else:
            continue
        if here == wanted[: len(here)]:
            best = number
            if here == wanted:
                break
    return best


def _header(line: str) -> tuple[str, bool] | None:
    """Name of a table's header, and whether it begins an item of a list; None for another line."""
    text = line.strip()
    if not text.startswith("["):
        return None
    is_item = text.startswith("[[")
    name, closed, _ = text.lstrip("[").partition("]")
    return (name.strip(), is_item) if closed and name.strip() else None
