"""The queue that processes share: nothing lost, nothing twice, whoever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter

import pytest

from bench.system.queue import RECORD, Handle, Query, Queue, Taker

WORKER = """
import os, sys
sys.path[:] = {path!r}
from bench.system.queue import Handle, Taker
taker = Taker(Handle(*{handle!r}), {worker})
left = {dies_after}
print("ready", flush=True)
sys.stdin.readline()
taken = []
while True:
    while (query := taker.take()) is not None:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), 9)
        taken.append(query.number)
    os.write(1, b"empty\\n")
    if sys.stdin.readline() != "more\\n":
        break
os.write(1, (" ".join(map(str, taken)) + "\\n").encode())
"""


def _start(handle: Handle, worker: int, dies_after: int = -1) -> subprocess.Popen[str]:
    fields = (*handle.descriptors, handle.records, handle.workers)
    code = WORKER.format(path=sys.path, handle=fields, worker=worker, dies_after=dies_after)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=handle.descriptors,
        text=True,
    )


def _tell(child: subprocess.Popen[str], word: str) -> None:
    assert child.stdin is not None
    child.stdin.write(f"{word}\n")
    child.stdin.flush()


def _hear(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def test_four_workers_one_killed_nothing_lost_nothing_twice() -> None:
    n = 200_000
    with Queue([0] * n, 4) as queue:
        children = [_start(queue.handle, k, 1000 if k == 2 else -1) for k in range(4)]
        for child in children:
            assert _hear(child) == "ready"
        for child in children:
            _tell(child, "go")
        dead = children.pop(2)
        assert dead.wait() == -signal.SIGKILL
        held = queue.bury(2)
        assert held is not None
        assert {_hear(child) for child in children} == {"empty"}
        if queue.sweep():
            for child in children:
                _tell(child, "more")
            assert {_hear(child) for child in children} == {"empty"}
        done = queue.done_by()
        for child in children:
            _tell(child, "stop")
        taken = [list(map(int, _hear(child).split())) for child in children]
        for child in (*children, dead):
            child.communicate()
    by_worker = {0: taken[0], 1: taken[1], 3: taken[2]}
    counts = Counter(index for indices in taken for index in indices)
    assert set(counts.values()) == {1}, "a record was given out twice"
    assert done.count(2) == 999, "the killed worker did all but the one it held"
    assert len(counts) + done.count(2) == n, "a record was lost"
    assert held in counts
    for worker, indices in by_worker.items():
        assert all(done[index] == worker for index in indices)


def test_what_a_dead_worker_took_and_never_noted_is_given_again() -> None:
    with Queue([5, 6, 7], 2) as queue:
        os.read(queue.handle.first, RECORD.size)  # took it, and died before the note
        assert queue.bury(0) is None
        taker = Taker(queue.handle, 1)
        assert [taker.take(), taker.take(), taker.take()] == [Query(1, 6), Query(2, 7), None]
        assert queue.sweep() == [0]
        assert [taker.take(), taker.take()] == [Query(0, 5), None]
        assert queue.sweep() == []
        assert queue.done_by() == [1, 1, 1]


def test_what_was_done_before_the_death_is_not_given_again() -> None:
    with Queue([0, 0], 2) as queue:
        dead = Taker(queue.handle, 0)
        dead.take()
        dead.done()
        assert queue.bury(0) is None
        assert queue.done_by() == [0, None]


def test_an_empty_queue_is_empty() -> None:
    with Queue([], 1) as queue:
        assert Taker(queue.handle, 0).take() is None
        assert queue.sweep() == []


@pytest.mark.parametrize("workers", [0, 1025])
def test_the_number_of_workers_is_bounded(workers: int) -> None:
    with pytest.raises(ValueError, match="1 to 1024 workers"):
        Queue([0], workers)
