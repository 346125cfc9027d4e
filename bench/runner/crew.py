"""The crew: the child processes that measure at the same time, and the line they start from.

Each loads and runs once, says `ready`, and waits. When all have, all are let go at one instant of
the monotonic clock that the processes of a machine share. One that ends before the line, in
whatever way, does not hold up the others. A single child goes the same way and waits for nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.clocks import host
from bench.system import process
from bench.system.process import Child, Event, Outcome

LEAD_NS = 20_000_000
"""From the word to the start, so that all have heard it by then, also on a busy machine."""


@dataclass(frozen=True, slots=True)
class Task:
    """What one child is to do, and who is told of it."""

    module: str
    """Its `perform` says `ready` and then waits, see `wait_for_start` in bench.worker.trial."""
    job: Mapping[str, Any]
    limit_s: float
    """Most wall time of it; waiting at the line for others does not count."""
    env: Mapping[str, str]
    on_event: Callable[[Event], None]
    on_end: Callable[[Outcome], None]


def run(tasks: Sequence[Task], descriptors: Sequence[int] = ()) -> None:
    """Do all tasks, in children that inherit `descriptors`, until each has ended.

    Raises HetbenchError where no process could be started, and whatever a task's `on_event` and
    `on_end` raise, KeyboardInterrupt too, after every child was ended.
    """
    children: list[Child] = []
    try:
        for task in tasks:
            children.append(
                process.start(task.module, task.job, task.limit_s, task.env, descriptors)
            )
    except BaseException:
        for child in children:
            child.end()
        raise
    line = _Line(children)

    def on_event(place: int, event: Event) -> None:
        if event["event"] == "ready":
            line.is_ready(place)
        else:
            tasks[place].on_event(event)

    def on_end(place: int, outcome: Outcome) -> None:
        line.has_gone(place)
        tasks[place].on_end(outcome)

    process.follow(children, on_event, on_end)


class _Line:
    """Who is still on the way to the line, and who waits there."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._children = children
        self._coming = set(range(len(children)))
        self._ready: list[int] = []

    def is_ready(self, place: int) -> None:
        """The child stands at the line; said twice, it counts once."""
        if place in self._coming:
            self._coming.remove(place)
            self._ready.append(place)
            self._children[place].hold()
            self._let_go()

    def has_gone(self, place: int) -> None:
        """The child has ended, wherever it was."""
        self._coming.discard(place)
        if place in self._ready:
            self._ready.remove(place)
        self._let_go()

    def _let_go(self) -> None:
        if self._coming or not self._ready:
            return
        at_ns = host.now_ns() + (LEAD_NS if len(self._ready) > 1 else 0)
        for place in self._ready:
            self._children[place].tell("go", at_ns=at_ns)
        self._ready.clear()
