"""What a finished run is warned of, and what it is not."""

from __future__ import annotations

from typing import Any

import pytest

from bench.figures import metrics
from bench.figures.metrics import summarize
from bench.report.strict import is_doubtful
from bench.results.records import BatchPoint, Case
from bench.results.trial import Trial
from bench.runner.warn import run_warnings
from bench.suite import Measure
from bench.system import conditions

from ..examples import part, results, series, trial
from .plans import make

MS = 1_000_000


def case(*trials: Trial, **fields: Any) -> Case:
    good = [one.metrics for one in trials if one.status == "ok"]
    changes = {
        "trials": list(trials),
        "summary": summarize(good),
        "settings": Measure(),
        **fields,
    }
    return results().cases[0].model_copy(update=changes)


def with_series(index: int = 0, name: str = "latency", **fields: Any) -> Trial:
    values = fields.pop("values", [MS] * 20)
    made = {name: series(values, warmup=1, **fields)}
    figures = metrics.latency(made[name], None)
    if name != "latency":
        figures = metrics.throughput("throughput", made[name])
    return trial(index, parts=[part(series=made)], metrics=figures)


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that nothing is to be said of."""
    monkeypatch.setattr(conditions, "warnings", lambda env: [])


def said(*cases: Case) -> list[str]:
    """The sentences of all warnings."""
    return [text for text, _ in run_warnings(make(), cases)]


def test_nothing_is_said_of_level_and_exact_trials() -> None:
    assert said(case(with_series())) == []


def test_a_trial_without_an_interval_is_the_least_exact() -> None:
    exact = case(with_series())
    poor = case(with_series(values=[MS] * 20), with_series(1, values=[9 * MS, 45 * MS]), id="poor")
    (text,) = said(exact, poor)
    assert "in 1 of 2 cases, without any interval in poor; quiet the machine" in text


def test_the_widest_interval_is_named() -> None:
    wide = case(with_series(values=[MS, *[MS, 2 * MS] * 10]))
    (text,) = said(wide)
    assert f"in 1 of 1 cases, 50 times as wide in {wide.id}; quiet the machine" in text


def test_a_load_of_a_set_time_is_not_asked_to_be_warm_or_exact() -> None:
    values = [MS] * 10 + [3 * MS] * 10 + [MS] * 10
    timed = with_series(name="round", values=values, steady=False, stopped_by="time")
    assert said(case(timed, scenario="sustained")) == []
    (restless, wide) = said(
        case(timed, id="timed"), case(with_series(name="round", values=values, steady=False))
    )
    assert "in the warm-up of 1 of 1 cases" in restless and "in 1 of 1 cases" in wide


def test_a_trial_of_too_few_samples_is_said_with_its_case() -> None:
    lengths = (11, 9, 10)
    short = case(
        *(with_series(n, values=[MS] * size, stopped_by="limit") for n, size in enumerate(lengths))
    )
    assert [one for one in run_warnings(make(), [short]) if "budgets" in one[0]] == [
        (
            "the series latency was ended at 4 budgets, still short of samples (as few as 8); "
            "raise --budget",
            short.id,
        )
    ]


def test_unsteady_cases_are_counted() -> None:
    values = (MS, 2 * MS, 3 * MS)
    loose = case(*(with_series(i, values=[value] * 20) for i, value in enumerate(values)))
    (text,) = said(case(with_series()), loose)
    assert text.startswith("the figures of 1 of 2 cases are unsteady from trial to trial; ")


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("level", None),
        ("slower", None),
        ("memory", None),
        ("refused", None),
        ("cap", "the batch search hit its cap of 64"),
        ("cut-short", "the batch search was cut short, at batch 64: it died"),
    ],
)
def test_a_search_that_did_not_end_by_itself_is_said(end: str, words: str | None) -> None:
    searched = case(
        with_series(),
        batch_search=[BatchPoint(batch=64, items_per_s=1.0)],
        batch_search_end=end,
        batch_search_reason="at batch 64: it died" if end == "cut-short" else None,
    )
    found = run_warnings(make(), [searched])
    assert any(words is not None and text.startswith(words) for text, _ in found) == bool(words)
    assert is_doubtful(results().model_copy(update={"cases": [searched]})) == (end == "cut-short")


def test_what_strict_refuses() -> None:
    def of(one: Case) -> bool:
        return is_doubtful(results().model_copy(update={"cases": [one]}))

    assert not of(case(with_series()))
    assert of(case(with_series(stopped_by="limit")))
    values = (MS, 2 * MS, 3 * MS)
    assert of(case(*(with_series(i, values=[value] * 20) for i, value in enumerate(values))))
