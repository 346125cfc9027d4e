"""Clocks: what a device's work takes time on. Of the host, unless a device is simulated."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod

_SPIN_NS = 200_000
"""The end of a wait is spun, since a sleep ends up to 0.1 ms late."""


class Clock(ABC):
    """A monotonic clock in nanoseconds."""

    name: str
    """As it is stored with a trial."""

    @abstractmethod
    def now_ns(self) -> int:
        """The time now. The start is anywhere, so only differences mean something."""

    @abstractmethod
    def wait_until(self, ns: int) -> None:
        """Return at this time, or at once where it has passed."""


class HostClock(Clock):
    """The machine's own. On Linux perf_counter_ns and monotonic_ns are the same counter, so stamps
    of different processes compare."""

    name = "perf_counter_ns"
    now_ns = staticmethod(time.perf_counter_ns)  # no frame of Python between a stamp and its loop

    def wait_until(self, ns: int) -> None:
        while (left := ns - self.now_ns()) > 0:
            if left > _SPIN_NS:
                time.sleep((left - _SPIN_NS) / 1e9)


host = HostClock()
