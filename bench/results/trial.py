"""A trial: one execution of a case. Its parts: what each worker process did, with all samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import FailFast, Field

from bench.bounds import Amount, Count, Name, Share, Text
from bench.results.record import Few, Record, Samples
from bench.results.telemetry import Telemetry, Window

Status = Literal[
    "ok",
    "unsupported",
    "failed",
    "crashed",
    "out-of-memory",
    "timeout",
    "invalid",
    "interrupted",
]


class Series(Record):
    """Raw samples of one kind in the order taken; the first `warmup` of them are warm-up."""

    unit: Literal["ns"]
    """Unit of the samples."""
    items_per_sample: Count
    """Items one sample processed: the batch for a latency, batch x runs for a throughput round."""
    warmup: Count
    """How many of the first samples are warm-up."""
    steady: bool
    """Whether the warm-up ended because the samples were level."""
    stopped_by: Literal["confidence", "budget", "extended", "limit", "samples", "time"]
    """Why sampling ended: the interval is narrow enough; the budget is spent; it went over its
    budget until it had the least samples; at four budgets it still had fewer; there are a million
    samples; the set time of a sustained load is over."""
    start_ns: Count
    """The run's clock at the first measured sample; results/README.md says what that clock is."""
    end_ns: Count
    """The run's clock after the last sample."""
    samples: Samples
    """Every sample, the warm-up included."""


class Metric(Record):
    """A figure derived from the raw samples."""

    value: float
    """The figure itself, in the unit its name ends with."""
    low: float | None = None
    """Lower end of the 95 % confidence interval; null where the samples cannot give one."""
    high: float | None = None
    """Upper end of the same interval."""
    n: Count
    """Samples it rests on."""


class Clock(Record):
    """The clock of a part, measured in it."""

    source: Literal["perf_counter_ns", "simulated"]
    """The host's monotonic clock, or a simulated device's own time."""
    resolution_ns: Count
    """Smallest step seen between two readings."""
    cost_ns: Amount
    """Median cost of one reading."""


class ColdStart(Record):
    """Phases from an empty process to the first output; null where a phase does not exist."""

    import_ns: Count
    """Importing the framework and finding the device."""
    build_ns: Count | None
    """Making the model's weights: the harness's own doing, not part of the device's cold start."""
    load_ns: Count
    """Putting the model on the device, compiling included."""
    first_inference_ns: Count
    """The first inference, inputs staged and outputs fetched."""


class Memory(Record):
    """Most memory the worker held."""

    host_peak_bytes: Count
    """Peak resident set of the worker process."""
    device_peak_bytes: Count | None
    """Most memory of the device that was in use, as its framework counts it."""
    device_reason: Text | None = None
    """Why the device's peak is null."""


class Fidelity(Record):
    """Outputs of the timed session on fresh inputs, against the reference."""

    relative_l2: Amount | None
    """Euclidean norm of the outputs' error over that of the reference; null when an output was not
    finite."""
    top1_agreement: Share | None
    """Share of items whose largest output is where the reference has it; null: no classifier."""
    not_finite: Count
    """Outputs that are NaN or infinite."""
    items: Count
    """Distinct items compared."""
    tolerance_relative_l2: Amount
    """The largest error that passes."""
    tolerance_top1: Share | None
    """The smallest agreement that passes; null: no classifier."""
    reference: Name
    """What computed the reference outputs."""
    passed: bool
    """Whether the outputs are right."""


class PlacementRecord(Record):
    """Which execution provider ran the nodes of the graph."""

    wanted: Name
    """Provider the target names."""
    nodes: dict[Name, Count]
    """Provider -> nodes it ran."""
    strays: dict[Name, Count]
    """Operator type -> nodes that ran elsewhere than wanted."""
    proof: Name
    """How it was established."""
    share: Share
    """Share of nodes that ran where they were wanted, 0 to 1."""


class Part(Record):
    """What one worker process did in a trial."""

    target: Name
    """One of the file's targets."""
    status: Status
    """How it ended."""
    reason: Text | None = None
    """One sentence where the status is not `ok`."""
    stderr_tail: Text | None = None
    """The end of what the worker printed, where it did not end well."""
    process_id: Count | None = None
    """Of the worker."""
    clock: Clock | None = None
    """The clock that the samples were stamped with."""
    cold_start: ColdStart | None = None
    """What came before the measuring."""
    memory: Memory | None = None
    """Most memory in use."""
    series: dict[Name, Series] = {}
    """By kind, as the scenario names them; results/README.md tells what each is."""
    windows: Few[Window] = []
    """Stretches of steady load that energy is read over."""
    device_event_ns: Samples | None = None
    """Time by the device's own events, of a few runs after the measurement."""
    fidelity: Fidelity | None = None
    """Whether the outputs were right."""
    placement: PlacementRecord | None = None
    """Where the nodes of the graph ran; null: the backend has no such choice."""
    telemetry: Telemetry | None = None
    """Power and energy; null: no sensor is readable."""
    facts: dict[Name, Text] = {}
    """What the backend really set: data type, memory format, compile mode, provider options."""


class Trial(Record):
    """One execution of a case in fresh processes, one a part."""

    index: Count
    """Number of the trial within its case, from 0."""
    position: Count | None
    """Place in the run's order of all trials; null of a trial that the run was stopped in, which
    counts as not run."""
    status: Status
    """`ok` only if every part is, else that of the first part that is not."""
    reason: Text | None = None
    """One sentence where the status is not `ok`; of several parts it begins with the target of that
    part."""
    started_at: Name
    """UTC, ISO 8601."""
    wall_s: Amount | None
    """From starting the workers to the end of the last; null where that was not seen."""
    parent_cpu_share: Amount | None = None
    """CPU time the waiting parent used, as a share of the trial's wall time."""
    parts: Annotated[list[Part], Field(max_length=64), FailFast()] = []
    """One a worker process, in the order of the case's targets; empty of a trial that the run was
    stopped in."""
    metrics: dict[Name, Metric] = {}
    """Figures derived from the samples of all parts, by name; the name ends with the unit."""

    def every_series(self) -> Iterator[tuple[str, Series]]:
        """The series of all parts, each with its name."""
        for part in self.parts:
            yield from part.series.items()
