"""A small, valid results file to take apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields as fields_of
from typing import Any

from bench.figures.metrics import latency, summarize
from bench.results.record import Samples
from bench.results.records import SCHEMA_VERSION, Case, Results
from bench.results.samples import pack
from bench.results.trial import Part, Series, Trial
from bench.suite import Measure
from bench.system.environment import Environment

CASE_ID = "resnet8/fp32/b1/single-stream/torch@cpu:0"


def samples(values: Sequence[int] | Sequence[float]) -> Samples:
    return Samples(**pack(values))


def series(values: Sequence[int], warmup: int = 0, items: int = 1, **fields: Any) -> Series:
    """A series of the nanoseconds given."""
    return Series(
        **{
            "unit": "ns",
            "items_per_sample": items,
            "warmup": warmup,
            "steady": True,
            "stopped_by": "confidence",
            "start_ns": 1_000,
            "end_ns": 1_000 + sum(values),
            "samples": samples(values),
            **fields,
        }
    )


def timed(index: int = 0) -> Series:
    """100 latencies around a millisecond, and ten of warm-up."""
    return series([1_000_000 + 100 * (7 * i % 100) + index for i in range(110)], warmup=10)


def part(index: int = 0, **fields: Any) -> Part:
    """What one worker did that ran."""
    return Part(
        **{
            "target": "torch@cpu:0",
            "status": "ok",
            "series": {"latency": timed(index)},
            **fields,
        }
    )


def trial(index: int = 0, **fields: Any) -> Trial:
    """A trial of one part, which ended as the trial did."""
    ended = {key: fields[key] for key in ("status", "reason") if key in fields}
    return Trial(
        **{
            "index": index,
            "position": index,
            "status": "ok",
            "started_at": "2026-01-02T03:04:05+00:00",
            "wall_s": 1.5,
            "parts": [part(index, **ended)],
            "metrics": latency(timed(index), 25_000_000),
            **fields,
        }
    )


def environment(**facts: Any) -> Environment:
    """A machine of which only the facts given are known."""
    known = {
        "kernel": "6.1",
        "architecture": "x86_64",
        "hostname": "0123456789abcdef",
        "python": "CPython 3.11.7",
        "packages": {"numpy": "2.4.0"},
        "variables": {},
        "pythonpath_shadows": (),
        "unavailable": {"os": "the system gives it in a form that is not understood"},
        **facts,
    }
    return Environment(**{field.name: known.get(field.name) for field in fields_of(Environment)})


def results(**fields: Any) -> Results:
    """A results file of one case with three trials."""
    trials = [trial(index) for index in range(3)]
    device = {
        "id": "cpu:0",
        "kind": "cpu",
        "name": "A processor",
        "vendor": None,
        "uuid": None,
        "memory_bytes": 8 << 30,
        "cores": [0, 1],
        "scope": "device",
        "board": None,
        "properties": {"architecture": "x86_64"},
    }
    target = {
        "target": "torch@cpu:0",
        "backend": "torch",
        "adapter": "cpu",
        "versions": {"torch": "2.13.0"},
        "device": device,
        "threads": 2,
        "cores": [0, 1],
        "simulated": False,
        "power_reason": "no power counter is readable",
    }
    case = Case(
        id=CASE_ID,
        version="0123456789ab",
        target="torch@cpu:0",
        model="resnet8",
        size="lightweight",
        precision="fp32",
        scenario="single-stream",
        batch=1,
        items_per_run=1,
        parameters=78_666,
        flops_per_item=25_000_000,
        weight_bytes=314_664,
        settings=Measure(budget_s=1.0),
        allow_fallback=0.0,
        status="ok",
        trials=trials,
        summary=summarize([one.metrics for one in trials]),
    )
    return Results.model_validate(
        {
            "kind": "hetbench-results",
            "schema_version": SCHEMA_VERSION,
            "hetbench_version": "0.1.0",
            "simulated": False,
            "run": {
                "id": "7d1f9f3e-0000-4000-8000-000000000000",
                "started_at": "2026-01-02T03:04:05+00:00",
                "finished_at": "2026-01-02T03:05:05+00:00",
                "complete": True,
                "resumed": 0,
                "seed": 0,
                "order": [f"{CASE_ID}#{index}" for index in range(3)],
            },
            "suite": {"name": "smoke", "version": 1, "digest": "0123456789ab"},
            "environment": environment(),
            "targets": [target],
            "cases": [case],
            "warnings": [{"text": "the governor is powersave"}],
            **fields,
        }
    )
