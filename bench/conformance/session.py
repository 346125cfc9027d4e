"""The child: runs the checks it is asked for, one after the other, and reports each at once."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.conformance import memory, outputs, presence, timing
from bench.conformance.context import Context, Job
from bench.conformance.verdict import Found, failed, first_line, skipped
from bench.errors import Unsupported
from bench.settings import toml
from bench.system.child import Emit

Function = Callable[[Context], Found]
CHECKS: dict[str, Function] = {
    "probe-reasons": presence.probe_reasons,
    "devices-stable": presence.devices_stable,
    "devices-same-elsewhere": presence.devices_same_elsewhere,
    "inputs-matter": outputs.inputs_matter,
    "outputs-repeat": outputs.outputs_repeat,
    "fetch-last": outputs.fetch_last,
    "fetch-keeps": outputs.fetch_keeps,
    "placement": outputs.placement,
    "memory-steady": memory.memory_steady,
    "memory-errors": memory.memory_errors,
    "sync-waits": timing.sync_waits,
    "throughput-limit": timing.throughput_limit,
    "device-freed": presence.device_freed,
    "second-process": presence.second_process,
    "busy": timing.busy,
}
"""Check -> the function that does it."""
FAMILIES: dict[str, Callable[[Context, str], Found]] = {
    "supports-": outputs.supports,
    "fidelity-": outputs.fidelity_of,
}
"""Beginning of a check's id -> the function that does it for what the id ends with."""


def perform(table: dict[str, Any], emit: Emit) -> None:
    """Report `begin` and `check` for each id, in order."""
    job = toml.convert(Job, table, Path("the job to check"))
    _die_first()
    context = Context(job, emit)
    for id in job.checks:
        emit("begin", id=id)
        # Ends the process even where a hung call holds Python's lock, with a traceback.
        faulthandler.dump_traceback_later(job.limit_s, exit=True)
        found = run(context, id)
        faulthandler.cancel_dump_traceback_later()
        emit("check", id=id, status=found.status, seen=found.seen)
        gc.collect()


def run(context: Context, id: str) -> Found:
    """Do one check; whatever the backend raises is the check's failure."""
    try:
        for prefix, function in FAMILIES.items():
            if id.startswith(prefix):
                return function(context, id.removeprefix(prefix))
        return CHECKS[id](context)
    except Unsupported as error:
        return skipped(str(error))
    except Exception as error:  # noqa: BLE001 - a backend is foreign code and may raise anything
        traceback.print_exc()
        return failed(f"raised {first_line(error)}")


def _die_first() -> None:
    """If memory runs out, let the kernel end this process and not one of the machine's own."""
    with contextlib.suppress(OSError):  # not Linux, or not allowed
        Path("/proc/self/oom_score_adj").write_text("1000")
