"""What `--strict` asks of a results file: that every case's own figure can be relied on."""

from __future__ import annotations

from bench import scenarios
from bench.devices import datasheet
from bench.results.records import Case, Results


def is_doubtful(results: Results) -> bool:
    """Whether any case's headline is unsteady, is more than the device's datasheet allows, or rests
    on a batch search that was cut short or on a trial that ended with fewer than its least
    samples."""
    devices = {target.target: target.device for target in results.targets}
    return any(
        _is_unsure(case) or datasheet.excess(case, devices[case.target]) is not None
        for case in results.cases
    )


def _is_unsure(case: Case) -> bool:
    if scenarios.is_unsteady(case) or case.batch_search_end == "cut-short":
        return True
    series = [one for trial in case.trials for _, one in trial.every_series()]
    return any(one.stopped_by == "limit" for one in series)
