"""Whether processes are still there."""

from __future__ import annotations

import time
from pathlib import Path


def is_gone(pid: int, within_s: float = 60) -> bool:
    """Whether the process ends in time; one that waits to be reaped has ended."""
    end = time.monotonic() + within_s
    while True:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state in "ZX":
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
