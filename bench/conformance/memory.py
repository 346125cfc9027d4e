"""Checks of memory: none is lost by running, and running out of it has its right name."""

from __future__ import annotations

import math
import re

import psutil

from bench.conformance.context import Context, infer, tiled
from bench.conformance.verdict import Found, failed, first_line, passed, skipped
from bench.devices import cpu
from bench.errors import OutOfMemory, Unsupported
from bench.figures.stats import slope
from bench.language import units
from bench.model import ModelCard

RUNS = 500
LOOK = 25
"""Runs between two looks at the memory."""
ALLOWED_BYTES = 16 << 20
"""Growth over all runs that allocators and their pools may show: 32 KiB a run."""
SLOTS = 3

TOO_MUCH = 1.1
"""Share of the device's memory that the least a workload needs is above all doubt too much."""
TOO_MUCH_IN_FACT = 0.5
"""Share at which the least fits, and what a transformer's layers really need does not."""


def memory_steady(context: Context) -> Found:
    """Neither the process nor the device holds more after 500 runs."""
    slots = context.draw(context.job.probe, 1, SLOTS, "memory")
    process = psutil.Process()
    sizes: list[tuple[int, int]] = []
    with context.probe_session(slots) as session:
        for run in range(2 * LOOK):
            infer(session, run % SLOTS)
        peak = session.peak_memory_bytes()
        for run in range(RUNS + 1):
            if run % LOOK == 0:
                sizes.append((run, process.memory_info().rss))
            infer(session, run % SLOTS)
        after = session.peak_memory_bytes()
    host = slope(sizes) * RUNS
    device = after - peak if after is not None and peak is not None else 0
    if host > ALLOWED_BYTES:
        return failed(f"host memory grows by {host / RUNS / 1024:.0f} KiB a run")
    if device > ALLOWED_BYTES:
        return failed(f"device memory grows by {device / RUNS / 1024:.0f} KiB a run")
    known = "" if after is not None else "; the backend tells no device memory"
    return passed(f"{RUNS} runs changed host memory by {units.size(round(host))}{known}")


def memory_errors(context: Context) -> Found:
    """A batch too large ends as unsupported, with the sizes, or as out of memory."""
    device = context.job.device
    if device.memory_bytes is None:
        return skipped(f"the size of the memory of {device.id} is not known")
    card = max(context.job.cards, key=lambda card: _item(card, context) / _input_bytes(card))
    ends = [_too_much(context, card, _batch(context, card, device.memory_bytes * TOO_MUCH))]
    # Where host memory is the device's, trying it would take the machine's own memory.
    batch = _batch(context, card, device.memory_bytes * TOO_MUCH_IN_FACT)
    if device.kind != "cpu" and batch > 1:
        ends.append(_too_much(context, card, batch))
    worst = next((end for end in ends if end.status == "fail"), None)
    worst = worst or next((end for end in ends if end.status == "skip"), None)
    return worst or passed("; ".join(end.seen for end in ends))


def _too_much(context: Context, card: ModelCard, batch: int) -> Found:
    """Ask for the batch, and try it if it is not refused."""
    job = context.job
    what = f"{card.name} at batch {batch}"
    workload = context.workload(card, job.precision, batch)
    refusal = context.backend.supports(workload, job.device)
    if refusal is not None:
        if not re.search(r"\d", refusal):
            return failed(f"{what} is refused without the sizes: {refusal}")
        return passed(f"{what} is refused with the sizes")
    if job.device.kind == "cpu":
        return failed(f"supports says yes to {what}, which needs more memory than there is")
    needed = batch * _input_bytes(card)
    free = cpu.available_bytes()
    if free is None or 4 * needed > free:
        return skipped(f"the host has not the {units.size(4 * needed)} free to try {what}")
    slots = [tiled(context.draw(card, 4, 1, "large")[0], batch)]
    try:
        session = context.backend.load(workload, job.device, slots, 1)
        session.stage(0)
        session.run(0)
        session.synchronize()
        session.close()
    except (OutOfMemory, MemoryError):
        return passed(f"{what} ends as out of memory")
    except Unsupported as error:
        return passed(f"{what} is refused at load: {error}")
    except Exception as error:  # noqa: BLE001 - what a backend raises here is the question
        if context.backend.is_out_of_memory(error):
            return passed(f"{what} ends as out of memory")
        return failed(f"{what} ends with {first_line(error)}, which is not said to be memory")
    return passed(f"{what} could be run")


def _batch(context: Context, card: ModelCard, memory_bytes: float) -> int:
    """The batch whose least memory is just above so many bytes."""
    least = context.workload(card, context.job.precision, 1).least_memory_bytes()
    return max(math.ceil((memory_bytes - least) / _item(card, context)) + 1, 1)


def _item(card: ModelCard, context: Context) -> int:
    """Bytes that one more item adds to the least memory."""
    one, two = (
        context.workload(card, context.job.precision, batch).least_memory_bytes()
        for batch in (1, 2)
    )
    return two - one


def _input_bytes(card: ModelCard) -> int:
    """Upper bound on the host bytes of one item's inputs."""
    return sum(8 * math.prod(spec.at(card.sizes())) for spec in card.inputs)
