"""Jobs that go well or wrong in every way a child process can; named by the job's `do`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.system.child import Emit, hear


def perform(job: dict[str, Any], emit: Emit) -> None:
    globals()[job["do"]](job, emit)


def count(job: dict[str, Any], emit: Emit) -> None:
    print("printed to stdout")
    for number in range(3):
        emit("count", number=number)
    print("printed to stderr", file=sys.stderr)


def large(job: dict[str, Any], emit: Emit) -> None:
    emit("large", text="x" * job["size"])


def nan(job: dict[str, Any], emit: Emit) -> None:
    emit("nan", value=float("nan"))


def leave(job: dict[str, Any], emit: Emit) -> None:
    emit("before")
    sys.exit(job["code"])


def fail(job: dict[str, Any], emit: Emit) -> None:
    raise RuntimeError("the device is on fire")


def die(job: dict[str, Any], emit: Emit) -> None:
    emit("before")
    os.write(int(sys.argv[1]), b'{"event": "half a li')
    os.kill(os.getpid(), job["signal"])


def hang(job: dict[str, Any], emit: Emit) -> None:
    emit("hanging", pid=os.getpid())
    while True:
        time.sleep(3600)


def hang_silently(job: dict[str, Any], emit: Emit) -> None:
    os.close(int(sys.argv[1]))
    while True:
        time.sleep(3600)


def listen(job: dict[str, Any], emit: Emit) -> None:
    emit("listening", stdin=sys.stdin.read())
    emit("heard", said=hear())


def leave_a_child(job: dict[str, Any], emit: Emit) -> None:
    emit("left", pid=subprocess.Popen(["sleep", "3600"]).pid)


def die_with_a_child_on_the_pipe(job: dict[str, Any], emit: Emit) -> None:
    if os.fork() == 0:
        time.sleep(3600)
    os.kill(os.getpid(), signal.SIGABRT)


def garbage(job: dict[str, Any], emit: Emit) -> None:
    pipe = int(sys.argv[1])
    os.write(pipe, b"\xff\xfe\nWarning: a library\n[1]\n7\nnull\n{}\n" + b'{"event": 7}\n')
    os.write(pipe, b"[" * 10_000 + b"\n" + b'{"event": NaN}\n\n')
    emit("real")


def chatter(job: dict[str, Any], emit: Emit) -> None:
    print("start " + "x" * 1_000_000)
    print("\x1b[31mred\x1b[0m\a \xff the end\n\n")


def look(job: dict[str, Any], emit: Emit) -> None:
    emit(
        "seen",
        cores=sorted(os.sched_getaffinity(0)),
        variable=os.environ.get("HETBENCH_TEST"),
        folder=str(Path.cwd()),
        leader=os.getpgrp() == os.getpid(),
    )


def report_late(job: dict[str, Any], emit: Emit) -> None:
    """Says it has begun, and reports more than a pipe holds while its parent does not look."""
    emit("begun")
    emit("late", text="x" * job["size"])
