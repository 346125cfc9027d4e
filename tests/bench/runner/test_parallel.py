"""Which targets may be measured at the same time, and which trials make a round."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench.device import Device
from bench.errors import UsageError
from bench.runner import duration, parallel
from bench.runner.plan import Plan
from bench.target import Resolved

from .plans import make, other, target


def cpu(*cores: int) -> Resolved:
    name = f"cpu:0[{cores}]"
    locks = tuple(f"cpu-core-{core}" for core in cores)
    device = Device(name, "cpu", 0, "A processor", cores=cores, board="cpu:0", locks=locks)
    return replace(target(f"torch@{name}"), device=device)


def card(index: int, **fields: Any) -> Resolved:
    device = Device(f"npu:{index}", "npu", index, "A card", **fields)
    return replace(other(), target=f"torch@npu:{index}", device=device)


def check(*targets: Resolved) -> None:
    parallel.check(replace(make(), targets=targets, cases=(), order=(), parallel=True))


@pytest.mark.parametrize(
    "targets",
    [
        (cpu(0), cpu(1)),
        (cpu(0, 1), card(0)),
        (card(0), card(1)),
        (card(0, board="a"), card(1, board="b"), cpu(0)),
    ],
)
def test_targets_that_share_nothing(targets: tuple[Resolved, ...]) -> None:
    check(*targets)


@pytest.mark.parametrize(
    ("targets", "what"),
    [
        ((cpu(0, 1), cpu(1, 2)), "share the CPU core 1,"),
        ((card(0, locks=("a", "x")), card(1, locks=("b", "x"))), "share x,"),
        ((card(0, board="b"), card(1, board="b")), "share the board b,"),
        ((card(0, uuid="b"), card(1, board="b")), "share the board b,"),
        ((card(0), cpu(3), card(1, locks=("npu:0",))), "share npu:0,"),
        ((cpu(0),), "there is only torch@cpu"),
    ],
)
def test_targets_that_share_something_are_refused(targets: tuple[Resolved, ...], what: str) -> None:
    with pytest.raises(UsageError, match="--parallel") as refused:
        check(*targets)
    assert what in str(refused.value)


def plan(**fields: Any) -> Plan:
    return make(3, scenarios=["single-stream"], **fields)


def test_a_round_holds_the_next_trial_of_each_target() -> None:
    made = plan(parallel=True)
    targets = {case.id: case.target for case in made.cases}
    rounds = list(parallel.rounds(made, made.order))
    assert [len(group) for group in rounds] == [2, 2, 2]
    for name in set(targets.values()):
        own = [step for group in rounds for step in group if targets[step.case_id] == name]
        assert own == [step for step in made.order if targets[step.case_id] == name]
    ahead = made.order[1:]  # one target is a trial ahead
    assert [len(group) for group in parallel.rounds(made, ahead)] == [2, 2, 1]


def test_otherwise_each_trial_is_alone_in_the_planned_order() -> None:
    made = plan()
    assert [*parallel.rounds(made, made.order)] == [[step] for step in made.order]


def test_a_round_takes_as_long_as_its_longest() -> None:
    turn, together = plan(), plan(parallel=True)
    a, b = duration.estimate(turn, turn.order, ()), duration.estimate(together, together.order, ())
    assert (a.trials, b.trials) == (6, 6)
    assert b.about_s == pytest.approx(a.about_s / 2)
    assert b.at_most_s == pytest.approx(a.at_most_s / 2)


def test_what_ran_beside_a_case_is_part_of_its_version() -> None:
    alone, together = plan(), plan(parallel=True)
    names = sorted(case.target for case in alone.cases)
    assert [case.beside for case in alone.cases] == [(), ()]
    for case, lone in zip(together.cases, alone.cases, strict=True):
        assert case.beside == tuple(name for name in names if name != case.target)
        assert (case.id, case.version == lone.version) == (lone.id, False)
        more = replace(case, beside=(*case.beside, "torch@npu:7"))
        assert more.version != case.version
