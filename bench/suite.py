"""Suites: versioned lists of cases, and the case itself before anything ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from bench.axes import Axes, label
from bench.bounds import Amount, Count, Share
from bench.digest import digest
from bench.model import ModelCard, Precision
from bench.settings import words

MEASURE_RULES = 1
"""Raised when a change of the measuring rules makes results incomparable with older ones."""

MOST_BUDGETS = 4.0
"""A trial with fewer than its least samples at the end of its budget goes on to this many."""

BOUNDS: Mapping[str, float] = {
    "*": 0.3,
    "latency_p90_ns": 0.5,
    "latency_p99_ns": 1.0,
    "latency_p999_ns": 2.0,
    "peak_power_w": 0.5,
    "idle_power_w": 0.5,
}
"""Metric, or the beginning of its name and `*` -> greatest width of its interval between trials,
(high - low) / value. What a suite states goes before these."""

BOUNDED = (
    *("latency_p50_ns", "latency_p90_ns", "latency_p99_ns", "latency_p999_ns", "latency_mean_ns"),
    *("throughput_items_per_s", "throughput_mean_items_per_s"),
    *("throughput_end_to_end_items_per_s", "throughput_end_to_end_mean_items_per_s"),
    *("throughput_first_items_per_s", "throughput_last_items_per_s"),
    *("achieved_flops_per_s", "device_event_p50_ns"),
    *("joules_per_item", "net_joules_per_item", "items_per_joule"),
    *("mean_power_w", "peak_power_w", "idle_power_w"),
)
"""Every metric that can be unsteady: all but changes in percent."""

Options = Mapping[str, int | float]
"""Of a scenario, by name."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How long and how exactly a trial measures."""

    budget_s: Amount = 3.0
    """Most measuring time of one trial, warm-up and fidelity not counted; up to MOST_BUDGETS of
    them where a trial would end with fewer than its least samples."""
    least_s: Amount = 0.5
    """Least measuring time, however exact the samples are before."""
    least_samples: Count = 20
    """Fewest latencies of a trial; of throughput, whose samples are rounds of many runs, the
    scenario says how many."""
    confidence_width: Share = 0.02
    """Stop when the interval of the median is this narrow, as a share of the median."""
    warmup_s: Amount = 1.0
    """Most warm-up time; measuring starts anyway, and `steady` says false."""
    slots: Count = 4
    """Distinct input sets that are rotated."""
    timeout_s: Amount = 120.0
    """A trial that has not ended by then is killed; loading and compiling count. What a trial
    may go over its budget, or the length of a load of a set time, is added."""
    energy_s: Amount = 6.0
    """Length of the steady load that energy is read over, where a power sensor is readable."""
    idle_s: Amount = 10.0
    """Length of the idle baseline before the first trial, where a power sensor is readable."""

    def __post_init__(self) -> None:
        for name in ("budget_s", "timeout_s"):
            if not 0 < getattr(self, name) <= 86_400:
                raise ValueError(f"{name} must be above 0 and at most a day")
        for name in ("least_s", "warmup_s", "energy_s", "idle_s"):
            if not 0 <= getattr(self, name) <= 86_400:
                raise ValueError(f"{name} must be from 0 to a day")
        if not 0 < self.confidence_width <= 1:
            raise ValueError("confidence_width must be above 0 and at most 1")
        if not 1 <= self.least_samples <= 1_000_000:
            raise ValueError("least_samples must be 1 to 1000000")
        if not 1 <= self.slots <= 64:
            raise ValueError("slots must be 1 to 64")


@dataclass(frozen=True, slots=True)
class Group:
    """Cases that are the product of the lists in it."""

    models: tuple[str, ...]
    scenarios: tuple[str, ...]
    precisions: tuple[Precision, ...] = ("fp32",)
    batches: tuple[int, ...] = ()
    """Fixed batch sizes; empty: 1, or searched where the scenario tunes it."""
    axes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Sizes of models' axes, such as `{ sequence = [128, 512] }`; a model without the axis is
    measured as it is, one with it at each size in place of the published one."""
    backends: tuple[str, ...] = ()
    """Backends the group is meant for; empty: every one."""
    allow_fallback: float = 0.0
    """Share of nodes that may run elsewhere than on the target's provider."""

    def __post_init__(self) -> None:
        if any(not 1 <= batch <= 65_536 for batch in self.batches):
            raise ValueError("a batch is 1 to 65536")
        if not 0 <= self.allow_fallback < 1:
            raise ValueError("allow_fallback is a share from 0 up to, not including, 1")


@dataclass(frozen=True, slots=True)
class Suite:
    """A versioned list of cases."""

    name: str
    version: int
    cases: tuple[Group, ...]
    title: str = ""
    title_zh: str = ""
    trials: int = 3
    measure: Measure = field(default_factory=Measure)
    options: Mapping[str, Options] = field(default_factory=dict)
    """Scenario -> what it is told beside, such as `{ sustained = { length_s = 60 } }`."""
    bounds: Mapping[str, float] = field(default_factory=dict)
    """Metric, or the beginning of its name and `*` -> greatest relative width of its interval
    between trials; what is not stated is as in BOUNDS."""

    def __post_init__(self) -> None:
        if not 1 <= self.trials <= 1000:
            raise ValueError("trials must be 1 to 1000")
        _check_bounds(self.bounds)
        # all of them, so that they are part of the digest and of the results file
        object.__setattr__(self, "bounds", {**BOUNDS, **self.bounds})

    @property
    def digest(self) -> str:
        """Identifies the exact content, whatever the file looked like."""
        return digest(asdict(self), 12)


@dataclass(frozen=True, slots=True)
class Case:
    """One workload x scenario x target, before anything ran."""

    target: str
    card: ModelCard
    precision: Precision
    scenario: str
    options: Options
    """Of its scenario, all of them but the number of trials."""
    batch: int | None
    """None: the automatic search decides."""
    axes: Axes
    """Sizes of the model's axes but the batch."""
    measure: Measure
    allow_fallback: float
    beside: tuple[str, ...] = ()
    """Targets that are measured at the same time, sorted; empty: it is measured alone."""

    @property
    def id(self) -> str:
        """Never depends on order; the same case has the same id in every run."""
        sizes = label(self.batch, self.axes)
        return f"{self.card.name}/{self.precision}/{sizes}/{self.scenario}/{self.target}"

    @property
    def version(self) -> str:
        """Digest of what is measured, and by which rules."""
        card = asdict(self.card)
        measure = asdict(self.measure)
        for key in ("title", "published", "module", "axes"):  # axes: what else it could be run at
            del card[key]
        if self.card.family:  # of a person's own model the source is its digest
            del card["source"]
        for key in ("timeout_s", "idle_s"):  # safety limits, not part of what is measured
            del measure[key]
        measure["allow_fallback"] = self.allow_fallback
        axes = dict(self.axes)
        load = [self.scenario, dict(self.options)]
        parts = [MEASURE_RULES, card, self.precision, load, self.batch, axes, measure]
        if self.beside:  # what else the machine did is part of what was measured
            parts.append(self.beside)
        return digest(parts, 12)


def fits(key: str, metric: str) -> bool:
    """Whether a bound's key means the metric: its name, or the beginning of it and `*`."""
    return key == metric or (key.endswith("*") and metric.startswith(key[:-1]))


def _check_bounds(bounds: Mapping[str, float]) -> None:
    """Raises ValueError for what is no table of bounds."""
    for key, width in bounds.items():
        if not key or "*" in key[:-1]:
            raise ValueError(
                f"the bound {key!r} must be a metric's name, or the beginning of one and *"
            )
        if not any(fits(key, metric) for metric in BOUNDED):
            close = words.near(key, BOUNDED)
            raise ValueError(f"no metric with a bound is called {key!r}; known and near: {close}")
        if not 0 < width <= 1000:
            raise ValueError(f"the bound of {key} must be above 0 and at most 1000")
