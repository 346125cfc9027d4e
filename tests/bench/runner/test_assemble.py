"""What becomes of a case in the results file."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bench.runner import assemble, state

from ..examples import trial
from .plans import make


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        (("ok", "ok", "ok"), "ok"),
        (("ok", "crashed", "failed"), "crashed"),
        (("crashed", "invalid", "ok"), "invalid"),
        (("invalid", "timeout"), "invalid"),
        (("ok", "timeout"), "timeout"),
        (("ok", "ok"), "interrupted"),
    ],
)
def test_a_wrong_answer_counts_for_more_than_one_that_is_missing(
    ends: tuple[str, ...], status: str
) -> None:
    plan = make()
    states = state.fresh(plan)
    for index, end in enumerate(ends):
        states[plan.cases[0].id].add(trial(index, status=end, reason=f"it was {end}"))
    meters: Any = {one.target: SimpleNamespace(reason=None) for one in plan.targets}
    found = assemble.results(plan, states, meters, complete=True, resumed=0, changed=[])
    assert found.cases[0].status == status
