"""Child processes: one job in, JSON events out, a time limit, and nothing left behind.

The parent sleeps in `select` while the child works. Events travel over a pipe of their own, since
frameworks print to stdout; everything printed goes to a file whose tail is kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from bench.errors import HetbenchError
from bench.language.plain import plain

MAX_EVENT_BYTES = 128 << 20
TAIL_BYTES = 8192
_BOOT = (
    "import os,sys;init,*sys.path[:]=os.environ.pop('HETBENCH_CHILD_PATH').split(os.pathsep);"
    "from importlib.util import module_from_spec as m,spec_from_file_location as f;"
    "s=f('bench',init);b=sys.modules['bench']=m(s);s.loader.exec_module(b);"
    "from bench.system.child import main;main()"
)
"""What the parent can import is what its children import, whatever the working folder holds: os
and sys are there before Python looks into any folder. `bench` is the parent's own, also where
another one comes first on the path (see `_hetbench.py`)."""
_INIT = str(Path(__file__).absolute().parents[1] / "__init__.py")
_LOOK_S = 1.0
"""How often a quiet child is looked after: one that died may leave its pipe to a child of its own,
which then never ends."""

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a child ended."""

    returncode: int
    """Negative: the signal that ended it."""
    timed_out: bool
    printed: str
    """Tail of what it printed."""
    wall_s: float
    parent_cpu_s: float
    """CPU time this process used while it waited, its sampling threads included."""
    pid: int
    oversized: bool = False
    """Whether it was ended because of an event of more than MAX_EVENT_BYTES."""

    @property
    def how(self) -> str:
        """What it ended with, of a child whose time was not up: `SIGSEGV`, `exit code 1`."""
        if self.oversized:
            return f"a message of more than {MAX_EVENT_BYTES >> 20} MiB"
        return self.signal_name or f"exit code {self.returncode}"

    @property
    def signal_name(self) -> str | None:
        """Name of the signal that ended it, for example SIGSEGV."""
        if self.returncode >= 0:
            return None
        try:
            return signal.Signals(-self.returncode).name
        except ValueError:
            return f"signal {-self.returncode}"


def run(
    job: Mapping[str, Any],
    on_event: Callable[[Event], None],
    timeout_s: float,
    env: Mapping[str, str] | None = None,
) -> Outcome:
    """Run one job in a fresh process until it ends or its time is up; then end its whole group.

    Raises KeyboardInterrupt after ending the child, when this process is told to stop, and
    HetbenchError where the system lets no process be started.
    """
    start, cpu_start = time.monotonic(), time.process_time()
    with contextlib.ExitStack() as files:
        try:
            child, events, printed = _start(job, env or {}, files)
        except OSError as error:
            raise HetbenchError(
                f"no process could be started: {error.strerror}; raise the limits on processes "
                "and open files ('ulimit -u', 'ulimit -n'), or free memory or disk"
            ) from error
        try:
            end = _follow(child, events.fileno(), on_event, start + timeout_s)
            timed_out = end == "time"
            if end == "closed":
                try:
                    child.wait(max(1.0, start + timeout_s - time.monotonic()))
                except subprocess.TimeoutExpired:
                    timed_out = True
        finally:
            end_group(child)
        return Outcome(
            returncode=child.returncode,
            timed_out=timed_out,
            printed=_tail(printed.fileno()),
            wall_s=time.monotonic() - start,
            parent_cpu_s=time.process_time() - cpu_start,
            pid=child.pid,
            oversized=end == "size",
        )


def _start(
    job: Mapping[str, Any], env: Mapping[str, str], files: contextlib.ExitStack
) -> tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes]]:
    """Start a child with its job; returns it, its pipe of events and the file it prints to.

    What is open here is closed with `files`. Raises OSError.
    """
    read_end, write_end = os.pipe()
    try:
        events = files.enter_context(open(read_end, "rb", buffering=0))  # noqa: PTH123, SIM115
        printed = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        stdin = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        stdin.write(json.dumps(job).encode())
        stdin.seek(0)
        child = subprocess.Popen(
            [sys.executable, "-c", _BOOT, str(write_end)],
            stdin=stdin,
            stdout=printed,
            stderr=subprocess.STDOUT,
            pass_fds=[write_end],
            start_new_session=True,
            env={
                **os.environ,
                **env,
                "HETBENCH_CHILD_PATH": os.pathsep.join([_INIT, *sys.path]),
                "HETBENCH_PARENT": str(os.getpid()),
            },
        )
    finally:
        os.close(write_end)
    return child, events, printed


def _follow(
    child: subprocess.Popen[bytes], source: int, on_event: Callable[[Event], None], deadline: float
) -> Literal["closed", "time", "size"]:
    """Hand over events until the child ends or closes the pipe, the deadline comes, or an event
    is too large."""
    buffer = bytearray()
    while True:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return "time"
        ended = child.poll() is not None  # asked first, so that nothing it wrote is missed
        if not select.select([source], [], [], 0 if ended else min(remaining, _LOOK_S))[0]:
            if ended:
                return "closed"
            continue
        data = os.read(source, 1 << 20)
        if not data:
            return "closed"
        buffer += data
        if b"\n" not in data:
            if len(buffer) > MAX_EVENT_BYTES:
                return "size"
            continue
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            event = _event(line)
            if event is not None:
                on_event(event)


def _event(line: bytes | bytearray) -> Event | None:
    """The event in a line; None for anything else, since a backend may write to any descriptor."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def end_group(child: subprocess.Popen[bytes]) -> None:
    """Kill the child's process group, so that none of its own children stays; reap it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _tail(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    data = os.pread(descriptor, TAIL_BYTES, max(0, size - TAIL_BYTES))
    return plain(data.decode("utf-8", "replace"), keep="\n\t").strip()[-TAIL_BYTES:]
