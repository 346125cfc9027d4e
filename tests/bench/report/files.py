"""Results files made by hand, and how they are shown."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from bench.report import table
from bench.results.records import Case, Results, Summary

from .. import examples

RATE = "throughput_items_per_s"
LATENCY = "latency_p50_ns"


def summary(value: float, n: int = 5, spread: float = 0.02, **fields: Any) -> Summary:
    """A figure with an interval of +- `spread`, from three trials on."""
    ends = {"least": value * (1 - spread), "most": value * (1 + spread)}
    interval = {"low": ends["least"], "high": ends["most"]} if n >= 3 else {}
    return Summary(**{"value": value, "n": n, **ends, **interval, **fields})


def case(target: str, model: str = "resnet8", **fields: Any) -> Case:
    """A case that ran five times, with the fields given in place of its own."""
    scenario, precision = fields.get("scenario", "single-stream"), fields.get("precision", "fp32")
    batch = "auto" if fields.get("batch_search") else f"b{fields.get('batch', 1)}"
    plain = examples.results().cases[0]
    return plain.model_copy(
        update={
            "id": f"{model}/{precision}/{batch}/{scenario}/{target}",
            "target": target,
            "model": model,
            "trials": [],
            "summary": {LATENCY: summary(1.5e6)},
            **fields,
        }
    )


def results(cases: Sequence[Case], **fields: Any) -> Results:
    """A file of the cases, with a target record for each of their targets."""
    plain = examples.results()
    record = plain.targets[0].model_copy(update={"power_reason": None})
    targets = [
        record.model_copy(update={"target": t}) for t in dict.fromkeys(c.target for c in cases)
    ]
    update = {"cases": list(cases), "targets": targets, "warnings": [], **fields}
    return plain.model_copy(update=update)


def shown(found: Results, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(table.render(found))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def row(found: Results, target: str, width: int = 100) -> list[str]:
    """The cells of a target's only row."""
    start = f"  {target}  "
    (line,) = (line for line in shown(found, width).splitlines() if line.startswith(start))
    return re.split(r"  +", line.strip())
