"""The published JSON Schema of results files is the one of the records that read them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PATH = Path(__file__).parents[1] / "results" / "schema.json"


@cache
def generated() -> str:
    command = [sys.executable, "-m", "tests.schema"]
    folder = PATH.parents[1]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=True)
    return done.stdout.decode()


def test_the_published_schema_is_up_to_date() -> None:
    assert PATH.read_text("utf-8") == generated(), (
        "a record of bench/results/ has changed: run `make schema`, and raise "
        "SCHEMA_VERSION if a file of before is no longer read or means something else"
    )


def test_every_record_is_closed_and_described() -> None:
    schema = json.loads(generated())
    records = [schema, *(part for part in schema["$defs"].values() if part["type"] == "object")]
    for record in records:
        assert record["additionalProperties"] is False, record["title"]
        assert record["description"], record["title"]


def test_every_field_is_described() -> None:
    schema = json.loads(generated())
    lacking = [
        f"{record['title']}.{name}"
        for record in (schema, *schema["$defs"].values())
        for name, field in record.get("properties", {}).items()
        if not field.get("description")
    ]
    assert not lacking


def test_no_field_is_open() -> None:
    """What a field may hold is said down to its last value: nothing is of any type."""
    schema = json.loads(generated())

    def open_parts(part: object, path: str) -> Iterator[str]:
        if isinstance(part, dict):
            known = {"type", "anyOf", "$ref", "const", "enum"} & set(part)
            if not known:
                yield path
            if part.get("type") == "object" and "properties" not in part:
                if not isinstance(part.get("additionalProperties"), dict):
                    yield path
                else:
                    yield from open_parts(part["additionalProperties"], f"{path}.*")
            for name, inner in part.get("properties", {}).items():
                yield from open_parts(inner, f"{path}.{name}")
            for inner in part.get("anyOf", ()):
                yield from open_parts(inner, path)
            if part.get("type") == "array":
                yield from open_parts(part.get("items"), f"{path}[]")
        else:
            yield path

    records = {schema["title"]: schema, **schema["$defs"]}
    assert not [path for name, record in records.items() for path in open_parts(record, name)]


def test_every_whole_number_is_one_to_every_reader() -> None:
    """JSON's numbers are doubles: an integer of 2^53 or more is another one to many readers."""

    def wide(part: object, path: str) -> Iterator[str]:
        if isinstance(part, dict):
            if part.get("type") == "integer" and "const" not in part:
                below = part.get("exclusiveMaximum", part.get("maximum", float("inf")))
                if below > 2**53 or "minimum" not in part:
                    yield path
            for name, inner in part.items():
                yield from wide(inner, f"{path}.{name}")
        elif isinstance(part, list):
            for inner in part:
                yield from wide(inner, path)

    assert not list(wide(json.loads(generated()), ""))
