"""The summary table of a results file, its warnings and notes, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.report import format
from bench.results import Case, Fidelity, Results, TargetRecord, Trial
from bench.text import tr

STYLES = {"ok": "green", "invalid": "bold red", "unsupported": "dim"}


def render(results: Results) -> RenderableType:
    """One table per target, then reasons of what did not run, then warnings."""
    parts: list[RenderableType] = []
    cases: dict[str, list[Case]] = {}
    for case in results.cases:
        cases.setdefault(case.target, []).append(case)
    for target in results.targets:
        parts += [_heading(target), _table(cases.get(target.target, [])), Text()]
    parts += [Text(f"{tr(kind)}: {text}", style=style) for kind, text, style in _remarks(results)]
    return Group(*parts)


def _heading(target: TargetRecord) -> Text:
    words = [target.target, target.device.name, tr(f"{target.threads} threads")]
    words += [f"{name} {version}" for name, version in target.versions.items()]
    text = Text("  ".join(words), style="bold", overflow="fold")
    if target.simulated:
        text.append("  " + tr("SIMULATED: no real device was measured"), style="bold red")
    return text


def _table(cases: list[Case]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(tr("model"), no_wrap=True)
    table.add_column(tr("precision"), no_wrap=True)
    table.add_column(tr("scenario"), no_wrap=True)
    for name in ("batch", "p50", "p99", "items/s", "FLOP/s"):
        table.add_column(tr(name), justify="right", no_wrap=True)
    with_power = any("joules_per_item" in case.summary for case in cases)
    if with_power:
        table.add_column(tr("J/item"), justify="right", no_wrap=True)
    table.add_column(tr("fidelity"), justify="right", no_wrap=True)
    table.add_column(tr("status"), no_wrap=True)
    for case in cases:
        shown = case.summary
        cells = [
            Text(case.model),
            Text(case.precision),
            Text(tr(case.scenario)),
            Text(str(case.batch)),
            Text(format.duration(shown.get("latency_p50_ns"))),
            Text(format.duration(shown.get("latency_p99_ns"))),
            Text(format.rate(shown.get("throughput_items_per_s"))),
            Text(format.rate(shown.get("achieved_flops_per_s")).split(" [")[0]),
        ]
        if with_power:
            cells.append(Text(format.rate(shown.get("joules_per_item"))))
        cells += [
            Text(_fidelity(case.trials)),
            Text(tr(case.status), style=STYLES.get(case.status, "yellow")),
        ]
        table.add_row(*cells)
    return table


def _fidelity(trials: list[Trial]) -> str:
    """The worst trial's error and agreement: `3.1e-07` or `0.0092 100%`."""
    seen: list[Fidelity] = [trial.fidelity for trial in trials if trial.fidelity]
    if not seen:
        return format.NONE
    if any(one.relative_l2 is None for one in seen):
        return "NaN"
    worst = max(seen, key=lambda one: one.relative_l2 or 0.0)
    text = f"{worst.relative_l2:.1e}"
    if worst.top1_agreement is not None:
        text += f" {min(one.top1_agreement or 0.0 for one in seen):.0%}"
    return text


def _remarks(results: Results) -> Iterator[tuple[str, str, str]]:
    for case in results.cases:
        if case.status != "ok":
            reason = tr(case.reason) if case.reason else tr("no reason was recorded")
            yield tr(case.status), f"{case.id}: {reason}", STYLES.get(case.status, "yellow")
    shared: dict[str, list[str]] = {}
    for warning in results.warnings:
        shared.setdefault(warning.text, []).extend([warning.case] if warning.case else [])
    for text, cases in shared.items():
        where = f" ({', '.join(cases)})" if cases else ""
        yield tr("warning"), tr(text) + where, "yellow"
    reasons: dict[str, list[str]] = {}
    for target in results.targets:
        if target.power_reason:
            reasons.setdefault(target.power_reason, []).append(target.target)
    for reason, targets in reasons.items():
        yield tr("power unavailable"), f"{tr(reason)} ({', '.join(targets)})", "dim"
