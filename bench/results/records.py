"""The records of a results file. The file is the interface: everything else is derived from it.

Units are in field names. What could not be had is null, with the reason beside it. Raw samples
are kept exactly, so that every derived figure can be computed again.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, FailFast, Field

from bench.bounds import Amount, Count, Name, Share, Text
from bench.model import Precision, Size
from bench.sensor import Channel, Quantity, Scope
from bench.suite import Measure, ScenarioName
from bench.system.environment import Environment

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
T = TypeVar("T")
Few = Annotated[list[T], Field(max_length=1_000), FailFast()]
"""Of one case, trial or device. The first wrong item ends the reading of a list: a file of a
million wrong ones needs no million sentences."""
Many = Annotated[list[T], Field(max_length=20_000), FailFast()]
"""Of a whole run."""


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
    """Whether the samples are whole numbers or not."""
    n: Annotated[int, Field(ge=0, le=4_000_000)]
    """How many samples there are."""
    data: Annotated[str, Field(max_length=64 << 20)]
    """Base64 of zlib of the shuffled bytes; integers as zigzag-coded differences."""


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


class Window(Record):
    """A stretch of steady load on the device, for energy: items finished between two stamps."""

    name: Name
    """The series it repeats."""
    start_ns: Count
    """The run's clock when the load began."""
    end_ns: Count
    """The run's clock when it ended."""
    items: Count
    """Items finished in between."""


class EnergyFigure(Record):
    """Energy of the trial's windows as one sensor tells it; see bench.energy.figures."""

    sensor: Name
    """The sensor that told it."""
    device: Name
    """Id of the device that the sensor reads."""
    quantity: Quantity | None
    """What the energy was computed from; null: the sensor reads neither energy nor power."""
    scope: Scope | None
    """What the quantity covers."""
    update_period_s: Amount | None
    """How often the sensor's value changes; null: not known."""
    averaging_window_s: Amount | None
    """Length of the trailing average the value is; null: not known."""
    resolution: Amount | None
    """Smallest step, in the quantity's unit; null: not known."""
    duration_s: Amount
    """Length of all windows together."""
    items: Count
    """Items finished in the windows."""
    readings: Count
    """Readings that fall into the windows."""
    gross_j: float | None
    """Everything the device drew in the windows."""
    idle_w: float | None
    """Power of the idle baseline, by the same sensor."""
    net_j: float | None
    """Gross less what the device draws at rest over the same time."""
    mean_w: float | None
    """Gross energy over the duration."""
    peak_w: float | None
    """Highest power sample; for a counter without one, the steepest half second."""
    gross_j_per_item: float | None
    """Gross energy over the items."""
    net_j_per_item: float | None
    """Net energy over the items."""
    items_per_j: float | None
    """Items per joule of gross energy."""
    uncertainty: float | None
    """Bound on the relative error of the gross energy."""
    valid: bool
    """Whether the gross energy can be relied on."""
    reason: Text | None
    """Why it cannot."""
    net_valid: bool
    """Whether the net energy can be relied on."""
    net_reason: Text | None
    """Why it cannot."""


class SensorRecord(Record):
    """Everything one sensor read during a trial, the idle baseline before it included."""

    sensor: Name
    """Its kind, and of a tool the program."""
    device: Name
    """Id of the device it reads."""
    channels: Few[Channel]
    """What it can read."""
    missing: dict[Name, Text]
    """Quantity -> why this sensor cannot read it here."""
    facts: dict[Name, Text]
    """What it told once: driver, power limit, ECC, PCIe link."""
    reason: Text | None
    """Why it can read nothing."""
    stamps_ns: Samples
    """The run's clock at the middle of each reading; those of the idle baseline come first."""
    durations_ns: Samples
    """How long each reading took."""
    values: dict[Name, Samples]
    """Quantity -> one value a stamp, NaN where that reading had none."""
    flags: dict[Name, Samples]
    """Condition -> the stamps at which it was in force."""
    failures: Count
    """Readings that failed."""
    failure: Text | None
    """Why the last failed reading failed."""
    healthy: bool
    """False when it hung, or failed in its last reading; `failure` says how."""
    dropped: Count
    """Samples thinned out because the recording grew too long."""
    cpu_s: Amount
    """CPU time of the thread that read it."""


class Telemetry(Record):
    """Power and energy of a trial, and the raw readings behind them."""

    figures: Few[EnergyFigure]
    """One a sensor, those of the device before those of the host and the node."""
    sensors: Few[SensorRecord]
    """All that each sensor read."""
    idle_start_ns: Count | None
    """The run's clock when the idle baseline began; null: none was taken."""
    idle_end_ns: Count | None
    """The run's clock when it ended."""
    sampling_cpu_share: Amount
    """CPU time of the sampling threads as a share of one core."""
    warnings: Few[Text]
    """Conditions under which the figures mean less, each with its remedy."""


class Trial(Record):
    """One execution of a case in a fresh process."""

    index: Count
    """Number of the trial within its case, from 0."""
    position: Count | None
    """Place in the run's order of all trials; null of a trial that the run was stopped in, which
    counts as not run."""
    status: Status
    """How it ended."""
    reason: Text | None = None
    """One sentence where the status is not `ok`."""
    stderr_tail: Text | None = None
    """The end of what the worker printed, where it did not end well."""
    started_at: Name
    """UTC, ISO 8601."""
    wall_s: Amount | None
    """From starting the worker to its end; null where that was not seen."""
    parent_cpu_share: Amount | None = None
    """CPU time the waiting parent used, as a share of the trial's wall time."""
    process_id: Count | None = None
    """Of the worker."""
    clock: Clock | None = None
    """The clock that the samples were stamped with."""
    cold_start: ColdStart | None = None
    """What came before the measuring."""
    memory: Memory | None = None
    """Most memory in use."""
    series: dict[Name, Series] = {}
    """`latency`, or `round` and `end_to_end_round`."""
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
    metrics: dict[Name, Metric] = {}
    """Figures derived from the samples above, by name; the name ends with the unit."""


class BatchPoint(Record):
    """One step of the automatic batch search."""

    batch: Count
    """The batch tried."""
    items_per_s: Amount | None
    """Its throughput; null: it did not run."""
    reason: Text | None = None
    """Why it did not."""


SearchEnd = Literal["level", "slower", "memory", "refused", "cap", "cut-short"]


class Case(Record):
    """Workload x scenario x target, with all its trials."""

    id: Name
    """Model, precision, batch, scenario and target; the same in every run."""
    version: Name
    """Digest of what is measured; results are comparable only where id and version are equal."""
    target: Name
    """One of the file's targets."""
    model: Name
    """Name of the model's card."""
    size: Size
    """Class of the model."""
    precision: Precision
    """What the device was asked to compute in."""
    scenario: ScenarioName
    """How load was applied."""
    batch: Count
    """Items in one inference."""
    axes: dict[Name, Count] = {}
    """Sizes of the model's axes but the batch, such as `sequence`; empty: it has none."""
    found: dict[Name, Count] = {}
    """What a search settled, such as `batch`, and nothing that was fixed; two results are
    comparable only where this is equal too."""
    batch_search: Few[BatchPoint] = []
    """Steps of the search in the order tried; empty where the batch was fixed."""
    batch_search_end: SearchEnd | None = None
    """Why the search ended: two doublings gained nothing, one lost, memory ran out, the device
    refused the next batch, the largest batch tried was reached, or it was cut short; null where
    none began."""
    batch_search_reason: Text | None = None
    """What cut the search short."""
    items_per_run: Count | None = None
    """Items of one inference, also where the model's own file fixes the batch."""
    parameters: Count
    """Weights of the model."""
    flops_per_item: Count | None
    """2 x multiply-accumulates, at the case's axes; null for a user's own model that cannot be
    counted."""
    bytes_per_item: Count | None = None
    """Bytes of one item's inputs and outputs at the case's axes: with the weights once a run the
    least that an inference moves. Null for a user's own model whose outputs have no known size."""
    weight_bytes: Count
    """Of the weights in fp32."""
    onnx_sha256: Name | None = None
    """Digest of the ONNX file that ran."""
    settings: Measure
    """How long and how exactly was measured, as the suite says."""
    allow_fallback: Share
    """Share of nodes that may run elsewhere than on the target's provider."""
    status: Status
    """`ok` only if every trial is."""
    reason: Text | None = None
    """One sentence where the status is not `ok`."""
    trials: Few[Trial] = []
    """Every trial that was started."""
    summary: dict[Name, Summary] = {}
    """Metric -> figure over the trials that are `ok`, of metrics that every one of them has."""


class DeviceRecord(Record):
    """One thing that computes."""

    id: Name
    """As a person names it on this machine, for example `cuda:0`."""
    kind: Name
    """The beginning of its id, for example `cuda`."""
    name: Name
    """As its vendor calls it."""
    vendor: Name | None
    """Who makes it; null: not known."""
    uuid: Name | None
    """A UUID or bus id, which stays when the order of devices changes."""
    memory_bytes: Count | None
    """Its own memory; null: not known."""
    cores: Many[Count]
    """CPU cores it is made of; empty for accelerators."""
    scope: Name
    """What the id stands for: device, die, slice or partition."""
    board: Name | None
    """The board this die or slice shares with others."""
    properties: dict[Name, Text]
    """Further facts: driver, architecture, `pci_bus_id`, its number in the vendor's tool."""


class TargetRecord(Record):
    """A backend on a device, with its options."""

    target: Name
    """As written on the command line."""
    backend: Name
    """The software that ran the models."""
    adapter: Name
    """What taught the harness this kind of device."""
    versions: dict[Name, Name]
    """Package -> version of that software."""
    device: DeviceRecord
    """What computed."""
    threads: Count
    """Host threads the framework was given."""
    cores: Many[Count]
    """Cores the worker was bound to; empty: not bound."""
    simulated: bool
    """Whether the device is none, so that its figures measure nothing."""
    power_reason: Text | None = None
    """Why this device's power is not read; null when it is."""


class Suite(Record):
    """The suite that was run."""

    name: Name
    """As in the suite's file."""
    version: Count
    """As in the suite's file; raised when what it measures changes."""
    digest: Name
    """Of its exact content, with what the command line put in place of it."""
    bounds: dict[Name, Amount] = {}
    """Metric, or the beginning of its name and `*` -> greatest relative width of its interval
    between trials; a wider one is unsteady."""


class Run(Record):
    """One invocation, from its start to its last resumption."""

    id: Name
    """A UUID."""
    started_at: Name
    """UTC, ISO 8601."""
    finished_at: Name
    """UTC, ISO 8601; of the last resumption."""
    complete: bool
    """False when the run was stopped before every planned trial."""
    resumed: Count
    """How often it was stopped and continued."""
    seed: Count
    """Decides the order of trials and the inputs."""
    order: Annotated[list[Name], Field(max_length=1_000_000), FailFast()]
    """Case id and trial index in the order they were planned, as `CASE#INDEX`."""
    changed: list[Text] = []
    """What was different when the run was continued with `--allow-changed`: its trials were not
    all made under the same conditions."""
    parallel: bool = False
    """Whether trials of different targets ran at the same time, `--parallel`."""


class Warning(Record):
    """A condition that may spoil figures, with its remedy."""

    text: Text
    """One sentence."""
    case: Name | None = None
    """The case it is about; null: the whole run."""


class Results(Record):
    """A results file."""

    kind: Literal["hetbench-results"]
    """What a reader looks at first."""
    schema_version: Literal[1]
    """Of this description; another version is read by other rules."""
    hetbench_version: Name
    """Version of the program that wrote the file."""
    simulated: bool
    """True when any target was simulated; such a file never counts as a measurement."""
    run: Run
    """When and in which order."""
    suite: Suite
    """What was asked for."""
    environment: Environment
    """The machine before the run."""
    targets: Few[TargetRecord]
    """What was measured on."""
    cases: Many[Case]
    """Every planned case, run or not."""
    warnings: Many[Warning]
    """Conditions that may spoil figures, each with its remedy."""
