"""Under the table: what did not run, what may spoil the figures, why power or energy is missing."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from rich.text import Text

from bench import scenarios
from bench.devices import datasheet
from bench.language.translate import colon, listing, tr
from bench.report import alike, cells
from bench.report.grid import Column
from bench.results.records import Case, Results, TargetRecord
from bench.results.trial import Trial

_Key = TypeVar("_Key", bound=Hashable)
MOST = 200
"""So many different warnings are shown; more are read by nobody, and take long to translate."""
ENOUGH = 3
"""So many cases are named after a remark, and the rest counted."""


class Remark(NamedTuple):
    """A line under the table, in English."""

    kind: str
    """What the text is about; none: the text says it."""
    text: str
    names: list[str]
    """Cases or targets."""
    style: str


def legend(shown: Sequence[Column], left_out: Sequence[str]) -> Iterator[Text]:
    """What the marks in the table mean, where there are any, and which columns had no room."""
    texts = [cell.plain for column in shown for cell in column.cells]
    if any(text.endswith("*") for text in texts):
        yield _dim(tr("* the batch that a search found"))
    if any(re.fullmatch(r"[\d.]+x", text) for text in texts):
        yield _dim(
            tr(
                "1.50x: the median divided by the best one's; of a time more is slower, of a rate "
                "less is slower"
            )
        )
    if any(text.startswith("~") for text in texts):
        yield _dim(tr("~ not to be relied on, so neither ranked nor given with an interval"))
    if left_out:
        names = listing(left_out)
        yield _dim(tr(f"no room for: {names}; a wider terminal shows them"))


def remarks(
    results: Results, unranked: Iterable[tuple[str, str]], short: Mapping[str, str]
) -> Iterator[Text]:
    """One line each, equal ones as one: cases that are not `ok`, unsteady figures, steady ones that
    are not ranked, warnings, power that is not read, energy that does not hold. `short` has what
    the table calls its targets, where that is not their own names."""
    called = _called(results.cases, short)
    for kind, text, names, style in _found(results, unranked):
        named = re.sub(r"[^\s,;()]+", lambda word: called.get(word[0], word[0]), text)
        yield _line(tr(kind), tr(named), [called.get(name, name) for name in names], style)


def _called(cases: Sequence[Case], short: Mapping[str, str]) -> dict[str, str]:
    """What to write for a target and for the id of a case, which ends with its target."""
    called = dict(short)
    for case in cases:
        if case.target in short and case.id.endswith(case.target):
            called[case.id] = case.id.removesuffix(case.target) + short[case.target]
    return called


def _found(results: Results, unranked: Iterable[tuple[str, str]]) -> Iterator[Remark]:
    targets = {one.target: one for one in results.targets}
    if any(case.beside for case in results.cases):
        text = (
            f"measured at the same time, {len(targets)} targets (--parallel): to be compared with "
            "runs of the same targets in parallel alone"
        )
        yield Remark("", text, [], "dim")
    ended = (
        ((case.status, case.reason or "no reason was recorded"), case.id)
        for case in results.cases
        if case.status != "ok"
    )
    for (status, reason), names in _shared(ended):
        yield Remark(status, reason, names, cells.style(status))
    yield from _unsteady(results.cases)
    for reason, names in _shared(unranked):
        yield Remark("not ranked", reason, names, "yellow")
    impossible = {
        (said, case.id): None
        for case in results.cases
        if (target := targets.get(case.target)) and (said := datasheet.excess(case, target.device))
    }
    for text, names in _shared(impossible):
        yield Remark("warning", text, names, "bold red")
    stored = ((warning.text, warning.case) for warning in results.warnings)
    warned = list(alike.together(one for one in stored if one not in impossible))
    for text, names in warned[:MOST]:
        yield Remark("warning", text, names, "yellow")
    if len(warned) > MOST:
        text = f"{len(warned) - MOST} more warnings are in the results file"
        yield Remark("", text, [], "dim")
    unread = ((one.power_reason, one.target) for one in results.targets if one.power_reason)
    for reason, names in _shared(unread):
        yield Remark("power unavailable", reason, names, "dim")
    yield from _energy(results.cases, targets)


def _unsteady(cases: Sequence[Case]) -> Iterator[Remark]:
    """Why a case's main figure is not to be relied on."""
    found = ((scenarios.headline(case)[1], case.id) for case in cases)
    reasons = ((one.unsteady, name) for one, name in found if one and one.unsteady)
    for reason, names in alike.together(reasons):
        yield Remark("unsteady", reason, names, "yellow")


def _energy(cases: Sequence[Case], targets: Mapping[str, TargetRecord]) -> Iterator[Remark]:
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
        text = f"in {len(reasons)} of {asked[name]} cases: {reasons[0]}"
        yield Remark("no valid energy", text, [name], "yellow")


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
    where = listing(names[:ENOUGH])
    if len(names) > ENOUGH:
        where = tr(f"{where} and {len(names) - ENOUGH} more")
    named = f" ({where})" if where else ""
    label = f"{kind}{colon()}" if kind else ""
    return Text(f"{label}{text}{named}", style, overflow="fold")


def _dim(text: str) -> Text:
    return Text(text, "dim", overflow="fold")
