"""A queue that several processes share: a regular file of 16-byte records, and a ledger.

All workers read through one open file, so each `read` of 16 bytes takes the next record and moves
the place for everybody: the kernel holds the file's position locked during a read of a regular
file. There is no lock of ours and nobody who feeds. (A pipe tears records whose size does not
divide its pages, holds little and loses what a dead reader took; a memfd gave records twice.)

A worker notes in the ledger, which is shared memory, what it holds, and marks what it has done. So
of a worker that dies it is known which record it held: the parent gives that one out again, through
a second file that is read before the first. A worker that dies between taking and noting leaves no
note; what is neither done nor held when the queue is empty is given out again too.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

RECORD = struct.Struct("<qq")
"""Number of the record, from 0, and the nanosecond at which it is due."""
_HELD = struct.Struct("<q")
_NOTHING = -1
MAX_WORKERS = 1024


class Query(NamedTuple):
    """One piece of work."""

    number: int
    due_ns: int
    """When it is due, in nanoseconds after the start line; 0 where nobody waits."""


@dataclass(frozen=True, slots=True)
class Handle:
    """What a worker inherits: descriptors, and how many records and workers there are."""

    first: int
    second: int
    ledger: int
    records: int
    workers: int

    @property
    def descriptors(self) -> tuple[int, int, int]:
        """To be passed on to every worker, under the same numbers."""
        return self.first, self.second, self.ledger


class Queue:
    """The parent's end. Use it in a `with` statement; workers open its `handle` with `Taker`."""

    def __init__(self, due_ns: Sequence[int], workers: int) -> None:
        """Raises OSError where there is no room for the files, and ValueError for no workers."""
        if not 1 <= workers <= MAX_WORKERS:
            raise ValueError(f"a queue is for 1 to {MAX_WORKERS} workers, not {workers}")
        self._first = _file(b"".join(RECORD.pack(n, due) for n, due in enumerate(due_ns)))
        self._second = _file(b"")
        size = _ledger_size(len(due_ns), workers)
        self._ledger_file = _file(bytes(size))
        self._ledger = mmap.mmap(self._ledger_file, size)
        for worker in range(workers):
            _HELD.pack_into(self._ledger, worker * _HELD.size, _NOTHING)
        self._due_ns = due_ns
        self._given_again = 0
        self.handle = Handle(self._first, self._second, self._ledger_file, len(due_ns), workers)

    def __enter__(self) -> Queue:
        return self

    def __exit__(self, *_: object) -> None:
        self._ledger.close()
        for descriptor in self.handle.descriptors:
            os.close(descriptor)

    def done_by(self) -> list[int | None]:
        """Of each record the worker that did it; None: nobody yet."""
        start = self.handle.workers * _HELD.size
        marks = memoryview(self._ledger)[start : start + 2 * self.handle.records].cast("H")
        return [mark - 1 if mark else None for mark in marks]

    def bury(self, worker: int) -> int | None:
        """Give out again what a dead worker held; its number, or None if it held nothing."""
        (index,) = _HELD.unpack_from(self._ledger, worker * _HELD.size)
        _HELD.pack_into(self._ledger, worker * _HELD.size, _NOTHING)
        if index == _NOTHING or self.done_by()[index] is not None:
            return None
        self._give_again([index])
        return int(index)

    def sweep(self) -> list[int]:
        """Give out again what nobody did; to be asked when every living worker found it empty."""
        left = [index for index, worker in enumerate(self.done_by()) if worker is None]
        self._give_again(left)
        return left

    def _give_again(self, indices: Iterable[int]) -> None:
        """Through the second file, whose readers see a whole record or its end."""
        for index in indices:
            record = RECORD.pack(index, self._due_ns[index])
            os.pwrite(self._second, record, self._given_again * RECORD.size)
            self._given_again += 1


class Taker:
    """A worker's end: take a query, do it, take the next; each `take` says the last one is done."""

    def __init__(self, handle: Handle, worker: int) -> None:
        self._handle = handle
        self._worker = worker
        self._ledger = mmap.mmap(handle.ledger, _ledger_size(handle.records, handle.workers))
        self._marks = handle.workers * _HELD.size
        self._held = _NOTHING

    def take(self) -> Query | None:
        """The next query; None when there is none just now."""
        self.done()
        data = os.read(self._handle.second, RECORD.size) or os.read(self._handle.first, RECORD.size)
        if not data:
            return None
        query = Query(*RECORD.unpack(data))
        self._held = query.number
        _HELD.pack_into(self._ledger, self._worker * _HELD.size, query.number)
        return query

    def done(self) -> None:
        """Mark what was taken last as done."""
        if self._held != _NOTHING:
            place = self._marks + 2 * self._held
            self._ledger[place : place + 2] = (self._worker + 1).to_bytes(2, "little")
            self._held = _NOTHING
            _HELD.pack_into(self._ledger, self._worker * _HELD.size, _NOTHING)


def _ledger_size(records: int, workers: int) -> int:
    return workers * _HELD.size + 2 * max(records, 1)


def _file(content: bytes) -> int:
    """Descriptor of a nameless regular file that starts at its beginning."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        file.seek(0)
        return os.dup(file.fileno())
