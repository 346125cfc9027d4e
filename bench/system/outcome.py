"""How a child process ended: the one place that puts it into words."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

MAX_EVENT_BYTES = 128 << 20
"""A child that says more than this at once is ended."""
MAX_LINE = 300
_NO_MEMORY = re.compile(
    r"bad_alloc|MemoryError|Cannot allocate memory|out of memory", re.IGNORECASE
)


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
    """CPU time this process used meanwhile, its sampling threads included."""
    pid: int
    oversized: bool = False
    """Whether it was ended because of an event of more than MAX_EVENT_BYTES."""

    @property
    def ending(self) -> str:
        """How it ended, after the child's name in a sentence."""
        return "did not end in time" if self.timed_out else f"ended with {self.how}"

    @property
    def how(self) -> str:
        """What it ended with, of a child whose time was not up: `SIGSEGV`, `exit code 1`."""
        if self.oversized:
            return f"a message of more than {MAX_EVENT_BYTES >> 20} MiB"
        return self.signal_name or f"exit code {self.returncode}"

    @property
    def lacked_memory(self) -> bool:
        """Whether the last it printed says that memory ran out."""
        return _NO_MEMORY.search(self.printed) is not None

    @property
    def signal_name(self) -> str | None:
        """Name of the signal that ended it, for example SIGSEGV."""
        if self.returncode >= 0:
            return None
        try:
            return signal.Signals(-self.returncode).name
        except ValueError:
            return f"signal {-self.returncode}"

    @property
    def last_line(self) -> str:
        """The last line it printed, at most MAX_LINE characters; empty where it printed none."""
        return (self.printed.splitlines() or [""])[-1][:MAX_LINE]
