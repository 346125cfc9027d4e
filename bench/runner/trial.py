"""One trial seen from the parent: its parts run at the same time, and become one record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack

from bench import scenarios
from bench.energy.meter import energy_metrics
from bench.results.trial import Metric, Part, Status, Trial
from bench.runner import crew
from bench.runner.crew import Task
from bench.runner.part import Worker, flops_per_item, unusable
from bench.suite import Case
from bench.system.outcome import Outcome
from bench.system.utc import timestamp


class Attempt:
    """One trial that is to run, or runs: its workers, and what became of them so far."""

    def __init__(self, case: Case, workers: Sequence[Worker], index: int, position: int) -> None:
        self.case = case
        self.index = index
        self.started_at = timestamp()
        self._workers = workers
        self._position = position
        self._ended: dict[int, tuple[Part, Outcome]] = {}

    def tasks(self, stack: ExitStack, keep: Callable[[Attempt, Trial], None]) -> list[Task]:
        """What the crew is to do. `keep` is given the record when all of it has ended."""

        def task(place: int, worker: Worker) -> Task:
            def on_end(part: Part, outcome: Outcome) -> None:
                self._ended[place] = part, outcome
                if len(self._ended) == len(self._workers):
                    keep(self, self._record())

            return worker.task(stack, self._position, on_end)

        return [task(place, worker) for place, worker in enumerate(self._workers)]

    def _record(self) -> Trial:
        parts = [self._ended[place][0] for place in range(len(self._workers))]
        last = max((outcome for _, outcome in self._ended.values()), key=lambda one: one.wall_s)
        metrics: dict[str, Metric] = {}
        if all(part.status in ("ok", "invalid") for part in parts):
            try:
                flops = [flops_per_item(worker.case, worker.state) for worker in self._workers]
                metrics = scenarios.derive(self.case.scenario, parts, flops)
            except ValueError as error:  # nobody can tell which of them is to blame
                parts = [self._failed(place, unusable(error)) for place in range(len(parts))]
        status, reason = of_parts(parts)
        if status == "ok":
            metrics |= self._energy(parts)
        return Trial(
            index=self.index,
            position=self._position,
            status=status,
            reason=reason,
            started_at=self.started_at,
            wall_s=last.wall_s,
            parent_cpu_share=last.parent_cpu_s / max(last.wall_s, 1e-9),
            parts=parts,
            metrics=metrics,
        )

    def _energy(self, parts: Sequence[Part]) -> dict[str, Metric]:
        """The valid figures of a single part's own device. Those of several are not added up: their
        sensors may read the same board, and their windows do not end together."""
        if len(parts) != 1 or parts[0].telemetry is None:
            return {}
        return energy_metrics(parts[0].telemetry, self._workers[0].target.device.id)

    def _failed(self, place: int, reason: str) -> Part:
        part, outcome = self._ended[place]
        return Part(
            target=part.target,
            status="failed",
            reason=reason,
            stderr_tail=outcome.printed or None,
            process_id=part.process_id,
        )

    def interrupted(self) -> Trial:
        """The record of a trial that the run's stop cut short."""
        return Trial(
            index=self.index,
            position=None,
            status="interrupted",
            reason="the run was stopped during this trial",
            started_at=self.started_at,
            wall_s=None,
        )


def run(attempts: Sequence[Attempt], keep: Callable[[Attempt, Trial], None]) -> None:
    """Run the trials at the same time, each part in a fresh process; `keep` is given each record as
    its trial ends. Raises what `keep` raises, after every process was ended."""
    with ExitStack() as stack:
        crew.run([task for attempt in attempts for task in attempt.tasks(stack, keep)])


def of_parts(parts: Sequence[Part]) -> tuple[Status, str | None]:
    """A trial's status from its parts: ok only if each is. Of several, the reason says whose it
    is."""
    for part in parts:
        if part.status != "ok":
            several = len(parts) > 1 and part.reason
            return part.status, f"{part.target}: {part.reason}" if several else part.reason
    return "ok", None


def summarize(trials: Iterable[Trial]) -> tuple[Status, str | None]:
    """A case's status from its trials: ok only if every one is."""
    for trial in trials:
        if trial.status != "ok":
            return trial.status, trial.reason
    return "ok", None
