"""The records of a results file. The file is the interface: everything else is derived from it.

Units are in field names. What could not be had is null, with the reason beside it. Raw samples
are kept exactly, so that every derived figure can be computed again.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION: Literal[1] = 1

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
Text = Annotated[str, Field(max_length=20_000)]
Name = Annotated[str, Field(max_length=500)]
Count = Annotated[int, Field(ge=0, lt=2**63)]


class Record(BaseModel):
    """Strict and frozen: unknown keys, wrong types, NaN and infinity are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, ser_json_inf_nan="null"
    )


class Samples(Record):
    """Packed raw samples; see bench.encoding."""

    dtype: Literal["int64", "float64"]
    n: Annotated[int, Field(ge=0, le=4_000_000)]
    data: Annotated[str, Field(max_length=64 << 20)]


class Series(Record):
    """Raw samples of one kind in the order taken; the first `warmup` of them are warm-up."""

    unit: Literal["ns"]
    items_per_sample: Count
    """Items one sample processed: the batch for a latency, batch x runs for a throughput round."""
    warmup: Count
    steady: bool
    """Whether the warm-up ended because the samples were level."""
    stopped_by: Literal["confidence", "budget", "samples", "time"]
    start_ns: Count
    """Monotonic clock at the first measured sample."""
    end_ns: Count
    samples: Samples


class Metric(Record):
    """A figure derived from the raw samples."""

    value: float
    low: float | None = None
    high: float | None = None
    n: Count
    """Samples it rests on; trials, in a case's summary."""


class Clock(Record):
    source: Name
    resolution_ns: Count
    cost_ns: float


class ColdStart(Record):
    """Phases from an empty process to the first output; null where a phase does not exist."""

    import_ns: Count
    build_ns: Count | None
    """Making the model's weights: the harness's own doing, not part of the device's cold start."""
    load_ns: Count
    first_inference_ns: Count


class Memory(Record):
    host_peak_bytes: Count
    device_peak_bytes: Count | None
    device_reason: Text | None = None


class Fidelity(Record):
    """Outputs of the timed session on fresh inputs, against the reference."""

    relative_l2: float | None
    """Null when an output was not finite."""
    top1_agreement: float | None
    not_finite: Count
    items: Count
    tolerance_relative_l2: float
    tolerance_top1: float | None
    reference: Name
    passed: bool


class PlacementRecord(Record):
    wanted: Name
    nodes: dict[Name, Count]
    strays: dict[Name, Count]
    proof: Name
    share: float


class Window(Record):
    """A stretch of steady load on the device, for energy: items finished between two stamps."""

    name: Name
    start_ns: Count
    end_ns: Count
    items: Count


class EnergyFigure(Record):
    """Energy of the trial's windows as one sensor tells it; see bench.energy.EnergyFigure."""

    sensor: Name
    device: Name
    quantity: Name | None
    scope: Name | None
    update_period_s: float | None
    averaging_window_s: float | None
    resolution: float | None
    duration_s: float
    items: Count
    readings: Count
    gross_j: float | None
    idle_w: float | None
    net_j: float | None
    mean_w: float | None
    peak_w: float | None
    gross_j_per_item: float | None
    net_j_per_item: float | None
    items_per_j: float | None
    uncertainty: float | None
    valid: bool
    reason: Text | None
    net_valid: bool
    net_reason: Text | None


class SensorRecord(Record):
    """Everything one sensor read during a trial, the idle baseline before it included."""

    sensor: Name
    device: Name
    channels: list[dict[str, Any]]
    missing: dict[Name, Text]
    facts: dict[Name, Text]
    reason: Text | None
    stamps_ns: Samples
    durations_ns: Samples
    values: dict[Name, Samples]
    """Quantity -> one value a stamp, NaN where that reading had none."""
    flags: dict[Name, Samples]
    """Condition -> the stamps at which it was in force."""
    failures: Count
    failure: Text | None
    healthy: bool
    dropped: Count
    cpu_s: float


class Telemetry(Record):
    """Power and energy of a trial, and the raw readings behind them."""

    figures: list[EnergyFigure]
    """One a sensor, those of the device before those of the host and the node."""
    sensors: list[SensorRecord]
    idle_start_ns: Count | None
    idle_end_ns: Count | None
    sampling_cpu_share: float
    """CPU time of the sampling threads as a share of one core."""
    warnings: list[Text]


class Trial(Record):
    """One execution of a case in a fresh process."""

    index: Count
    position: Count
    """Place in the run's order of all trials."""
    status: Status
    reason: Text | None = None
    stderr_tail: Text | None = None
    started_at: Name
    wall_s: float
    parent_cpu_share: float | None = None
    """CPU time the waiting parent used, as a share of the trial's wall time."""
    process_id: Count | None = None
    clock: Clock | None = None
    cold_start: ColdStart | None = None
    memory: Memory | None = None
    series: dict[Name, Series] = {}
    windows: list[Window] = []
    device_event_ns: Samples | None = None
    fidelity: Fidelity | None = None
    placement: PlacementRecord | None = None
    telemetry: Telemetry | None = None
    facts: dict[Name, Text] = {}
    metrics: dict[Name, Metric] = {}


class BatchPoint(Record):
    """One step of the automatic batch search."""

    batch: Count
    items_per_s: float | None
    reason: Text | None = None


class Case(Record):
    """Workload x scenario x target, with all its trials."""

    id: Name
    version: Name
    """Digest of what is measured; results are comparable only where id and version are equal."""
    target: Name
    model: Name
    size: Name
    precision: Name
    scenario: Name
    batch: Count | None
    """Items in one inference; null where the automatic search found none."""
    batch_search: list[BatchPoint] = []
    items_per_run: Count | None = None
    parameters: Count
    flops_per_item: Count | None
    weight_bytes: Count
    onnx_sha256: Name | None = None
    settings: dict[Name, float | int | str | None]
    status: Status
    reason: Text | None = None
    trials: list[Trial] = []
    summary: dict[Name, Metric] = {}


class DeviceRecord(Record):
    id: Name
    kind: Name
    name: Name
    vendor: Name | None
    uuid: Name | None
    memory_bytes: Count | None
    cores: list[int]
    scope: Name
    board: Name | None
    properties: dict[Name, Text]


class TargetRecord(Record):
    target: Name
    backend: Name
    adapter: Name
    versions: dict[Name, Name]
    device: DeviceRecord
    threads: Count
    cores: list[int]
    simulated: bool
    power_reason: Text | None = None
    """Why this device's power is not read; null when it is."""


class Suite(Record):
    name: Name
    version: Count
    digest: Name


class Run(Record):
    id: Name
    started_at: Name
    finished_at: Name
    complete: bool
    """False when the run was stopped before every planned trial."""
    resumed: Count
    seed: Count
    order: list[Name]
    """Case id and trial index in the order they were planned, as `CASE#INDEX`."""


class Warning(Record):
    text: Text
    case: Name | None = None


class Results(Record):
    """A results file."""

    kind: Literal["hetbench-results"]
    schema_version: Literal[1]
    hetbench_version: Name
    simulated: bool
    """True when any target was simulated; such a file never counts as a measurement."""
    run: Run
    suite: Suite
    environment: dict[str, Any]
    targets: list[TargetRecord]
    cases: list[Case]
    warnings: list[Warning]
