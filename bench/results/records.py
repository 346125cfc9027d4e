"""The records of a results file. The file is the interface: everything else is derived from it.

Units are in field names. What could not be had is null, with the reason beside it. Raw samples
are kept exactly, so that every derived figure can be computed again.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import FailFast, Field

from bench.bounds import Amount, Count, Name, Share, Text
from bench.model import Precision, Size
from bench.results.record import Few, Many, Record
from bench.results.trial import Status, Trial
from bench.suite import Measure
from bench.system.environment import Environment

SCHEMA_VERSION: Literal["1-draft"] = "1-draft"
"""Becomes 1 when it is frozen; until then a change leaves no reader for files of before."""

SearchEnd = Literal["level", "slower", "memory", "refused", "cap", "cut-short"]


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


class BatchPoint(Record):
    """One step of the automatic batch search."""

    batch: Count
    """The batch tried."""
    items_per_s: Amount | None
    """Its throughput; null: it did not run."""
    reason: Text | None = None
    """Why it did not."""


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
    scenario: Name
    """How load was applied."""
    scenario_options: dict[Name, Count | Amount] = {}
    """What that scenario was told, such as the length of a load of a set time."""
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
    beside: Few[Name] = []
    """Targets that were measured at the same time, `--parallel`; empty: it had the machine alone.
    Part of `version`."""
    status: Status
    """`ok` only if every trial is; `invalid` if any trial is."""
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
    schema_version: Literal["1-draft"]
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
