"""Where every child process starts: read the job, do it, report events, exit."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import IO, Any

Emit = Callable[..., None]
"""emit(event_name, **fields): one JSON line to the parent."""


def main() -> None:
    """Entry point of the child; its arguments are the descriptors of the pipe its events go to and
    of the one it hears by. Its standard input is the job and the module that does it."""
    _die_with_parent()
    pipe = int(sys.argv[1])
    asked: dict[str, Any] = json.load(sys.stdin)
    job: dict[str, Any] = asked["job"]
    cores = job.get("cores")
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)

    def emit(event: str, **fields: Any) -> None:
        data = (json.dumps({"event": event, **fields}, allow_nan=False) + "\n").encode()
        while data:
            data = data[os.write(pipe, data) :]

    import_module(asked["module"]).perform(job, emit)
    os.close(pipe)
    sys.stdout.flush()
    sys.stderr.flush()
    # Frameworks may hang or crash while their threads are torn down; the result is already sent.
    os._exit(0)


def hear() -> dict[str, Any]:
    """Wait for the next thing the parent says: its `word` and fields. Ends this process when the
    parent says no more."""
    line = _ear().readline()
    if not line:
        os._exit(1)
    said: dict[str, Any] = json.loads(line)
    return said


@cache
def _ear() -> IO[bytes]:
    return os.fdopen(int(sys.argv[2]), "rb")


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies, so that kill -9 leaves no worker."""
    if not sys.platform.startswith("linux"):
        return
    pr_set_pdeathsig = 1
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != int(os.environ.get("HETBENCH_PARENT", os.getppid())):
        os._exit(1)  # the parent died before the request
