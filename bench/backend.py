"""The contract a backend fulfils: allocate, copy in, run, copy out, synchronize.

A backend never measures anything: it has no clock. It is imported only in worker and probe
processes, never by the command line, so it may import its framework at the top of its file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from bench import clocks
from bench.adapter import Adapter
from bench.clocks import Clock
from bench.device import Device
from bench.model import Arrays
from bench.workload import Slot, Workload


@dataclass(frozen=True, slots=True)
class Availability:
    """Answer of `Backend.probe`."""

    available: bool
    reason: str | None = None
    """Why not, in one sentence that names the remedy; None when available."""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placement:
    """Which execution provider ran the nodes of the graph."""

    wanted: str
    nodes: Mapping[str, int]
    """Provider -> number of nodes."""
    strays: Mapping[str, int] = field(default_factory=dict)
    """Operator type -> nodes that ran elsewhere than wanted."""
    proof: str = ""
    """How it was established, for example `graph assignment` or `profile`."""

    @property
    def share(self) -> float:
        """Share of nodes that ran where they were wanted, 0 to 1."""
        total = sum(self.nodes.values())
        return self.nodes.get(self.wanted, 0) / total if total else 0.0


class Session(ABC):
    """A loaded workload on a device, bound to a fixed list of input slots.

    Of a workload whose purpose is `train`, `run` is one step on the slot's batch (forward, backward
    and the update of the weights), and `fetch` gives `{"loss": a scalar}` of the last one, as it
    was before its update.

    Of a workload with a rank, `run` takes part in one collective operation; the ranks' first runs
    belong together, then their second, and so on, whatever the slots.
    """

    @abstractmethod
    def stage(self, slot: int) -> None:
        """Copy that slot's input to the device; may return before it is done."""

    @abstractmethod
    def run(self, slot: int) -> None:
        """Enqueue one inference on the slot's staged input; may return before it is done."""

    @abstractmethod
    def synchronize(self) -> None:
        """Return only when all enqueued work is done."""

    @abstractmethod
    def fetch(self) -> Arrays:
        """Outputs of the last run, on the host, complete: waits for what it needs. The arrays stay
        as they are when the session goes on."""

    @abstractmethod
    def close(self) -> None:
        """Give back the device's memory."""

    def placement(self) -> Placement | None:
        """Proof of where the nodes ran; None where the backend has a single place."""
        return None

    def device_time_ns(self, slot: int) -> int | None:
        """Run once and return the device's own event time; None without device events."""
        return None

    def peak_memory_bytes(self) -> int | None:
        """Most device memory this session's process held; None where it cannot be read."""
        return None

    def facts(self) -> dict[str, str]:
        """What was really set: dtype, memory format, compile mode, provider options."""
        return {}


class Decoder(Session):
    """A session of a model that generates tokens.

    `run(slot)` is the prefill of the slot's prompts, one a row; it ends what was generated before.
    `fetch` gives the logits of the newest token of every row, [batch, vocabulary].
    """

    @abstractmethod
    def decode(self) -> None:
        """Enqueue one more token for every row, the device's own greedy choice among the logits;
        may return before it is done. Raises RuntimeError before the first `run`."""


class Backend(ABC):
    """The software that runs a model on the devices one adapter describes.

    One instance serves one adapter with one set of options, inside one process.
    """

    name: ClassVar[str]
    format: ClassVar[Literal["module", "onnx", "none"]]
    """What `load` reads from the workload; `none`: its card alone."""
    simulated: ClassVar[bool] = False
    """True only for a device that does not exist; its results say so for ever."""

    def __init__(self, adapter: Adapter, options: Mapping[str, str]) -> None:
        """Raises UsageError for an option this backend does not have."""
        self.adapter = adapter
        self.options = options

    @abstractmethod
    def probe(self) -> Availability:
        """Whether it can run here, or the reason why not. Never raises."""

    @abstractmethod
    def devices(self) -> list[Device]:
        """Devices of the adapter's kind; only called when `probe` said available."""

    @abstractmethod
    def supports(self, workload: Workload, device: Device) -> str | None:
        """None for yes, else the reason; allocates nothing on the device."""

    @abstractmethod
    def load(
        self, workload: Workload, device: Device, slots: Sequence[Slot], threads: int
    ) -> Session:
        """Put the workload on the device and bind the slots; a Decoder for a card that says so.

        Slots hold host arrays in the card's dtypes, the batch as first axis, and may differ in
        their axes; none is larger than the workload's. A backend may put an equal array in the
        place of one, in memory that its device copies from faster; `stage` copies what the array
        then in the slot holds at that moment. `threads` is the number of host threads the
        framework may use. Outputs come back as float32 under the card's output names. A session is
        used by the thread that loaded it. Raises Unsupported, or the framework's own error.
        """

    clock: Clock = clocks.host
    """What its devices take time on: the host's, or a simulated device's own, which is exact."""

    def reference(self, workload: Workload, inputs: Arrays) -> Arrays | None:
        """Only of a simulated backend: what its device makes of host inputs, which the outputs
        are then checked against. None: the CPU's fp32 reference."""
        return None

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Whether the framework's error means that memory ran out."""
        return isinstance(error, MemoryError)
