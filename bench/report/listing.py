"""A plain table that stays readable in any width: cells are wrapped between words, and where the
columns would be too narrow for that, each row is a paragraph of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from bench.language.plain import plain
from bench.language.translate import colon
from bench.report import wrap

GAP = 2
"""Cells between two columns, and before what belongs to a paragraph."""
READABLE = 24
"""Cells; no column is made narrower, so that short texts stay on one line."""
EMPTY = ("", "-")


class Listing:
    """Rows of text under their headings."""

    def __init__(self, headings: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
        self._headings = [Text(heading, style="bold") for heading in headings]
        self._rows = [[_text(cell) for cell in row] for row in rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table, or the paragraphs, in the width there is."""
        widths = _widths([self._headings, *self._rows], options.max_width)
        if widths is None:
            for row in self._rows:
                yield from self._paragraph(row, options.max_width)
        else:
            for row in [self._headings, *self._rows]:
                yield from _row(row, widths)

    def _paragraph(self, row: Sequence[Text], width: int) -> Iterator[Text]:
        first, *rest = row
        yield Text.assemble(first, style="bold")
        line = Text()
        for heading, cell in zip(self._headings[1:], rest, strict=True):
            if cell.plain in EMPTY:
                continue
            said = Text.assemble(heading.plain, colon(), cell)
            if line and line.cell_len + said.cell_len + 2 * GAP > width:
                yield from _indented(line, width)
                line = Text()
            line.append_text(Text("  ") + said if line else said)
        if line:
            yield from _indented(line, width)


def _text(cell: str | Text) -> Text:
    return cell if isinstance(cell, Text) else Text(plain(cell))


def _widths(rows: Sequence[Sequence[Text]], width: int) -> list[int] | None:
    """Of each column, the widest ones narrowed until all go side by side; None if they do not."""
    columns = list(zip(*rows, strict=True))
    widths = [max(cell.cell_len for cell in column) for column in columns]
    least = [
        max(min(widest, READABLE), *map(wrap.longest_word, column))
        for widest, column in zip(widths, columns, strict=True)
    ]
    room = width - GAP * (len(columns) - 1)
    if sum(least) > room:
        return None
    while sum(widths) > room:
        widest = max(range(len(widths)), key=lambda n: (widths[n] > least[n], widths[n]))
        widths[widest] -= 1
    return widths


def _row(cells: Sequence[Text], widths: Sequence[int]) -> Iterator[Text]:
    columns = [wrap.lines(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for number in range(max(map(len, columns))):
        line = Text()
        for column, width in zip(columns, widths, strict=True):
            part = column[number] if number < len(column) else Text()
            line.append_text(part)
            line.append(" " * (width - part.cell_len + GAP))
        line.rstrip()
        yield line


def _indented(text: Text, width: int) -> Iterator[Text]:
    for line in wrap.lines(text, width - GAP):
        yield Text(" " * GAP) + line
