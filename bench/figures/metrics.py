"""Derived figures: from raw samples to metrics of a trial, and from trials to a case's summary.

Everything here is a pure function of what a results file stores, so anyone can compute it again.
Latency and throughput are measured apart and never derived from each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.figures import stats, unsteady
from bench.results.record import Samples
from bench.results.records import Summary
from bench.results.samples import Packed, unpack
from bench.results.trial import Metric, Series
from bench.suite import BOUNDS

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
EDGE_S = 60.0
"""A load of a set time compares its first with its last minute, or sixths of a shorter one."""
THROTTLED_PERCENT = 5.0
"""A device whose throughput falls by more than this under sustained load throttles."""


def latency(series: Series, flops_per_item: int | None) -> dict[str, Metric]:
    """Percentiles and mean of a series whose samples are latencies; those that there are too few
    samples for are absent."""
    times = measured(series)
    found = {}
    for name, p in PERCENTILES.items():
        estimate = stats.percentile(times, p)
        if estimate is not None:
            found[f"latency_{name}_ns"] = metric(estimate)
    found["latency_mean_ns"] = Metric(value=float(times.mean()), n=len(times))
    return found | achieved(series, flops_per_item)


def throughput(name: str, series: Series) -> dict[str, Metric]:
    """Items over time of a series whose samples are rounds: over all of them, and the median."""
    rounds = measured(series)
    middle = stats.median(rounds)
    total = series.items_per_sample * len(rounds) / (float(rounds.sum()) / 1e9)
    found = {f"{name}_mean_items_per_s": Metric(value=total, n=len(rounds))}
    if middle is not None:
        found[f"{name}_items_per_s"] = rate(metric(middle), series.items_per_sample)
    return found


def achieved(series: Series, flops_per_item: int | None) -> dict[str, Metric]:
    """Operations over time of the median sample; nothing where the operations are not known."""
    middle = stats.median(measured(series))
    if not flops_per_item or middle is None:
        return {}
    work = flops_per_item * series.items_per_sample
    return {"achieved_flops_per_s": rate(metric(middle), work)}


def over_time(series: Series) -> dict[str, Metric]:
    """First and last stretch of a load of a set time, and the drop between them in percent."""
    rounds = measured(series)
    ends = np.cumsum(rounds)
    edge = min(EDGE_S * 1e9, float(ends[-1]) / 6)
    first = rounds[ends <= edge] if (ends <= edge).any() else rounds[:1]
    late = ends > float(ends[-1]) - edge
    last = rounds[late]
    rate_first = series.items_per_sample * len(first) / (float(first.sum()) / 1e9)
    rate_last = series.items_per_sample * len(last) / (float(last.sum()) / 1e9)
    return {
        "throughput_first_items_per_s": Metric(value=rate_first, n=len(first)),
        "throughput_last_items_per_s": Metric(value=rate_last, n=len(last)),
        "throughput_drop_percent": Metric(
            value=100 * (1 - rate_last / rate_first), n=len(first) + len(last)
        ),
    }


def device_events(times: Samples | None) -> dict[str, Metric]:
    """The median by the device's own events, beside the host's time."""
    estimate = None if times is None else stats.median(samples(times))
    return {} if estimate is None else {"device_event_p50_ns": metric(estimate)}


def summarize(
    trials: Sequence[Mapping[str, Metric]], bounds: Mapping[str, float] = BOUNDS
) -> dict[str, Summary]:
    """One case's summary: per metric that all its trials have, their geometric mean.

    The interval is a t interval over trials, from three on: fewer say nothing of the spread, and
    are never unsteady. `bounds` is the suite's.
    """
    summary: dict[str, Summary] = {}
    for name in trials[0] if trials else ():
        if not all(name in trial for trial in trials):
            continue
        values = [trial[name].value for trial in trials]
        least, most, n = min(values), max(values), len(values)
        if name.endswith("_percent") or least <= 0:
            # a change may be zero or negative, and has no logarithm
            summary[name] = Summary(value=float(np.mean(values)), n=n, least=least, most=most)
            continue
        mean = stats.geometric_mean(values)
        doubt = None
        if mean.low is not None:
            doubt = unsteady.reason(name, values, mean.relative_width, bounds)
        summary[name] = Summary(
            value=mean.value,
            n=n,
            low=mean.low,
            high=mean.high,
            least=least,
            most=most,
            unsteady=doubt,
        )
    return summary


def samples(packed: Samples) -> stats.Samples:
    """Unpack stored samples; raises ValueError."""
    return unpack(Packed(dtype=packed.dtype, n=packed.n, data=packed.data))


def measured(series: Series) -> stats.Samples:
    """The samples after warm-up, as float64, which is exact up to 104 days of nanoseconds.

    Raises ValueError when there are none, or one is not a positive time.
    """
    values = samples(series.samples)[series.warmup :].astype(np.float64)
    if len(values) == 0 or not (values > 0).all() or not np.isfinite(values).all():
        raise ValueError("a series holds no samples after its warm-up, or one that took no time")
    return values


def metric(estimate: stats.Estimate) -> Metric:
    """The estimate as it is stored."""
    return Metric(value=estimate.value, low=estimate.low, high=estimate.high, n=estimate.n)


def rate(duration_ns: Metric, amount: float) -> Metric:
    """Amount per second from nanoseconds; the interval's ends change places."""
    per_s = amount * 1e9
    return Metric(
        value=per_s / duration_ns.value,
        low=per_s / duration_ns.high if duration_ns.high else None,
        high=per_s / duration_ns.low if duration_ns.low else None,
        n=duration_ns.n,
    )
