"""Under the table: what did not run, what may spoil the figures, why power or energy is missing."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

from rich.text import Text

from bench import scenarios
from bench.language.translate import colon, tr
from bench.report import cells
from bench.report.grid import Column
from bench.results.records import Case, Results, TargetRecord
from bench.results.trial import Trial

_Key = TypeVar("_Key", bound=Hashable)
MOST = 200
"""So many different warnings are shown; more are read by nobody, and take long to translate."""
ENOUGH = 3
"""So many cases are named after a remark, and the rest counted."""


def legend(shown: Sequence[Column], left_out: Sequence[str]) -> Iterator[Text]:
    """What the marks in the table mean, where there are any, and which columns had no room."""
    texts = [cell.plain for column in shown for cell in column.cells]
    if any(text.endswith("*") for text in texts):
        yield _dim(tr("* the batch that a search found"))
    if any(text.startswith("~") for text in texts):
        yield _dim(tr("~ not to be relied on, so neither ranked nor given with an interval"))
    if left_out:
        names = ", ".join(left_out)
        yield _dim(tr(f"no room for: {names}; a wider terminal shows them"))


def remarks(results: Results) -> Iterator[Text]:
    """One line each, equal ones as one: cases that are not `ok`, unsteady figures, warnings,
    power that is not read, energy that does not hold."""
    targets = {one.target: one for one in results.targets}
    ended = (
        ((case.status, case.reason or "no reason was recorded"), case.id)
        for case in results.cases
        if case.status != "ok"
    )
    for (status, reason), names in _shared(ended):
        yield _line(tr(status), tr(reason), names, cells.style(status))
    yield from _unsteady(results.cases)
    for case in results.cases:
        share = cells.share(case, targets.get(case.target))
        if share is not None and share > 1:
            text = (
                f"{100 * share:.0f} % of what the datasheet allows: the measurement is wrong, or "
                "the datasheet's entry is"
            )
            yield _line(tr("warning"), tr(text), [case.id], "bold red")
    warned = list(_shared((warning.text, warning.case) for warning in results.warnings))
    for text, names in warned[:MOST]:
        yield _line(tr("warning"), tr(text), names, "yellow")
    if len(warned) > MOST:
        yield _dim(tr(f"{len(warned) - MOST} more warnings are in the results file"))
    unread = ((one.power_reason, one.target) for one in results.targets if one.power_reason)
    for reason, names in _shared(unread):
        yield _line(tr("power unavailable"), tr(reason), names, "dim")
    yield from _energy(results.cases, targets)


def _unsteady(cases: Sequence[Case]) -> Iterator[Text]:
    """Why a case's main figure is not to be relied on."""
    found = ((scenarios.headline(case)[1], case.id) for case in cases)
    reasons = ((one.unsteady, name) for one, name in found if one and one.unsteady)
    for reason, names in _shared(reasons):
        yield _line(tr("unsteady"), tr(reason), names, "yellow")


def _energy(cases: Sequence[Case], targets: dict[str, TargetRecord]) -> Iterator[Text]:
    """Per target whose power is read: how many of its cases have no energy, and the first why."""
    asked: dict[str, int] = {}
    missing: dict[str, list[str]] = {}
    for case in cases:
        target = targets.get(case.target)
        ran = [trial for trial in case.trials if trial.status == "ok"]
        if target is None or target.power_reason or not ran:
            continue
        asked[case.target] = asked.get(case.target, 0) + 1
        if "joules_per_item" not in case.summary:
            why = (_no_energy(trial, target.device.id) for trial in ran)
            reason = next(filter(None, why), "no energy an item was recorded")
            missing.setdefault(case.target, []).append(reason)
    for name, reasons in missing.items():
        where = tr(f"{name}, {len(reasons)} of {asked[name]} cases")
        yield _line(tr("no valid energy"), tr(reasons[0]), [where], "yellow")


def _no_energy(trial: Trial, device: str) -> str | None:
    """Why a trial has no energy of its own device; None where it has."""
    read = [part.telemetry for part in trial.parts if part.telemetry is not None]
    if not read:
        return "no sensor was read during the trial"
    own = [figure for one in read for figure in one.figures if figure.device == device]
    if any(figure.valid for figure in own):
        return None
    said = (figure.reason for figure in own)
    return next(filter(None, said), "the trial held no stretch of steady load to read energy over")


def _shared(pairs: Iterable[tuple[_Key, str | None]]) -> Iterable[tuple[_Key, list[str]]]:
    """Equal texts once, with the names of all they concern."""
    found: dict[_Key, list[str]] = {}
    for key, name in pairs:
        found.setdefault(key, []).extend([name] if name else [])
    return found.items()


def _line(kind: str, text: str, names: Sequence[str], style: str) -> Text:
    where = ", ".join(names[:ENOUGH])
    if len(names) > ENOUGH:
        where = tr(f"{where} and {len(names) - ENOUGH} more")
    named = f" ({where})" if where else ""
    return Text(f"{kind}{colon()}{text}{named}", style, overflow="fold")


def _dim(text: str) -> Text:
    return Text(text, "dim", overflow="fold")
