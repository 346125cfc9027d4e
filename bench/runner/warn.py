"""Warnings about a finished run, each with its remedy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from bench import scenarios
from bench.devices import datasheet
from bench.figures.metrics import THROTTLED_PERCENT
from bench.results.records import Case
from bench.results.trial import Trial
from bench.runner.plan import Plan
from bench.suite import MOST_BUDGETS
from bench.system import conditions

WIDE = 3
"""An interval this many times wider than asked for is worth a word."""


def run_warnings(plan: Plan, cases: Sequence[Case]) -> list[tuple[str, str | None]]:
    """(sentence, case id or None for the whole run), the machine's own conditions first."""
    found: list[tuple[str, str | None]] = []
    if any(target.simulated for target in plan.targets):
        found.append(("a simulated device took part: these figures measure nothing real", None))
    found += [(text, None) for text in conditions.warnings(plan.environment)]
    found += [(text, None) for text in _unsettled(cases)]
    devices = {target.target: target.device for target in plan.targets}
    for case in cases:
        if (text := datasheet.excess(case, devices[case.target])) is not None:
            found.append((text, case.id))
        found += [(text, case.id) for text in dict.fromkeys(_case_warnings(case))]
    return found


def _unsettled(cases: Sequence[Case]) -> Iterator[str]:
    """One sentence for all cases that were not level, one for all that were not exact enough."""
    ran = {case.id: (case, _explored(case)) for case in cases}
    ran = {name: (case, good) for name, (case, good) in ran.items() if good}
    restless = sum(
        not all(series.steady for trial in good for _, series in trial.every_series())
        for _, good in ran.values()
    )
    if restless:
        yield (
            f"steady state was not reached in the warm-up of {restless} of {len(ran)} cases; "
            "raise warmup_s in the suite"
        )
    excess = {name: _width(*one) / one[0].settings.confidence_width for name, one in ran.items()}
    wide = [name for name, times in excess.items() if times > WIDE]
    if wide:
        worst = max(wide, key=lambda name: excess[name])
        how = "without any interval"
        if excess[worst] < math.inf:
            how = f"{excess[worst]:.0f} times as wide"
        yield (
            f"the interval of the median stayed more than {WIDE} times as wide as asked for in "
            f"{len(wide)} of {len(ran)} cases, {how} in {worst}; quiet the machine, or raise "
            "--budget"
        )
    unsteady = sum(scenarios.is_unsteady(case) for case in cases)
    if unsteady:
        yield (
            f"the figures of {unsteady} of {len(cases)} cases are unsteady from trial to trial; "
            "quiet the machine, or raise --trials"
        )


def _explored(case: Case) -> list[Trial]:
    """The trials that are `ok` and sampled until they knew enough. A load of a set time shows what
    happens from its start on, so neither its short warm-up nor its spread is a fault."""
    return [
        trial
        for trial in case.trials
        if trial.status == "ok" and all(s.stopped_by != "time" for _, s in trial.every_series())
    ]


def _case_warnings(case: Case) -> Iterator[str]:
    tried = case.batch_search[-1].batch if case.batch_search else 0
    if case.batch_search_end == "cut-short":
        yield (
            f"the batch search was cut short, {case.batch_search_reason}; a larger batch may be "
            "faster: name one with --batch"
        )
    elif case.batch_search_end == "cap":
        yield (
            f"the batch search hit its cap of {tried}; a larger batch may be faster: name one "
            "with --batch"
        )
    drop = case.summary.get("throughput_drop_percent")
    if drop is not None and drop.value > THROTTLED_PERCENT:
        yield (
            f"throughput fell by {drop.value:.1f} % from the first to the last stretch of the load"
            ": the device throttles; look at its cooling, its power limit and what else ran"
        )
    fewest: dict[str, int] = {}
    for trial in case.trials:
        for part in trial.parts:
            if part.telemetry is not None:
                yield from part.telemetry.warnings
        for name, series in trial.every_series():
            if series.stopped_by == "limit":
                n = series.samples.n - series.warmup
                fewest[name] = min(n, fewest.get(name, n))
    for name, n in fewest.items():
        yield (
            f"the series {name} was ended at {MOST_BUDGETS:g} budgets, still short of samples (as "
            f"few as {n}); raise --budget"
        )
    busy = max((trial.parent_cpu_share or 0 for trial in case.trials), default=0.0)
    if busy > 0.02:
        yield f"the harness itself used {busy:.0%} of a core while a trial measured"


def _width(case: Case, good: Sequence[Trial]) -> float:
    """Width of the interval of the case's own figure as a share of it, of the widest trial;
    infinite without one, which is worst."""
    name, _ = scenarios.headline(case)
    widths = []
    for trial in good:
        metric = trial.metrics.get(name)
        if metric is None or metric.low is None or metric.high is None:
            return math.inf
        widths.append((metric.high - metric.low) / metric.value)
    return max(widths)
