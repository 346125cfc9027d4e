"""The contract a backend fulfils: allocate, copy in, run, copy out, synchronize.

A backend never measures anything: it has no clock. It is imported only in worker and probe
processes, never by the command line, so it may import its framework at the top of its file.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from bench.adapter import Adapter
from bench.device import Device
from bench.model import Arrays, ModelCard, Precision

VALUE_BYTES: Mapping[Precision, int] = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2, "int8": 1}
_INTEGER_BYTES = {"int64": 8, "int32": 4, "int8": 1, "uint8": 1, "bool": 1}


@dataclass(frozen=True, slots=True)
class Availability:
    """Answer of `Backend.probe`."""

    available: bool
    reason: str | None = None
    """Why not, in one sentence that names the remedy; None when available."""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Workload:
    """A model at a precision and batch size, ready to be loaded."""

    card: ModelCard
    precision: Precision
    batch: int
    onnx: Path | None = None
    """The prepared ONNX file (already quantized for int8), for backends whose format is onnx.
    Its batch axis is named `batch`; None while only `supports` is asked."""
    module: Callable[[], Any] | None = None
    """Builds the torch module with its deterministic weights on the CPU in fp32, eval mode;
    its forward takes the card's inputs in order and returns one tensor or a tuple of them."""

    def least_memory_bytes(self) -> int:
        """Memory that no implementation gets by without: weights, one set of inputs, and for a
        transformer the widest activation of one layer. What more is needed shows when it runs."""
        size = VALUE_BYTES[self.precision]
        item = 0
        for spec in self.card.inputs:
            width = size if spec.dtype.startswith("float") else _INTEGER_BYTES[spec.dtype]
            item += math.prod(spec.shape) * width
        dimensions = self.card.dimensions
        item += dimensions.get("sequence", 0) * dimensions.get("hidden", 0) * size
        return self.card.parameters * size + self.batch * item

    def too_large_for(self, device: Device, available_bytes: int | None) -> str | None:
        """Why it cannot fit into the device's memory, with the sizes; None: it may."""
        needed = self.least_memory_bytes()
        if available_bytes is None or needed <= available_bytes:
            return None
        return (
            f"{self.card.name} in {self.precision} at batch {self.batch} needs at least "
            f"{needed / 2**20:.0f} MiB of memory and {device.id} has {available_bytes / 2**20:.0f} "
            "MiB to give; take a smaller batch, a lower precision or a larger device"
        )


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
    """A loaded workload on a device, bound to a fixed list of input slots."""

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
        self, workload: Workload, device: Device, inputs: Sequence[Arrays], threads: int
    ) -> Session:
        """Put the workload on the device and bind the slots.

        `inputs` holds one dict of host arrays per slot, in the card's dtypes, the batch as first
        axis. A backend may put an equal array in the place of one, in memory that its device copies
        from faster; `stage` copies what the array then in the dict holds at that moment. `threads`
        is the number of host threads the framework may use. Outputs come back as float32 under the
        card's output names. A session is used by the thread that loaded it. Raises Unsupported, or
        the framework's own error.
        """

    reference: Callable[[Arrays], Arrays] | None = None
    """Only of a simulated backend: what its device makes of host inputs, for the workload loaded
    last, which the outputs are then checked against. None: the CPU's fp32 reference."""

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Whether the framework's error means that memory ran out."""
        return isinstance(error, MemoryError)

    def now_ns(self) -> Callable[[], int] | None:
        """A simulated device's own time, which makes measurements exact; None: the host's clock."""
        return None
