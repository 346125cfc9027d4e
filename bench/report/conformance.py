"""The conformance report: a table for the terminal, and one page of Markdown to hand on."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from bench.conformance.verdict import Report
from bench.language.plain import plain
from bench.language.translate import colon, listing, tr
from bench.report import format
from bench.report.listing import Listing

STYLES = {"pass": "green", "fail": "bold red", "skip": "dim"}


def render(report: Report) -> RenderableType:
    """For the terminal: what was checked, one line a check, the outcome."""
    head = Text(f"{report.target}  {report.device.name}", style="bold", overflow="fold")
    if report.simulated:
        head.append("  " + tr("SIMULATED: no real device was checked"), style="bold red")
    verdict = Text(tr(headline(report)), style=STYLES["pass" if report.passed else "fail"])
    checks = [
        (check.id, Text(tr(check.status), style=STYLES[check.status]), tr(check.seen))
        for check in report.checks
    ]
    table = Listing([tr("check"), tr("result"), tr("what was seen")], checks)
    return Group(head, verdict, table, Text(), Text(tr(summary(report))))


def headline(report: Report) -> str:
    """The verdict, naming what failed and what could not be told: a skip is no pass."""
    total, passed = len(report.checks), report.count("pass")
    failed, skipped = (
        [check.id for check in report.checks if check.status == status]
        for status in ("fail", "skip")
    )
    if failed and skipped:
        return (
            f"{len(failed)} of {total} checks failed: {', '.join(failed)}; "
            f"{len(skipped)} skipped: {', '.join(skipped)}"
        )
    if failed:
        return f"{len(failed)} of {total} checks failed: {', '.join(failed)}"
    if skipped:
        return f"{passed} of {total} checks passed, {len(skipped)} skipped: {', '.join(skipped)}"
    return "all checks passed"


def summary(report: Report) -> str:
    """The outcome in one sentence."""
    counts = (
        f"{report.count('pass')} passed, {report.count('fail')} failed, "
        f"{report.count('skip')} skipped"
    )
    return f"{counts}; in {report.precision}, seed {report.seed}, {report.wall_s:.0f} s"


def markdown(report: Report) -> str:
    """One page: the device, its software, one table row a check."""
    device = report.device
    facts = {
        tr("target"): report.target,
        tr("adapter"): report.adapter,
        tr("device"): device.name,
        tr("vendor"): device.vendor or format.NONE,
        tr("identity"): device.uuid or format.NONE,
        tr("memory"): format.size(device.memory_bytes),
        tr("software"): listing(f"{n} {v}" for n, v in report.versions.items()) or format.NONE,
        tr("date"): report.started_at,
    }
    verdict = _cell(tr(headline(report)))
    lines = [f"# {tr(f'Conformance of {_cell(report.target)}')}{colon()}{verdict}", ""]
    if report.simulated:
        lines += [f"**{tr('SIMULATED: no real device was checked')}**", ""]
    lines += [f"- {name}{colon()}{_cell(value)}" for name, value in facts.items()]
    lines += ["", tr(summary(report)) + ".", ""]
    lines += [f"| {tr('check')} | {tr('result')} | {tr('what was seen')} |", "|---|---|---|"]
    for check in report.checks:
        result = tr(check.status)
        shown = f"**{result}**" if check.status == "fail" else result
        lines.append(f"| `{check.id}` | {shown} | {_cell(tr(check.seen))} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Text of a device or its software, made harmless in a table of Markdown."""
    return "".join(f"\\{c}" if c in "\\|<>*_`[]" else c for c in plain(text))
