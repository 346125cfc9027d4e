"""Trials of several targets at the same time: who may, and which trials make a round.

In a round each target runs the next trial of its own order; the next round begins when all of them
have ended. Between rounds nothing measures, so models are prepared and batches searched there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, zip_longest

from bench.errors import UsageError
from bench.runner.plan import Plan, Step
from bench.target import Resolved


def rounds(plan: Plan, steps: Sequence[Step]) -> Iterator[list[Step]]:
    """The steps in groups that run at the same time; each alone unless the plan is parallel."""
    if not plan.parallel:
        yield from ([step] for step in steps)
        return
    targets = {case.id: case.target for case in plan.cases}
    orders: dict[str, list[Step]] = {}
    for step in steps:
        orders.setdefault(targets[step.case_id], []).append(step)
    for group in zip_longest(*orders.values()):
        yield [step for step in group if step is not None]


def check(plan: Plan) -> None:
    """Raises UsageError where the plan is parallel and its targets would disturb each other."""
    if not plan.parallel:
        return
    if len(plan.targets) < 2:
        raise UsageError(
            f"--parallel is for several targets, and there is only {plan.targets[0].target}; name "
            "more with --target, or leave it out"
        )
    for one, other in combinations(plan.targets, 2):
        if (what := _shared(one, other)) is not None:
            raise UsageError(
                f"{one.target} and {other.target} share {what}, so they cannot be measured at the "
                "same time; leave --parallel out, or one of them"
            )


def _shared(one: Resolved, other: Resolved) -> str | None:
    """What two targets have in common that only one can use at a time."""
    a, b = one.device, other.device
    if cores := set(a.cores) & set(b.cores):
        return f"the CPU core {min(cores)}"
    if locks := {*(a.locks or (a.id,))} & {*(b.locks or (b.id,))}:
        return min(locks)
    if a.cores and b.cores:
        return None  # partitions of one CPU are made to run beside each other
    boards = {a.board or a.uuid or a.id} & {b.board or b.uuid or b.id}
    return f"the board {min(boards)}" if boards else None
