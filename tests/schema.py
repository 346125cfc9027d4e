"""Prints the JSON Schema of results files: `make schema` publishes it as results/schema.json.

A program of its own: the records take their descriptions from the text of their code only here,
since reading it would cost every command 40 ms.
"""

from __future__ import annotations

import json

from bench.results.record import Record

Record.model_config["use_attribute_docstrings"] = True  # before any record is made from it

from bench.results.records import SCHEMA_VERSION, Results  # noqa: E402


def main() -> None:
    """Print it."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Results.model_json_schema(),
        "title": f"hetbench results, schema version {SCHEMA_VERSION}",
    }
    print(json.dumps(schema, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
