"""Prepared files are looked at before every trial, and made again where they are damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.errors import HetbenchError
from bench.runner import preparing
from bench.runner.state import fresh
from bench.system import cache

from .plans import make


class Notes:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_file_damaged_during_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HETBENCH_CACHE", str(tmp_path))

    def make_file(path: Path) -> None:
        path.write_text("whole")

    plan = make()
    states = fresh(plan)
    case = plan.cases[0]
    path = cache.prepared("abc", ".npz", make_file)
    states[case.id].reference = str(path)
    calls = []

    def prepare(*_: Any) -> None:
        calls.append(cache.prepared("abc", ".npz", make_file))

    monkeypatch.setattr(preparing, "prepare", prepare)
    listener: Any = Notes()
    assert not preparing.mend(plan, case, states, listener)
    path.write_text("whale")
    assert preparing.mend(plan, case, states, listener)
    assert not preparing.mend(plan, case, states, listener)
    assert calls == [path]
    assert listener.notes == [f"the prepared file {path.name} was damaged; it is made again"]
    path.unlink()
    monkeypatch.setattr(preparing, "prepare", lambda *_: None)
    with pytest.raises(HetbenchError, match="damaged as soon as it was made"):
        preparing.mend(plan, case, states, listener)
