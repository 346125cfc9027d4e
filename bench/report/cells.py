"""What a case has to say, one text a question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.text import Text

from bench import scenarios
from bench.devices import datasheet
from bench.figures.metrics import THROTTLED_PERCENT
from bench.language import units
from bench.language.translate import tr
from bench.report import format
from bench.results.records import Case, Summary, TargetRecord
from bench.results.trial import Fidelity

RANKED_FROM = 3
"""Trials; fewer say nothing of the spread, so nothing is best by them."""
STYLES = {"ok": "green", "invalid": "bold red", "unsupported": "dim"}


def figure(case: Case) -> Text:
    """The figure the case is judged by, with how sure it is."""
    name, found = scenarios.headline(case)
    return Text(
        format.summary(found, format.unit(name)), style="" if case.status == "ok" else "dim"
    )


def status(case: Case) -> Text:
    """`ok`, `unsupported`, ..."""
    return Text(tr(case.status), style=style(case.status))


def style(name: str) -> str:
    """Colour of a status."""
    return STYLES.get(name, "yellow")


def ratios(cases: Sequence[Case], targets: Mapping[str, TargetRecord]) -> list[Text]:
    """`best`, or the figure divided by the best's; empty where nothing can be ranked.

    Ranked are cases that are `ok`, when there are two: of at least three trials that had all their
    samples, steady, and within what the datasheet allows. Those whose intervals reach the best's
    are `tied` with it, and nothing is best where an unsteady figure may be better.
    """
    texts = [Text() for _ in cases]
    ranked: dict[int, Summary] = {}
    names = set()
    for place, case in enumerate(cases):
        name, found = scenarios.headline(case)
        if found is not None and _can_be_ranked(case, found, targets.get(case.target)):
            ranked[place] = found
            names.add(name)
    if len(names) != 1 or len(ranked) < 2:
        return texts
    (name,) = names
    higher = name.endswith("_per_s")
    best = (max if higher else min)(ranked.values(), key=lambda one: one.value)
    near = [place for place, one in ranked.items() if one is best or _reaches(one, best, higher)]
    doubted = any(_may_be_better(case, name, best, higher) for case in cases)
    for place, found in ranked.items():
        if len(near) > 1 and place in near:
            texts[place] = Text(tr("tied"))
        elif found is best and not doubted:
            texts[place] = Text(tr("best"), style="bold green")
        elif best.value:
            texts[place] = Text(f"{units.significant(found.value / best.value)}x")
    return texts


def unranked(cases: Sequence[Case]) -> Iterator[tuple[str, str]]:
    """Of cases that are held against each other: (why not ranked, case id), where neither the row
    nor another remark shows it."""
    for case in cases if len(cases) > 1 else ():
        found = scenarios.headline(case)[1]
        if found is not None and _is_steady(case, found):
            for name in _short(case):
                yield f"too few samples in the series {name}", case.id


def _can_be_ranked(case: Case, found: Summary, target: TargetRecord | None) -> bool:
    possible = (share(case, target) or 0.0) <= 1
    return _is_steady(case, found) and possible and not _short(case)


def _is_steady(case: Case, found: Summary) -> bool:
    return case.status == "ok" and found.n >= RANKED_FROM and found.unsteady is None


def _short(case: Case) -> list[str]:
    """The series of which a trial ended short of samples."""
    series = (one for trial in case.trials for one in trial.every_series())
    return list(dict.fromkeys(name for name, one in series if one.stopped_by == "limit"))


def _may_be_better(case: Case, name: str, best: Summary, higher: bool) -> bool:
    """Whether an unsteady figure has a trial that is better than the best."""
    found = case.summary.get(name)
    if case.status != "ok" or found is None or found.unsteady is None:
        return False
    return found.most > best.value if higher else found.least < best.value


def _reaches(one: Summary, best: Summary, higher: bool) -> bool:
    """Whether the intervals of two figures overlap."""
    if one.low is None or one.high is None or best.low is None or best.high is None:
        return False
    return one.high >= best.low if higher else one.low <= best.high


def searched(case: Case) -> bool:
    """Whether the batch was left to a search.

    Where the case ended before its search only the id says so, and an id may be anything: the file
    may be anyone's.
    """
    return "batch" in case.found or case.id.startswith(f"{case.model}/{case.precision}/auto")


def found_batch(case: Case) -> Text:
    """`b64*`, the batch that a search found; `-` where none was searched."""
    return Text(f"b{case.found['batch']}*" if "batch" in case.found else format.NONE)


def drop(case: Case) -> Text:
    """How much throughput fell under sustained load."""
    found = case.summary.get("throughput_drop_percent")
    if found is None:
        return Text(format.NONE)
    tenths = round(found.value, 1) + 0.0  # which makes a -0.0 a 0.0
    return Text(f"{tenths:.1f} %", style="yellow" if found.value > THROTTLED_PERCENT else "")


def share(case: Case, target: TargetRecord | None) -> float | None:
    """Operations a second as a share of the device's datasheet, 1 being all of it."""
    return datasheet.share(case, target.device) if target else None


def share_text(case: Case, target: TargetRecord | None) -> Text:
    """The share in percent; red where it is more than there is."""
    found = share(case, target)
    if found is None:
        return Text(format.NONE)
    return Text(units.percent(100 * found), style="bold red" if found > 1 else "")


def error(case: Case) -> Text:
    """The worst trial's relative error: `err 1.6e-6`, or `err NaN` for outputs not finite."""
    seen = [one.relative_l2 for one in _checks(case)]
    if not seen:
        return Text(format.NONE)
    finite = [one for one in seen if one is not None]
    text = f"err {format.error(max(finite))}" if len(finite) == len(seen) else "err NaN"
    return Text(tr(text))


def agreement(case: Case) -> Text:
    """Of a classifier, the items whose largest output is the right one: `top-1 4 of 4`."""
    checked = _checks(case)
    seen = [(one.top1_agreement, one.items) for one in checked if one.top1_agreement is not None]
    if not seen:
        return Text(format.NONE)
    worst, items = min(seen)
    # rounded down: an item that agreed in some of its copies in a batch did not agree
    return Text(tr(f"top-1 {int(worst * items + 1e-9)} of {items}"))


def _checks(case: Case) -> list[Fidelity]:
    """How right the outputs were, of every part that came to be checked."""
    parts = (part for trial in case.trials for part in trial.parts)
    return [part.fidelity for part in parts if part.fidelity]
