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
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        ser_json_inf_nan="null",
        use_attribute_docstrings=True,  # into the published schema
    )


class Samples(Record):
    """Packed raw samples; results/README.md shows how to read them."""

    dtype: Literal["int64", "float64"]
    n: Annotated[int, Field(ge=0, le=4_000_000)]
    data: Annotated[str, Field(max_length=64 << 20)]
    """Base64 of zlib of the shuffled bytes; integers as zigzag-coded differences."""


class Series(Record):
    """Raw samples of one kind in the order taken; the first `warmup` of them are warm-up."""

    unit: Literal["ns"]
    items_per_sample: Count
    """Items one sample processed: the batch for a latency, batch x runs for a throughput round."""
    warmup: Count
    """How many of the first samples are warm-up."""
    steady: bool
    """Whether the warm-up ended because the samples were level."""
    stopped_by: Literal["confidence", "budget", "samples", "time"]
    """Why sampling ended: the interval is narrow enough, the budget is spent, there are a million
    samples, or the set time of a sustained load is over."""
    start_ns: Count
    """Monotonic clock at the first measured sample."""
    end_ns: Count
    """Monotonic clock after the last sample."""
    samples: Samples


class Metric(Record):
    """A figure derived from the raw samples."""

    value: float
    low: float | None = None
    """Lower end of the 95 % confidence interval; null where the samples cannot give one."""
    high: float | None = None
    """Upper end of the same interval."""
    n: Count
    """Samples it rests on."""


class Summary(Record):
    """A figure over the trials of a case that are `ok`."""

    value: float
    """Geometric mean of the trials' values; arithmetic where one is not positive."""
    n: Count
    """Trials it rests on."""
    low: float | None = None
    """Lower end of the 95 % interval between trials; null for fewer than three trials."""
    high: float | None = None
    """Upper end of the same interval."""
    least: float
    """The smallest value of a trial."""
    most: float
    """The largest value of a trial."""
    unsteady: Text | None = None
    """Why this figure cannot be relied on: its interval is too wide, or it has two states."""


class Clock(Record):
    """The clock of the trial, measured in the trial."""

    source: Name
    resolution_ns: Count
    """Smallest step seen between two readings."""
    cost_ns: float
    """Median cost of one reading."""


class ColdStart(Record):
    """Phases from an empty process to the first output; null where a phase does not exist."""

    import_ns: Count
    build_ns: Count | None
    """Making the model's weights: the harness's own doing, not part of the device's cold start."""
    load_ns: Count
    first_inference_ns: Count


class Memory(Record):
    """Most memory the worker held."""

    host_peak_bytes: Count
    """Peak resident set of the worker process."""
    device_peak_bytes: Count | None
    device_reason: Text | None = None
    """Why the device's peak is null."""


class Fidelity(Record):
    """Outputs of the timed session on fresh inputs, against the reference."""

    relative_l2: float | None
    """Null when an output was not finite."""
    top1_agreement: float | None
    """Share of items whose largest output is where the reference has it; null: no classifier."""
    not_finite: Count
    """Outputs that are NaN or infinite."""
    items: Count
    """Distinct items compared."""
    tolerance_relative_l2: float
    tolerance_top1: float | None
    reference: Name
    passed: bool


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
    share: float
    """Share of nodes that ran where they were wanted, 0 to 1."""


class Window(Record):
    """A stretch of steady load on the device, for energy: items finished between two stamps."""

    name: Name
    """The series it repeats."""
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
    """Number of the trial within its case, from 0."""
    position: Count | None
    """Place in the run's order of all trials; null of a trial that the run was stopped in, which
    counts as not run."""
    status: Status
    reason: Text | None = None
    """One sentence where the status is not `ok`."""
    stderr_tail: Text | None = None
    """The end of what the worker printed, where it did not end well."""
    started_at: Name
    wall_s: float | None
    """From starting the worker to its end; null where that was not seen."""
    parent_cpu_share: float | None = None
    """CPU time the waiting parent used, as a share of the trial's wall time."""
    process_id: Count | None = None
    clock: Clock | None = None
    cold_start: ColdStart | None = None
    memory: Memory | None = None
    series: dict[Name, Series] = {}
    """`latency`, or `round` and `end_to_end_round`."""
    windows: list[Window] = []
    device_event_ns: Samples | None = None
    """Time by the device's own events, of a few runs after the measurement."""
    fidelity: Fidelity | None = None
    placement: PlacementRecord | None = None
    telemetry: Telemetry | None = None
    facts: dict[Name, Text] = {}
    """What the backend really set: data type, memory format, compile mode, provider options."""
    metrics: dict[Name, Metric] = {}
    """Figures derived from the samples above, by name; the name ends with the unit."""


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
    batch: Count
    """Items in one inference."""
    batch_search: list[BatchPoint] = []
    items_per_run: Count | None = None
    parameters: Count
    flops_per_item: Count | None
    """2 x multiply-accumulates; null for a user's own model that cannot be counted."""
    weight_bytes: Count
    """Of the weights in fp32."""
    onnx_sha256: Name | None = None
    """Digest of the ONNX file that ran."""
    settings: dict[Name, float | int | str | None]
    """How long and how exactly was measured, as the suite says."""
    status: Status
    """`ok` only if every trial is."""
    reason: Text | None = None
    trials: list[Trial] = []
    summary: dict[Name, Summary] = {}
    """Metric -> figure over the trials that are `ok`, of metrics that every one of them has."""


class DeviceRecord(Record):
    """One thing that computes."""

    id: Name
    """As a person names it on this machine, for example `cuda:0`."""
    kind: Name
    name: Name
    vendor: Name | None
    uuid: Name | None
    """A UUID or bus id, which stays when the order of devices changes."""
    memory_bytes: Count | None
    cores: list[int]
    """CPU cores it is made of; empty for accelerators."""
    scope: Name
    """What the id stands for: device, die, slice or partition."""
    board: Name | None
    """The board this die or slice shares with others."""
    properties: dict[Name, Text]


class TargetRecord(Record):
    """A backend on a device, with its options."""

    target: Name
    backend: Name
    adapter: Name
    versions: dict[Name, Name]
    device: DeviceRecord
    threads: Count
    """Host threads the framework was given."""
    cores: list[int]
    """Cores the worker was bound to; empty: not bound."""
    simulated: bool
    power_reason: Text | None = None
    """Why this device's power is not read; null when it is."""


class Suite(Record):
    """The suite that was run."""

    name: Name
    version: Count
    digest: Name
    """Of its exact content, with what the command line put in place of it."""


class Run(Record):
    """One invocation, from its start to its last resumption."""

    id: Name
    started_at: Name
    finished_at: Name
    complete: bool
    """False when the run was stopped before every planned trial."""
    resumed: Count
    """How often it was stopped and continued."""
    seed: Count
    """Decides the order of trials and the inputs."""
    order: list[Name]
    """Case id and trial index in the order they were planned, as `CASE#INDEX`."""
    changed: list[Text] = []
    """What was different when the run was continued with `--allow-changed`: its trials were not
    all made under the same conditions."""


class Warning(Record):
    """A condition that may spoil figures, with its remedy."""

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
    """The machine before the run; see bench.environment.Environment."""
    targets: list[TargetRecord]
    cases: list[Case]
    """Every planned case, run or not."""
    warnings: list[Warning]
