"""The harness's own benchmarks. Sides are alternated in one process or one run and compared as
ratios of medians; nothing is asserted about time, since machines are shared and noisy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

import pytest

_ROWS: list[tuple[str, str, str, str]] = []

Report = Callable[[str, str, str, str], None]


def alternate(sides: Sequence[Callable[[], float]], rounds: int) -> list[list[float]]:
    """Values of each side, taken A B A B ... B A B A, so that drift lands on all alike."""
    values: list[list[float]] = [[] for _ in sides]
    for number in range(rounds):
        order = range(len(sides)) if number % 2 == 0 else reversed(range(len(sides)))
        for side in order:
            values[side].append(sides[side]())
    return values


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median of the ratios of neighbouring values."""
    return median(a / b for a, b in zip(ours, theirs, strict=True))


@pytest.fixture
def report() -> Report:
    """report(what, ours, theirs, bar) adds a row to the table printed at the end."""

    def add(what: str, ours: str, theirs: str, bar: str) -> None:
        _ROWS.append((what, ours, theirs, bar))

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    if not _ROWS:
        return
    terminalreporter.section("the harness beside others")
    heading = ("what", "hetbench", "beside", "bar")
    widths = [max(len(row[i]) for row in (heading, *_ROWS)) for i in range(4)]
    for row in (heading, *_ROWS):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        terminalreporter.write_line("  ".join(cells).rstrip())
