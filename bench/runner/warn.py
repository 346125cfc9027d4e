"""Warnings about a finished run, each with its remedy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench import environment
from bench.results import Case, Trial
from bench.runner.plan import Plan

WIDE = 3
"""An interval this many times wider than asked for is worth a word."""


def run_warnings(plan: Plan, cases: Sequence[Case]) -> list[tuple[str, str | None]]:
    """(sentence, case id or None for the whole run), the machine's own conditions first."""
    found: list[tuple[str, str | None]] = []
    if any(target.simulated for target in plan.targets):
        found.append(("a simulated device took part: these figures measure nothing real", None))
    found += [(text, None) for text in environment.warnings(plan.environment)]
    found += [(text, None) for text in _unsettled(cases)]
    for case in cases:
        found += [(text, case.id) for text in dict.fromkeys(_case_warnings(case))]
    return found


def _unsettled(cases: Sequence[Case]) -> Iterator[str]:
    """One sentence for all cases that were not level, one for all that were not exact enough."""
    ran = [(case, [t for t in case.trials if t.status == "ok"]) for case in cases]
    ran = [(case, good) for case, good in ran if good]
    restless = sum(
        not all(series.steady for trial in good for series in trial.series.values())
        for _, good in ran
    )
    if restless:
        yield (
            f"steady state was not reached in the warm-up of {restless} of {len(ran)} cases; "
            "raise warmup_s in the suite"
        )
    excess = {
        case.id: max(map(_width, good)) / case.settings.confidence_width for case, good in ran
    }
    wide = [name for name, times in excess.items() if times > WIDE]
    if wide:
        worst = max(wide, key=lambda name: excess[name])
        yield (
            f"the interval of the median stayed more than {WIDE} times as wide as asked for in "
            f"{len(wide)} of {len(ran)} cases, {excess[worst]:.0f} times in {worst}; quiet the "
            "machine, or raise --budget"
        )


def _case_warnings(case: Case) -> Iterator[str]:
    for trial in case.trials:
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
