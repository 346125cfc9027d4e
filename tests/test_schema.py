"""The published JSON Schema of results files is the one of the records that read them."""

from __future__ import annotations

import json
from pathlib import Path

from bench.results import SCHEMA_VERSION, Results

PATH = Path(__file__).parents[1] / "results" / "schema.json"


def generated() -> str:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Results.model_json_schema(),
        "title": f"hetbench results, schema version {SCHEMA_VERSION}",
    }
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def test_the_published_schema_is_up_to_date() -> None:
    assert PATH.read_text("utf-8") == generated(), (
        "bench/results.py has changed: run `python tests/test_schema.py`, and raise SCHEMA_VERSION "
        "if a file of before is no longer read or means something else"
    )


def test_every_record_is_closed_and_described() -> None:
    schema = json.loads(generated())
    records = [schema, *(part for part in schema["$defs"].values() if part["type"] == "object")]
    for record in records:
        assert record["additionalProperties"] is False, record["title"]
        assert record["description"], record["title"]


if __name__ == "__main__":
    PATH.write_text(generated(), "utf-8")
