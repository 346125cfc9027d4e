"""A load on a fake session whose time passes by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.figures.stats import Estimate
from bench.scenarios.collect import Load
from bench.suite import Measure

from ..fakes import FakeSession

MS = 1_000_000


def load(
    run_ns: Callable[[int], float] = lambda number: MS,
    power: bool = False,
    items: int = 1,
    session: dict[str, Any] | None = None,
    report: Callable[[Estimate, int], None] = lambda estimate, items: None,
    **measure: Any,
) -> Load:
    """Four slots; a run takes a millisecond unless `run_ns` says otherwise."""
    made = FakeSession(run_ns=run_ns, **(session or {}))
    return Load(
        session=made,
        slots=4,
        items_per_run=items,
        measure=Measure(**{"budget_s": 1.0, "warmup_s": 0.5, "least_s": 0.1, **measure}),
        now=made.clock,
        power=power,
        report=report,
    )


def fake(one: Load) -> FakeSession:
    """The session behind a load."""
    assert isinstance(one.session, FakeSession)
    return one.session
