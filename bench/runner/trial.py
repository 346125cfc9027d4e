"""One trial seen from the parent: its parts run at the same time, and become one record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from bench.results.trial import Part, Status, Trial
from bench.runner import crew
from bench.runner.crew import Task
from bench.runner.judge import judge
from bench.runner.part import Worker, unusable
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
        ended = [self._ended[place] for place in range(len(self._workers))]
        last = max((outcome for _, outcome in ended), key=lambda one: one.wall_s)
        trial = Trial(
            index=self.index,
            position=self._position,
            status="ok",
            started_at=self.started_at,
            wall_s=last.wall_s,
            parent_cpu_share=last.parent_cpu_s / max(last.wall_s, 1e-9),
            parts=[part for part, _ in ended],
        )
        try:
            return self._judged(trial)
        except ValueError as error:  # nobody can tell which of them is to blame
            failed = [_failed(part, outcome, unusable(error)) for part, outcome in ended]
            return self._judged(trial.model_copy(update={"parts": failed}))

    def _judged(self, trial: Trial) -> Trial:
        first = self._workers[0]
        return judge(trial, self.case, first.state.batch, first.target.device.id)

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


def summarize(trials: Mapping[int, Trial]) -> tuple[Status, str | None]:
    """A case's status from its trials: ok only if every one is, invalid if any one is."""
    for trial in sorted(trials.values(), key=lambda one: one.status != "invalid"):
        if trial.status != "ok":
            return trial.status, trial.reason
    return "ok", None


def _failed(part: Part, outcome: Outcome, reason: str) -> Part:
    return Part(
        target=part.target,
        status="failed",
        reason=reason,
        stderr_tail=outcome.printed or None,
        process_id=part.process_id,
    )
