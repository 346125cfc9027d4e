"""The child that searches a case's batch: exactly one search, then exit."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from bench.axes import BATCH
from bench.backend import Backend
from bench.errors import OutOfMemory, Unsupported
from bench.measure import clock, fidelity, inputs
from bench.scenarios.collect import warm_up
from bench.system.child import Emit
from bench.worker import session
from bench.worker.session import Job
from bench.workload import Slot, Workload

if TYPE_CHECKING:  # the records take a while to import, and a child needs none
    from bench.results.records import SearchEnd

MAX_BATCH = 4096
SEARCH_GAIN = 1.03
"""A doubled batch is worth it when it raises throughput by this factor."""
SEARCH_LOSS = 0.9
"""A rate below this share of the best ends the search: larger batches only get slower."""
SEARCH_S = 0.2
SEARCH_ITEMS = 8


def perform(table: dict[str, Any], emit: Emit) -> None:
    """Report the points as `search` does, and one `end` event with why it stopped."""

    def work(job: Job, backend: Backend, import_ns: int) -> dict[str, Any]:
        return {"status": "ok", "reason": None, "stopped_by": search(job, backend, emit)}

    session.perform(table, emit, work)


def search(job: Job, backend: Backend, emit: Emit) -> SearchEnd:
    """Double the batch while throughput gains and memory lasts; report each point as it is known.

    The parent chooses from the points, so that a crash on the way loses nothing. Returns why it
    ended.
    """
    best = 0.0
    disappointments = 0
    batch = 1
    # A few items, repeated: making thousands would take longer than running them.
    some = job.card.sizes(SEARCH_ITEMS, job.axes)
    few = inputs.slots(job.card.inputs, some, 2, session.key(job, "search"))
    while batch <= MAX_BATCH:
        emit("trying", batch=batch)
        workload, _ = session.workload(job, backend, {**some, BATCH: batch})
        refusal = backend.supports(workload, job.device)
        if refusal:
            emit("batch", batch=batch, items_per_s=None, reason=refusal)
            if batch == 1:
                raise Unsupported(refusal)
            return "refused"
        slots = [fidelity.check_batches(items, batch)[0] for items in few]
        try:
            rate = _rate(backend, workload, job, slots)
        except Exception as error:
            if batch > 1 and (
                isinstance(error, OutOfMemory | MemoryError) or backend.is_out_of_memory(error)
            ):
                emit("batch", batch=batch, items_per_s=None, reason="memory ran out")
                return "memory"
            raise
        emit("batch", batch=batch, items_per_s=rate, reason=None)
        if rate < best * SEARCH_LOSS:
            return "slower"
        disappointments = 0 if rate > best * SEARCH_GAIN else disappointments + 1
        if disappointments == 2:
            return "level"
        best = max(best, rate)
        batch *= 2
    return "cap"


def _rate(backend: Backend, workload: Workload, job: Job, slots: list[Slot]) -> float:
    """Items per second of a short resident burst."""
    now = backend.clock.now_ns
    loaded = backend.load(workload, job.device, slots, job.threads)
    try:
        for slot in range(len(slots)):
            loaded.stage(slot)
        clock.queued(loaded, len(slots), 1, now)
        once = max(clock.queued(loaded, len(slots), 1, now), 1)
        runs = int(min(max(SEARCH_S * 1e9 / 3 / once, 1), 10_000))

        def take(first: int, count: int) -> list[int]:
            del first
            return [clock.queued(loaded, len(slots), runs, now) for _ in range(count)]

        samples, _ = warm_up(take, SEARCH_S, now)
        return workload.batch * runs / (min(samples[-3:]) / 1e9)
    finally:
        loaded.close()
        gc.collect()
