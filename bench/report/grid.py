"""A table of groups of rows that fits a width by leaving columns out, never by cutting a cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.text import Text

GAP = 2
"""Cells between two columns, and before the first."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `cells` has one a row."""

    title: str
    cells: Sequence[Text]
    importance: int
    """0 is always shown; of the others, those with the lowest number go in first."""
    justify: Literal["left", "right"] = "right"

    @property
    def width(self) -> int:
        """Cells that the widest content takes; a Chinese character takes two."""
        return max([Text(self.title).cell_len, *(cell.cell_len for cell in self.cells)])


@dataclass(frozen=True, slots=True)
class Group:
    """A heading over some of the rows."""

    heading: Text
    rows: range


def fits(columns: Sequence[Column], width: int) -> bool:
    """Whether all the columns go side by side."""
    return sum(column.width + GAP for column in columns) <= width


def choose(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns that go into the width, in their order: all of importance 0, then others while
    there is room."""
    chosen = [column for column in columns if not column.importance]
    used = sum(column.width + GAP for column in chosen)
    for column in sorted(columns, key=lambda one: one.importance):
        if column.importance and used + column.width + GAP <= width:
            chosen.append(column)
            used += column.width + GAP
    shown = set(map(id, chosen))
    return [column for column in columns if id(column) in shown]


def lines(columns: Sequence[Column], groups: Sequence[Group]) -> Iterator[Text]:
    """The titles, then each group's heading and rows, padded so that each column stands level."""
    widths = [column.width for column in columns]
    sides = [column.justify for column in columns]
    yield _line([Text(column.title, style="bold") for column in columns], widths, sides)
    for group in groups:
        yield group.heading
        for row in group.rows:
            yield _line([column.cells[row] for column in columns], widths, sides)


def _line(cells: Sequence[Text], widths: Sequence[int], sides: Sequence[str]) -> Text:
    line = Text(overflow="fold")
    for cell, width, side in zip(cells, widths, sides, strict=True):
        padding = " " * (width - cell.cell_len)
        line.append(" " * GAP)
        if side == "right":
            line.append(padding)
        line.append_text(cell)
        if side == "left":
            line.append(padding)
    line.rstrip()
    return line
