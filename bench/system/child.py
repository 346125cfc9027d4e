"""Where every child process starts: read the job, do it, report events, exit."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

JOBS = {
    "trial": "bench.worker.trial",
    "search": "bench.worker.trial",
    "probe": "bench.worker.probe",
    "prepare": "bench.worker.prepare",
    "conform": "bench.conformance.session",
    "inspect": "bench.onnx.own",
}
"""Job kind -> module whose `perform(job, emit)` does it."""

Emit = Callable[..., None]
"""emit(event_name, **fields): one JSON line to the parent."""


def main() -> None:
    """Entry point of the child; the descriptor of the event pipe is the only argument."""
    _die_with_parent()
    pipe = int(sys.argv[1])
    job: dict[str, Any] = json.load(sys.stdin)
    cores = job.get("cores")
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)

    def emit(event: str, **fields: Any) -> None:
        data = (json.dumps({"event": event, **fields}, allow_nan=False) + "\n").encode()
        while data:
            data = data[os.write(pipe, data) :]

    import_module(JOBS[job["kind"]]).perform(job, emit)
    os.close(pipe)
    sys.stdout.flush()
    sys.stderr.flush()
    # Frameworks may hang or crash while their threads are torn down; the result is already sent.
    os._exit(0)


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies, so that kill -9 leaves no worker."""
    if not sys.platform.startswith("linux"):
        return
    pr_set_pdeathsig = 1
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != int(os.environ.get("HETBENCH_PARENT", os.getppid())):
        os._exit(1)  # the parent died before the request
