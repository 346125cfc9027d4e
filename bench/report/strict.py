"""What `--strict` asks of a results file: that every case's own figure can be relied on."""

from __future__ import annotations

from bench import scenarios
from bench.results.records import Case, Results


def is_unsteady(results: Results) -> bool:
    """Whether any case's headline is unsteady, or rests on a batch search that was cut short or
    on a trial that ended with fewer than its least samples."""
    return any(map(_is_unsteady, results.cases))


def _is_unsteady(case: Case) -> bool:
    if scenarios.is_unsteady(case) or case.batch_search_end == "cut-short":
        return True
    series = [one for trial in case.trials for _, one in trial.every_series()]
    return any(one.stopped_by == "limit" for one in series)
