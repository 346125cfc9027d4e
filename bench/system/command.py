"""Running a vendor's program: a time limit, bounded output, nothing left behind.

No word of it is read by a shell. A shell only starts it, beside a watcher: one that reads from a
pipe whose other end this process alone holds, and that ends the program's group when this process
is gone, killed or not. (Asking the kernel for a signal at the parent's death takes code between
fork and exec, which a process with threads must not run.)
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.settings.patterns import MAX_TEXT

_START = 'exec 3<&0 </dev/null; { read -r _ <&3; kill -9 0; } >/dev/null 2>&1 & exec "$@" 3<&-'
"""The watcher keeps the pipe, and the program gets neither it nor any input."""
_NOT_STARTED = (126, 127)
"""What a shell ends with when it could not start a program."""
_REST_S = 0.25
"""How often a quiet program is looked after, and how long its streams are read after its end."""
ERROR_BYTES = 2000
"""How much of the error stream is kept."""


class CommandError(Exception):
    """A program could not be run or did not answer; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a program printed; it ended with exit status 0."""

    text: str
    truncated: bool
    """True when it printed more than was kept."""


def find(program: str) -> str:
    """Absolute path of a program named by absolute path or by a bare name on PATH.

    Raises CommandError when there is none.
    """
    path = Path(program)
    if path.is_absolute():
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise CommandError(f"{program} does not exist or is not executable")
        return program
    if path.name != program:
        raise CommandError(f"{program!r} is a relative path; write a bare name or a full path")
    found = shutil.which(program)
    if found is None:
        raise CommandError(f"the program {program} is not on PATH")
    return str(Path(found).absolute())


def run(argv: Sequence[str], timeout_s: float = 10.0, max_bytes: int = MAX_TEXT) -> Output:
    """Run a program to its end and return what it printed, at most `max_bytes`.

    It gets no input, the locale C and a session of its own, which is killed at the time limit
    and when it printed too much. Raises CommandError: not found, not started, killed at the
    limit, or ended with another status than 0.
    """
    program = find(argv[0])
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _START, "sh", program, *argv[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise CommandError(f"{argv[0]} could not be started: {error}") from error
    deadline = time.monotonic() + timeout_s
    try:
        printed, errors, truncated = _read(process, deadline, max_bytes)
        if not truncated:
            process.wait(timeout=max(deadline - time.monotonic(), 0.0))
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{argv[0]} did not end within {timeout_s:g} s") from error
    finally:
        _end(process)
    if process.returncode and not truncated:
        tail = (errors or printed).decode("utf-8", "replace").strip().splitlines() or [""]
        _, of_shell, why = tail[-1].partition(f"{program}: ")
        if process.returncode in _NOT_STARTED and of_shell:
            raise CommandError(f"{argv[0]} could not be started: {why[:200]}")
        said = f": {tail[-1][:200]}" if tail[-1] else ""
        raise CommandError(f"{argv[0]} ended with status {process.returncode}{said}")
    return Output(printed.decode("utf-8", "replace"), truncated)


def _read(
    process: subprocess.Popen[bytes], deadline: float, max_bytes: int
) -> tuple[bytes, bytes, bool]:
    """Both streams to their ends, or `max_bytes` of the first; raises TimeoutExpired.

    A program that has ended has said what it had to say, though a child of its own may hold its
    streams open: they are read for _REST_S more.
    """
    assert process.stdout is not None and process.stderr is not None
    printed, errors = bytearray(), bytearray()
    truncated = False
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, (printed, max_bytes))
        selector.register(process.stderr, selectors.EVENT_READ, (errors, ERROR_BYTES))
        ended_s: float | None = None
        while selector.get_map() and not truncated:
            now = time.monotonic()
            left = deadline - now
            if ended_s is None and process.poll() is not None:
                ended_s = now
            if ended_s is not None and now - ended_s > _REST_S:
                break
            ready = selector.select(min(left, _REST_S)) if left > 0 else []
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, left)
            for key, _ in ready:
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fileobj)
                kept, limit = key.data
                room = limit - len(kept)
                kept += data[:room]
                truncated |= kept is printed and len(data) > room
    return bytes(printed), bytes(errors), truncated


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the program and its children, and close the pipes."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # the whole group has ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
