"""What a simulated device does beside inference: it generates, trains, and works with others."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from bench.axes import BATCH
from bench.backend import Decoder
from bench.clocks import host
from bench.model import Arrays
from bench.workload import Rank, Workload

from ._simulated_session import SimulatedSession, Staged, memory_bytes, respond

_GENERATED = "generated"
_POLL_NS = 1_000_000
MEETING_S = 60.0
"""How long a rank waits for the others, in real time."""


class SimulatedOutOfMemory(RuntimeError):
    """The device's memory is too small for what it has to hold."""


class SimulatedDecoder(SimulatedSession, Decoder):
    """Generates tokens of a vocabulary of ten.

    The prefill takes what a run takes, a step `decode_us`, whatever the batch. The logits follow
    from the prompt and all tokens generated since; each token takes `kv_kib` of memory.
    """

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self._generated: list[Any] = []
        self._peak_tokens = 0

    def run(self, slot: int) -> None:
        self._generated = []
        self._hold(self.slots[slot].axes)
        super().run(slot)

    def decode(self) -> None:
        logits = next(iter(self.outputs().values()))
        self._generated.append(logits.argmax(1))
        self._hold(self._axes)
        self.launch(self.duration_ns(round(self.settings.decode_us * 1e3)))

    def outputs(self) -> Arrays:
        if self._running is None or not self._generated:
            return super().outputs()
        tokens = np.stack(self._generated, 1)
        return respond({**self._running.arrays, _GENERATED: tokens}, self.workload.card.outputs)

    def peak_memory_bytes(self) -> int:
        return super().peak_memory_bytes() + self._cache_bytes(self._peak_tokens)

    def _hold(self, axes: Any) -> None:
        """Take the memory of all tokens of all rows, or raise SimulatedOutOfMemory."""
        tokens = axes[BATCH] * (axes["sequence"] + len(self._generated))
        needed = memory_bytes(self.workload, self.settings) + self._cache_bytes(tokens)
        available = round(self.settings.memory_mib * 2**20)
        if needed > available:
            raise SimulatedOutOfMemory(
                f"the device has {available} bytes of memory, {tokens} tokens take {needed}"
            )
        self._peak_tokens = max(self._peak_tokens, tokens)

    def _cache_bytes(self, tokens: int) -> int:
        return round(tokens * self.settings.kv_kib * 1024)


class SimulatedTrainer(SimulatedSession):
    """Its loss falls with the steps: (1 + |mean of what the device makes of the batch|) / step,
    counted from 1."""

    def outputs(self) -> Arrays:
        made = super().outputs()
        mean = abs(float(np.mean([array.mean() for array in made.values()])))
        return {"loss": np.asarray((1 + mean) / self.runs, np.float32)}


class SimulatedCollective(SimulatedSession):
    """Sums inputs over all ranks, and makes of the sum what it makes of inputs.

    An operation begins when the last rank is ready for it, by the clocks of all, which begin at the
    same time; then it takes every rank what a run takes. `run` waits in real time alone, until the
    others have come: one thread cannot be two ranks.
    """

    def taken(self, staged: Staged) -> Staged:
        if self.workload.rank is None:
            return staged
        ready = max(self._clock.now_ns(), self.busy_until)
        self.busy_until, total = _meet(self.workload.rank, self.runs, ready, staged.arrays)
        return Staged(total)


def roles(workload: Workload) -> tuple[type[SimulatedSession], ...]:
    """What the session of a workload plays, the honest device last."""
    found: list[type[SimulatedSession]] = []
    if workload.rank is not None:
        found.append(SimulatedCollective)
    if workload.purpose == "train":
        found.append(SimulatedTrainer)
    elif workload.card.decoder:
        found.append(SimulatedDecoder)
    return (*found, SimulatedSession)


def _meet(rank: Rank, operation: int, ready_ns: int, arrays: Arrays) -> tuple[int, Arrays]:
    """Tell the others when this rank is ready and what it brings; wait for them.

    Returns when the last is ready, and the sums. Raises RuntimeError for a rank that does not come.
    """
    rank.store.mkdir(parents=True, exist_ok=True)
    mine = _note(rank, operation, rank.index)
    unfinished = mine.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.savez(file, ready_ns=np.int64(ready_ns), **{f"array_{n}": a for n, a in arrays.items()})
    unfinished.replace(mine)
    end = host.now_ns() + MEETING_S * 1e9
    latest, sums = ready_ns, dict[str, Any]()
    for index in range(rank.size):
        path = _note(rank, operation, index)
        while not path.exists():
            if host.now_ns() > end:
                raise RuntimeError(
                    f"rank {index} of {rank.size} did not come to operation {operation} within "
                    f"{MEETING_S:g} s"
                )
            host.wait_until(host.now_ns() + _POLL_NS)
        with np.load(path, allow_pickle=False) as note:
            latest = max(latest, int(note["ready_ns"]))
            for name in arrays:
                sums[name] = sums.get(name, 0) + note[f"array_{name}"]
    # All ranks are here, so all have read the notes of the operation before.
    with suppress(FileNotFoundError):
        _note(rank, operation - 1, rank.index).unlink()
    return latest, sums


def _note(rank: Rank, operation: int, index: int) -> Path:
    return rank.store / f"{operation}.{index}.npz"
