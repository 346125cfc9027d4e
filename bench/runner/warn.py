"""Warnings about a finished run, each with its remedy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench import environment
from bench.results import Case, Trial
from bench.runner.plan import Plan

WIDE = 3.0
"""An interval this many times wider than asked for is worth a word."""


def run_warnings(plan: Plan, cases: Sequence[Case]) -> list[tuple[str, str | None]]:
    """(sentence, case id or None for the whole run), the machine's own conditions first."""
    found: list[tuple[str, str | None]] = []
    if any(target.simulated for target in plan.targets):
        found.append(("a simulated device took part: these figures measure nothing real", None))
    found += [(text, None) for text in environment.warnings(plan.environment)]
    for case in cases:
        found += [(text, case.id) for text in dict.fromkeys(_case_warnings(case))]
    return found


def _case_warnings(case: Case) -> Iterator[str]:
    good = [trial for trial in case.trials if trial.status == "ok"]
    if good and not all(series.steady for trial in good for series in trial.series.values()):
        yield "steady state was not reached in the warm-up; raise warmup_s in the suite"
    asked = float(case.settings["confidence_width"] or 0)
    wide = max((_width(trial) for trial in good), default=0.0)
    if asked and wide > WIDE * asked:
        yield (
            f"the interval of the median is {wide:.0%} wide where {asked:.0%} was asked for; "
            "quiet the machine, or raise --budget"
        )
    for trial in good:
        if trial.telemetry is not None:
            yield from trial.telemetry.warnings
    busy = max((trial.parent_cpu_share or 0 for trial in case.trials), default=0.0)
    if busy > 0.02:
        yield f"the harness itself used {busy:.0%} of a core while a trial measured"


def _width(trial: Trial) -> float:
    metric = trial.metrics.get("latency_p50_ns") or trial.metrics.get("throughput_items_per_s")
    if metric is None or metric.low is None or metric.high is None:
        return 0.0
    return (metric.high - metric.low) / metric.value
