"""results/README.md: its example decodes a real file, and its tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from bench.figures.metrics import samples
from bench.results import file as results_file
from bench.results.records import Results
from bench.results.samples import pack
from bench.results.trial import Series, Status

from .bench.examples import part, results, series, trial

README = (Path(__file__).parents[1] / "results" / "README.md").read_text("utf-8")


@pytest.mark.parametrize("values", [[3, 1, 2**62, -(2**63), 2**63 - 1], [0.1, -2.5, np.nan]])
def test_the_example_decodes_a_file(
    values: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = series([1], samples=series([1]).samples.model_copy(update=dict(pack(values))))
    ran = trial(parts=[part(series={"latency": odd})])
    case = results().cases[0].model_copy(update={"trials": [ran]})
    (tmp_path / "results.json").write_text(results_file.dumps(results(cases=[case])))
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    found: dict[str, Any] = {}
    exec(example, found)  # the example as a reader would run it
    np.testing.assert_array_equal(found["values"], np.array(values))
    np.testing.assert_array_equal(found["values"], samples(odd.samples))


def test_every_status_is_explained() -> None:
    for status in get_args(Status):
        assert f"\n| `{status}` | " in README


def test_every_key_of_the_file_is_in_the_overview() -> None:
    overview = README.partition("## Overview")[2].partition("A **case**")[0]
    missing = [name for name in Results.model_fields if f"`{name}" not in overview]
    assert missing == []


def test_what_it_says_of_a_series_is_there() -> None:
    for name in ("warmup", "items_per_sample"):
        assert name in Series.model_fields and f"`{name}`" in README
