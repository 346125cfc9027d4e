"""A results file for the terminal: per model its targets under one another, then what to know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from bench.axes import label
from bench.language.translate import tr
from bench.report import cells, format, grid, remarks, wrap
from bench.results.records import Case, Results, TargetRecord

NAMES_SHARE = 1 / 4
"""Names that take more of the width are shortened where columns would have no room for them."""


class Group(NamedTuple):
    """What cases share that are held against each other."""

    model: str
    precision: str
    scenario: str
    batch: int | None
    """None: each target has the one that a search found for it."""
    axes: tuple[tuple[str, int], ...]


def render(results: Results) -> Report:
    """Anything rich can print; it fits itself to the width it is printed in."""
    return Report(results)


class Report:
    """The targets, the table, the remarks."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._targets = {one.target: one for one in results.targets}
        grouped: dict[Group, list[Case]] = {}
        for case in results.cases:
            grouped.setdefault(_group(case), []).append(case)
        self._cases = [case for cases in grouped.values() for case in cases]
        self._ratios = [
            text for cases in grouped.values() for text in cells.ratios(cases, self._targets)
        ]
        self._unranked = [one for cases in grouped.values() for one in cells.unranked(cases)]
        self._groups: list[grid.Group] = []
        first = 0
        for group, cases in grouped.items():
            rows = range(first, first + len(cases))
            self._groups.append(grid.Group(_heading(group), rows))
            first = rows.stop

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Names of targets too long for the width give way to T1, T2."""
        width = options.max_width
        columns = self._columns({target: target for target in self._targets})
        short: dict[str, str] = {}
        must = [one for one in columns if one.importance <= 1]
        long = columns[0].width > NAMES_SHARE * width
        if (long and not grid.fits(columns, width)) or not grid.fits(must, width):
            short = {target: f"T{number}" for number, target in enumerate(self._targets, 1)}
            columns = self._columns(short)
        for target in self._results.targets:
            yield from wrap.lines(_target(target, short.get(target.target)), width)
        yield Text()
        if self._cases:
            shown = grid.choose(columns, width)
            yield from grid.lines(shown, self._groups)
            yield Text()
            left_out = [one.title for one in columns if one not in shown]
            yield from _wrapped(remarks.legend(shown, left_out), width)
        yield from _wrapped(remarks.remarks(self._results, self._unranked, short), width)

    def _columns(self, names: Mapping[str, str]) -> list[grid.Column]:
        """The columns that have something to say."""

        def plain(metric: str, unit: format.Unit) -> list[Text]:
            return [Text(format.brief(case.summary.get(metric), unit)) for case in self._cases]

        cases = self._cases
        shares = [cells.share_text(case, self._targets.get(case.target)) for case in cases]
        targets = [Text(names.get(case.target, case.target)) for case in cases]
        tails = plain("latency_p99_ns", format.TIME)
        few = 2 * sum(cell.plain != format.NONE for cell in tails) < len(tails)
        found = [
            grid.Column(tr("target"), targets, 0, "left"),
            grid.Column(tr("median"), [cells.figure(case) for case in cases], 0, "left"),
            grid.Column(tr("vs best"), self._ratios, 1),
            grid.Column(tr("batch"), [cells.found_batch(case) for case in cases], 2),
            grid.Column(tr("drop"), [cells.drop(case) for case in cases], 3),
            grid.Column("p99", tails, 11 if few else 7),
            grid.Column(tr("power"), plain("mean_power_w", format.WATTS), 5),
            grid.Column(tr("energy/item"), plain("joules_per_item", format.JOULES), 6),
            grid.Column(tr("of peak"), shares, 8),
            grid.Column(tr("FLOP/s"), plain("achieved_flops_per_s", format.FLOP_PER_S), 10),
            grid.Column(tr("fidelity"), [cells.error(case) for case in cases], 4),
            grid.Column(tr("agreement"), [cells.agreement(case) for case in cases], 9),
            grid.Column(tr("status"), [cells.status(case) for case in cases], 0, "left"),
        ]
        always = [one for one in found if not one.importance]
        return [one for one in found if one in always or _says_something(one.cells)]


def _wrapped(texts: Iterable[Text], width: int) -> Iterator[Text]:
    for text in texts:
        yield from wrap.lines(text, width)


def _says_something(column: Sequence[Text]) -> bool:
    return any(cell.plain not in ("", format.NONE) for cell in column)


def _group(case: Case) -> Group:
    batch = None if cells.searched(case) else case.batch
    return Group(case.model, case.precision, case.scenario, batch, tuple(case.axes.items()))


def _heading(group: Group) -> Text:
    words = [group.model, group.precision, tr(group.scenario)]
    if group.batch is not None or group.axes:
        words.append(label(group.batch, dict(group.axes)).removeprefix("autox"))
    return Text("  ".join(words), style="bold", overflow="fold")


def _target(target: TargetRecord, short: str | None) -> Text:
    text = Text(overflow="fold")
    text.append(f"{short}  {target.target}" if short else target.target, style="bold")
    words = [
        target.device.name,
        tr("1 thread" if target.threads == 1 else f"{target.threads} threads"),
    ]
    words += [f"{package} {version}" for package, version in target.versions.items()]
    text.append("  " + "  ".join(words))
    if target.simulated:
        text.append("  " + tr("SIMULATED: no real device was measured"), style="bold red")
    return text
