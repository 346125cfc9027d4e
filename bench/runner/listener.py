"""What a run tells whoever watches it; the progress display and tests implement it."""

from __future__ import annotations

from typing import Protocol

from bench.figures.stats import Estimate
from bench.results.trial import Trial
from bench.suite import Case


class Listener(Protocol):
    """Told of everything as it happens, in the parent process."""

    def preparing(self, done: int, total: int, what: str) -> None:
        """Prepared files: `done` of `total` cases are ready; `what` is in work."""

    def searching(self, case: Case, batch: int) -> None:
        """The batch search tries a size."""

    def trial_started(self, case: Case, index: int, done: int, total: int) -> None:
        """A trial starts; `done` of `total` came before it."""

    def phase(self, case: Case, name: str) -> None:
        """The case's running trial loads, measures or checks."""

    def estimate(self, case: Case, estimate: Estimate, items: int) -> None:
        """The running trial's current median of a sample of `items` items, in nanoseconds."""

    def trial_finished(self, case: Case, trial: Trial) -> None:
        """A trial ended, in whatever way."""

    def note(self, text: str) -> None:
        """One sentence a person should see now."""
