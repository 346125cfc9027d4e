"""Parts of a crew; named by the job's `do`."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from bench.clocks import host
from bench.system.child import Emit, hear


def perform(job: dict[str, Any], emit: Emit) -> None:
    emit("begun", pid=os.getpid())
    if job["do"] == "die before":
        os.kill(os.getpid(), signal.SIGSEGV)
    if job["do"] == "hang before":
        time.sleep(3600)
    emit("ready")
    emit("ready")  # foreign code may say it too
    at_ns = hear()["at_ns"]
    heard_ns = host.now_ns()
    host.wait_until(at_ns)
    emit("gone", at_ns=at_ns, heard_ns=heard_ns, start_ns=host.now_ns())
    if job["do"] == "hang after":
        time.sleep(3600)
