"""Child processes: one job in, JSON events out, a time limit, and nothing left behind.

The parent sleeps in `poll` while its children work. Events travel over a pipe of their own, since
frameworks print to stdout; everything printed goes to a file whose tail is kept. The job is the
child's standard input, and what the parent says while the child works comes over a second pipe.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Literal

from bench.errors import HetbenchError
from bench.language.plain import plain
from bench.system import outcome
from bench.system.outcome import Outcome as Outcome

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
"""How often quiet children are looked after: one that died may leave its pipe to a child of its
own, which then never ends."""
_GRACE_S = 2.0
"""How long a child may go on being heard after its time was up."""
_ENDING_S = 0.005
"""The same just after a child closed its pipe, which is about to end."""

Event = dict[str, Any]
End = Literal["by itself", "time", "size"]


class Child:
    """A process that does one job. Made by `start`, brought to its end by `follow`."""

    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        events: int,
        ear: int,
        printed: IO[bytes],
        limit_s: float,
        stack: ExitStack,
    ) -> None:
        """`events` is the pipe its events come from, `ear` the one it hears by; `stack` closes
        all that is open here."""
        self.pid = popen.pid
        self.events = events
        self._popen = popen
        self._ear = ear
        self._printed = printed
        self._stack = stack
        self._buffer = bytearray()
        self._start_s, self._cpu_start_s = time.monotonic(), time.process_time()
        self._deadline_s = self._start_s + limit_s
        self._left_s: float | None = None

    @property
    def left_s(self) -> float:
        """Seconds until its time is up; infinite while it is held."""
        return math.inf if self._left_s is not None else self._deadline_s - time.monotonic()

    def allow(self, limit_s: float) -> None:
        """Count its time anew: from now on it has `limit_s`."""
        self._deadline_s = time.monotonic() + limit_s

    def hold(self) -> None:
        """Stop counting its time, which it spends waiting for others."""
        self._left_s = self.left_s

    def tell(self, word: str, **fields: Any) -> None:
        """Say something to the child, which reads it with `bench.system.child.hear`; its time
        counts again. One that has ended hears nothing; `follow` tells of its end."""
        if self._left_s is not None:
            self._deadline_s, self._left_s = time.monotonic() + self._left_s, None
        line = json.dumps({"word": word, **fields}, allow_nan=False).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError):
            os.write(self._ear, line)  # so short that a pipe takes it whole

    def has_ended(self) -> bool:
        """Whether the process itself has, whoever else holds its pipe."""
        return self._popen.poll() is not None

    def read(self) -> list[Event] | None:
        """Events that are there; None when no more can come. Blocks where nothing has come.

        Raises OverflowError for an event of more than outcome.MAX_EVENT_BYTES.
        """
        data = os.read(self.events, 1 << 20)
        if not data:
            return None
        self._buffer += data
        if b"\n" not in data:
            if len(self._buffer) > outcome.MAX_EVENT_BYTES:
                raise OverflowError
            return []
        *lines, self._buffer = self._buffer.split(b"\n")
        return [event for line in lines if (event := _event(line)) is not None]

    def end(self, end: End = "by itself") -> Outcome:
        """Kill its whole group, so that none of its own children stays; reap it."""
        with self._stack:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait()
            return Outcome(
                returncode=self._popen.returncode,
                timed_out=end == "time",
                printed=_tail(self._printed.fileno()),
                wall_s=time.monotonic() - self._start_s,
                parent_cpu_s=time.process_time() - self._cpu_start_s,
                pid=self.pid,
                oversized=end == "size",
            )


def start(
    module: str,
    job: Mapping[str, Any],
    limit_s: float,
    env: Mapping[str, str] | None = None,
    descriptors: Sequence[int] = (),
) -> Child:
    """Start `module.perform(job, emit)` in a fresh process that is to end within `limit_s`; it
    inherits `descriptors` under the same numbers.

    Raises HetbenchError where the system lets no process be started.
    """
    with contextlib.ExitStack() as stack, contextlib.ExitStack() as its:
        try:
            printed = stack.enter_context(tempfile.TemporaryFile())
            task = its.enter_context(tempfile.TemporaryFile())
            task.write(json.dumps({"module": module, "job": job}).encode())
            task.seek(0)
            events, its_events = _pipe(stack, its)
            its_ear, ear = _pipe(its, stack)
            popen = subprocess.Popen(
                [sys.executable, "-c", _BOOT, str(its_events), str(its_ear)],
                stdin=task,
                stdout=printed,
                stderr=subprocess.STDOUT,
                pass_fds=[its_events, its_ear, *descriptors],
                start_new_session=True,
                env={
                    **os.environ,
                    **(env or {}),
                    "HETBENCH_CHILD_PATH": os.pathsep.join([_INIT, *sys.path]),
                    "HETBENCH_PARENT": str(os.getpid()),
                },
            )
        except OSError as error:
            raise HetbenchError(
                f"no process could be started: {error.strerror}; raise the limits on processes "
                "and open files ('ulimit -u', 'ulimit -n'), or free memory or disk"
            ) from error
        return Child(popen, events, ear, printed, limit_s, stack.pop_all())


def follow(
    children: Sequence[Child],
    on_event: Callable[[int, Event], None],
    on_end: Callable[[int, Outcome], None] = lambda place, ended: None,
) -> list[Outcome]:
    """Hand over the children's events, with the child's place in the list, until all have ended
    or their time is up; `on_end` is told of each as it ends, after its whole group was ended.

    Whatever is raised here, KeyboardInterrupt too, is raised after every child was ended.
    """
    going = dict(enumerate(children))
    outcomes: dict[int, Outcome] = {}
    late: dict[int, float] = {}
    """Place of each child whose time is up while it is still heard -> since when."""
    silent: dict[int, float] = {}
    """Place of each child that closed its pipe and has not ended yet -> since when."""
    poller = select.poll()
    for child in children:
        poller.register(child.events, select.POLLIN)

    def hush(place: int) -> None:
        if place not in silent:
            poller.unregister(children[place].events)
            silent[place] = time.monotonic()

    def finish(place: int, end: End) -> None:
        hush(place)
        del silent[place]
        outcomes[place] = going.pop(place).end(end)
        on_end(place, outcomes[place])

    try:
        while going:
            # Asked before looking, so that nothing a child wrote before its end is missed.
            ended = {place for place, child in going.items() if child.has_ended()}
            most_s = min(child.left_s for child in going.values())
            wait_s = 0.0 if ended else min(max(most_s, 0.0), _patience_s(silent.values()))
            if late and not ended:
                wait_s = _ENDING_S
            ready = {descriptor for descriptor, _ in poller.poll(math.ceil(1000 * wait_s))}
            for place, child in list(going.items()):
                if child.events in ready and place not in silent:
                    try:
                        events = child.read()
                    except OverflowError:
                        finish(place, "size")
                        continue
                    for event in events or ():
                        on_event(place, event)
                    if events is None:
                        hush(place)
                elif place in ended:
                    finish(place, "by itself")
                    continue
                if child.left_s <= 0:
                    # What was written in time may still lie in the pipe, as after this process
                    # was stopped for a while.
                    since = late.setdefault(place, time.monotonic())
                    heard = child.events in ready or place in silent
                    if not heard or time.monotonic() - since > _GRACE_S:
                        finish(place, "time")
    finally:
        for child in going.values():
            child.end()
    return [outcomes[place] for place in range(len(children))]


def run(
    module: str,
    job: Mapping[str, Any],
    on_event: Callable[[Event], None],
    limit_s: float,
    env: Mapping[str, str] | None = None,
) -> Outcome:
    """Run one job in a fresh process to its end; raises as `start` and `follow` do."""
    child = start(module, job, limit_s, env)
    return follow([child], lambda place, event: on_event(event))[0]


def _patience_s(silent_since_s: Iterable[float]) -> float:
    """Seconds to wait for events: while a child is silent as long as it has been so, since it ends
    at once or hangs."""
    latest_s = max(silent_since_s, default=-math.inf)
    return min(max(time.monotonic() - latest_s, _ENDING_S), _LOOK_S)


def _pipe(reader: ExitStack, writer: ExitStack) -> tuple[int, int]:
    """Both ends of a pipe, each closed with its side."""
    read_end, write_end = os.pipe()
    reader.callback(os.close, read_end)
    writer.callback(os.close, write_end)
    return read_end, write_end


def _event(line: bytes | bytearray) -> Event | None:
    """The event in a line; None for anything else, since a backend may write to any descriptor."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def _tail(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    data = os.pread(descriptor, TAIL_BYTES, max(0, size - TAIL_BYTES))
    return plain(data.decode("utf-8", "replace"), keep="\n\t").strip()[-TAIL_BYTES:]
