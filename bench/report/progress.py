"""Progress while a run goes on: a live line in a terminal, plain lines elsewhere. On stderr."""

from __future__ import annotations

import contextlib
import time

from rich.console import Console
from rich.live import Live
from rich.text import Text

from bench import metrics
from bench.report import format
from bench.results import Trial
from bench.stats import Estimate
from bench.suite import Case
from bench.text import tr


class Progress:
    """A listener that shows what is running, the current estimate and the time left."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = (
            Live(console=console, refresh_per_second=4, transient=True)
            if console.is_terminal
            else None
        )
        self._what = ""
        self._counter = ""
        self._phase = ""
        self._estimate = ""
        self._started = time.monotonic()
        self._first_done: int | None = None

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def preparing(self, done: int, total: int, what: str) -> None:
        text = tr(f"preparing models: {done} of {total}")
        self._show(f"{text}  {what}")
        if not self._live and what:
            self._print(f"{text}  {what}")

    def searching(self, case: Case, batch: int) -> None:
        self._show(f"{case.id}  " + tr(f"searching the batch: {batch}"))

    def trial_started(self, case: Case, index: int, done: int, total: int) -> None:
        if self._first_done is None:
            self._first_done, self._started = done, time.monotonic()
        self._counter = f"[{done + 1}/{total}]" + self._left(done, total)
        self._what = f"{case.id} #{index + 1}"
        self._phase = self._estimate = ""
        self._refresh()

    def phase(self, name: str) -> None:
        self._phase = name
        self._refresh()

    def estimate(self, case: Case, estimate: Estimate, items: int) -> None:
        sample = metrics.metric(estimate)
        if case.scenario == "single-stream":
            self._estimate = format.duration(sample)
        else:
            self._estimate = format.rate(metrics.rate(sample, items), "/s")
        self._refresh()

    def trial_finished(self, case: Case, trial: Trial) -> None:
        figures = trial.metrics
        latency, rate = figures.get("latency_p50_ns"), figures.get("throughput_items_per_s")
        figure = format.duration(latency) if latency else format.rate(rate, "/s")
        if trial.status != "ok":
            figure = tr(trial.reason or "")
        self._print(f"{self._counter.split(' ')[0]} {self._what}  {tr(trial.status)}  {figure}")

    def note(self, text: str) -> None:
        self._print(tr(text))

    def _left(self, done: int, total: int) -> str:
        ran = done - (self._first_done or 0)
        if ran < 2:
            return ""
        left_s = (time.monotonic() - self._started) / ran * (total - done)
        return " " + tr(f"about {_clock(left_s)} left")

    def _refresh(self) -> None:
        phase = tr(self._phase) if self._phase else ""
        self._show(f"{self._counter}  {self._what}  {phase}  {self._estimate}")

    def _show(self, line: str) -> None:
        if self._live:
            self._live.update(Text(line, overflow="ellipsis", no_wrap=True))

    def _print(self, line: str) -> None:
        with contextlib.suppress(OSError):  # nobody reads it any more: no reason to end a run
            self._console.print(Text(line), highlight=False, soft_wrap=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
