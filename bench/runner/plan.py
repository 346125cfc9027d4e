"""What a run will do, fixed before it starts and kept in the journal's first line."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bench import __version__
from bench.runner import options
from bench.suite import Case, Suite
from bench.system.environment import Environment
from bench.system.utc import timestamp
from bench.target import Resolved

MAX_SEED = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Step:
    """One trial to run."""

    case_id: str
    index: int

    def __str__(self) -> str:
        return f"{self.case_id}#{self.index}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run needs to start, or to go on after it was killed."""

    run_id: str
    started_at: str
    seed: int
    suite: Suite
    targets: tuple[Resolved, ...]
    cases: tuple[Case, ...]
    order: tuple[Step, ...]
    environment: Environment
    onnx: str = ""
    """Path of the user's own model; empty for the zoo."""
    parallel: bool = False
    """Whether trials of different targets run at the same time."""
    hetbench_version: str = __version__

    def __post_init__(self) -> None:
        """Raises ValueError for a plan that does not hold together; a journal may hold any."""
        uuid.UUID(self.run_id)
        datetime.fromisoformat(self.started_at)
        if not 0 <= self.seed <= MAX_SEED:
            raise ValueError(f"the seed must be from 0 to {MAX_SEED}")
        cases = {case.id: case for case in self.cases}
        targets = {target.target for target in self.targets}
        if len(cases) != len(self.cases) or len(targets) != len(self.targets):
            raise ValueError("a case or a target stands twice")
        if any(case.target not in targets for case in self.cases):
            raise ValueError("a case is of a target that is not there")
        for case in self.cases:
            options.length(case)
        if len(set(self.order)) != len(self.order):
            raise ValueError("a trial stands twice")
        if any(step.case_id not in cases or step.index < 0 for step in self.order):
            raise ValueError("a trial is of a case that is not there")

    def target(self, case: Case) -> Resolved:
        """The resolved target of a case."""
        return next(target for target in self.targets if target.target == case.target)


def make(
    suite: Suite,
    targets: Sequence[Resolved],
    cases: Sequence[Case],
    seed: int,
    environment: Environment,
    onnx: str = "",
    parallel: bool = False,
) -> Plan:
    """A plan with its trials interleaved: every round holds each case once, shuffled by the
    seed, until it has the trials that the suite gives its scenario.

    So a drift of the machine lands on all cases alike, and a run that is stopped early has about
    as many trials of each. Cases that are measured at the same time as other targets say so.
    """
    if parallel:
        names = sorted({case.target for case in cases})
        cases = [
            replace(case, beside=tuple(name for name in names if name != case.target))
            for case in cases
        ]
    shuffler = random.Random(seed)
    order: list[Step] = []
    trials = [(case.id, options.trials(suite, case.scenario)) for case in cases]
    for index in range(max((count for _, count in trials), default=0)):
        block = [Step(name, index) for name, count in trials if index < count]
        shuffler.shuffle(block)
        order += block
    return Plan(
        run_id=str(uuid.uuid4()),
        started_at=timestamp(),
        seed=seed,
        suite=suite,
        targets=tuple(targets),
        cases=tuple(cases),
        order=tuple(order),
        environment=environment,
        onnx=onnx,
        parallel=parallel,
    )
