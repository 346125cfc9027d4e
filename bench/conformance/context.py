"""What the checks inside a child share: the backend, the device, workloads, inputs and sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bench import registry
from bench.adapter import Adapter
from bench.axes import BATCH
from bench.backend import Backend, Placement, Session
from bench.device import Device
from bench.errors import Unsupported
from bench.measure import fidelity, inputs
from bench.model import Arrays, ModelCard, Precision
from bench.system.child import Emit
from bench.workload import Slot, Workload


@dataclass(frozen=True, slots=True)
class Files:
    """What was prepared for one model at one precision."""

    model: str
    precision: Precision
    onnx: str | None = None
    reference: str | None = None
    refusal: str | None = None
    """Why `supports` says no."""
    problem: str | None = None
    """Why preparing failed."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A device as a listing names it."""

    id: str
    uuid: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Job:
    """What the parent asks a child to check."""

    backend: str
    adapter: Adapter
    options: dict[str, str]
    device: Device
    threads: int
    cores: tuple[int, ...]
    seed: int
    limit_s: float
    """Most time of one check."""
    checks: tuple[str, ...]
    precision: Precision
    probe: ModelCard
    """The model of every check that needs only one."""
    cards: tuple[ModelCard, ...]
    files: tuple[Files, ...]
    peak_flops: float | None = None
    peak_reason: str = ""
    """Why there is no peak."""
    listing: tuple[Listed, ...] = ()
    """What the first process listed."""
    busy_s: float = 0.0


@dataclass
class Context:
    """One child's state."""

    job: Job
    emit: Emit
    placements: dict[str, Placement] = field(default_factory=dict)
    """Model -> where its nodes ran."""

    @cached_property
    def backend(self) -> Backend:
        """The target's backend, probed; raises Unsupported when it is not available."""
        backend = registry.backend(self.job.backend)(self.job.adapter, self.job.options)
        availability = backend.probe()
        if not availability.available:
            raise Unsupported(f"the backend is not available: {availability.reason}")
        return backend

    @property
    def now(self) -> Callable[[], int]:
        """The clock that the device's work takes time on."""
        return self.backend.clock.now_ns

    def card(self, name: str) -> ModelCard:
        """The card of a model of this job."""
        return next(card for card in self.job.cards if card.name == name)

    def files(self, card: ModelCard, precision: Precision) -> Files:
        """What was prepared; raises RuntimeError when preparing failed."""
        for one in self.job.files:
            if (one.model, one.precision) == (card.name, precision):
                if one.problem is not None:
                    raise RuntimeError(one.problem)
                return one
        raise KeyError(f"{card.name} in {precision} was not prepared")

    def workload(self, card: ModelCard, precision: Precision, batch: int) -> Workload:
        """The workload at the published sizes, as a trial gives it to the backend."""
        onnx = self.files(card, precision).onnx
        module = None
        if self.backend.format == "module":
            module = lambda: registry.builder(card)(card.name)  # noqa: E731
        axes = card.sizes(batch)
        return Workload(card, precision, axes, onnx=Path(onnx) if onnx else None, module=module)

    def draw(self, card: ModelCard, batch: int, count: int, purpose: str) -> list[Slot]:
        """Input sets that no earlier run has seen."""
        key = f"{card.name}/conformance/{purpose}/{self.job.seed}"
        return inputs.slots(card.inputs, card.sizes(batch), count, key)

    @contextmanager
    def session(
        self, card: ModelCard, precision: Precision, slots: Sequence[Slot]
    ) -> Iterator[Session]:
        """A session on the slots, closed at the end; raises Unsupported when `supports` says no."""
        workload = self.workload(card, precision, slots[0].axes[BATCH])
        refusal = self.backend.supports(workload, self.job.device)
        if refusal:
            raise Unsupported(refusal)
        session = self.backend.load(workload, self.job.device, slots, self.job.threads)
        try:
            yield session
        finally:
            session.close()

    def probe_session(self, slots: Sequence[Slot]) -> Any:
        """A session of the probe model at the precision of all checks."""
        return self.session(self.job.probe, self.job.precision, slots)

    def reference(self, card: ModelCard, precision: Precision, items: Slot) -> Arrays:
        """What the outputs must be near to."""
        workload = self.workload(card, precision, items.axes[BATCH])
        found = self.backend.reference(workload, items.arrays)
        if found is None:
            found = fidelity.load(Path(str(self.files(card, precision).reference)))
        return found


def infer(session: Session, slot: int) -> Arrays:
    """One inference from host to host."""
    session.stage(slot)
    session.run(slot)
    return session.fetch()


def tiled(items: Slot, batch: int) -> Slot:
    """A few items over and over: drawing thousands would take longer than the checks."""
    return fidelity.check_batches(items, batch)[0]
