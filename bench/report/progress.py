"""Progress while a run goes on: a live line in a terminal, plain lines elsewhere. On stderr."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from bench import scenarios
from bench.figures import metrics
from bench.figures.stats import Estimate
from bench.language.translate import tr
from bench.report import format
from bench.results.trial import Trial
from bench.suite import Case

INDENT = "    "


@dataclass(slots=True)
class _Running:
    """What is shown of a trial that runs."""

    counter: str
    trial: str
    phase: str = ""
    estimate: str = ""


class Progress:
    """A listener that shows what is running, the current estimate and the time left."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = (
            Live(console=console, refresh_per_second=4, transient=True)
            if console.is_terminal
            else None
        )
        self._running: dict[str, _Running] = {}
        """Case id -> its trial that is running; several of a run with --parallel."""
        self._left = ""
        self._started = time.monotonic()
        self._first_done: int | None = None
        self._seen: dict[str, list[float]] = {}
        """Case id -> the main figure of each of its trials so far."""

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def preparing(self, done: int, total: int, what: str) -> None:
        text = tr(f"preparing models: {done} of {total}")
        self._show(text, what)
        if not self._live and what:
            self._print(f"{text}  {what}")

    def searching(self, case: Case, batch: int) -> None:
        self._show(tr(f"searching the batch: {batch}"), case.id)

    def trial_started(self, case: Case, index: int, done: int, total: int) -> None:
        if self._first_done is None:
            self._first_done, self._started = done, time.monotonic()
        self._left = self._time_left(done, total)
        self._running[case.id] = _Running(f"[{done + 1}/{total}]", f"{case.id} #{index + 1}")
        self._refresh()

    def phase(self, case: Case, name: str) -> None:
        self._running[case.id].phase = name
        self._refresh()

    def estimate(self, case: Case, estimate: Estimate, items: int) -> None:
        sample = metrics.metric(estimate)
        unit = format.unit(scenarios.get(case.scenario).headline)
        if unit is not format.TIME:
            sample = metrics.rate(sample, items)
        self._running[case.id].estimate = format.value(sample.value, unit)
        self._refresh()

    def trial_finished(self, case: Case, trial: Trial) -> None:
        """`[3/9] ok  8.76 ms (8.70-8.81, 2 trials)  CASE #2`: what the case's trials span so far,
        which says more of how well the figure repeats than an interval within one of them."""
        said = tr(trial.reason or "")
        name = scenarios.get(case.scenario).headline
        if trial.status == "ok" and name in trial.metrics:
            seen = self._seen.setdefault(case.id, [])
            seen.append(trial.metrics[name].value)
            said = format.spread(seen[-1], min(seen), max(seen), len(seen), format.unit(name))
        running = self._running.pop(case.id)
        self._print(f"{running.counter} {tr(trial.status)}  {said}", running.trial)

    def note(self, text: str) -> None:
        self._print(tr(text))

    def _time_left(self, done: int, total: int) -> str:
        ran = done - (self._first_done or 0)
        if ran < 2:
            return ""
        left_s = (time.monotonic() - self._started) / ran * (total - done)
        return tr(f"about {_clock(left_s)} left")

    def _refresh(self) -> None:
        lines = []
        for one in self._running.values():
            words = (one.counter, self._left, tr(one.phase) if one.phase else "", one.estimate)
            lines.append(self._text("  ".join(filter(None, words)), one.trial))
        if self._live and lines:
            self._live.update(lines[0] if len(lines) == 1 else Group(*lines))

    def _show(self, line: str, what: str) -> None:
        if self._live:
            self._live.update(self._text(line, what))

    def _print(self, line: str, what: str = "") -> None:
        with contextlib.suppress(OSError):  # nobody reads it any more: no reason to end a run
            text = self._text(line, what)
            self._console.print(text, highlight=False, soft_wrap=not self._live)

    def _text(self, line: str, what: str) -> RenderableType:
        """One line, or two in a terminal too narrow for it: nothing in either is cut off."""
        one = Text(f"{line}  {what}" if what else line, overflow="fold")
        if not what or not self._live or one.cell_len <= self._console.width:
            return one
        return Group(Text(line, overflow="fold"), Text(f"{INDENT}{what}", overflow="fold"))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
