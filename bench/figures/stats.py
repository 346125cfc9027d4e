"""Numbers about samples: percentiles with order-statistic intervals, steady state, means of trials.

The unit of replication is the trial. Intervals inside a trial describe that trial's samples and
take them as independent; only several trials say how well a figure repeats.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
LEAST_STEADY = 8
"""Samples that tell a level series from a falling one: in six, a plain slope looks like spread."""
SUPPORT_CONFIDENCE = 0.99
"""A percentile is reported only when n samples bound it from above with this confidence."""

Samples = npt.NDArray[np.int64] | npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its two-sided confidence interval; bounds are None where n is too small."""

    value: float
    low: float | None
    high: float | None
    n: int

    @property
    def relative_width(self) -> float:
        """(high - low) / value; infinite without an interval."""
        if self.low is None or self.high is None or self.value == 0:
            return math.inf
        return (self.high - self.low) / abs(self.value)


def least_samples(p: float, confidence: float = SUPPORT_CONFIDENCE) -> int:
    """Fewest samples that bound the p-quantile from above: 1 - p^n >= confidence.

    p99 needs 459 and p99.9 needs 4603 (MLPerf's early stopping with no over-latency query).
    """
    return math.ceil(math.log(1 - confidence) / math.log(p))


@lru_cache(maxsize=4096)
def interval_ranks(n: int, p: float, confidence: float = CONFIDENCE) -> tuple[int, int] | None:
    """1-based ranks (low, high) whose order statistics enclose the p-quantile.

    Distribution-free: the number of samples below the quantile is binomial(n, p), so
    P[x(low) <= quantile < x(high)] >= confidence (David & Nagaraja, Order Statistics, 7.1).
    None when n samples cannot give a two-sided interval.
    """
    tail = (1 - confidence) / 2
    spread = math.sqrt(n * p * (1 - p))
    first = max(0, int(n * p - 12 * spread) - 2)
    below = 0.0  # P[X < k]; what lies left of `first` is negligible
    low = 0
    high = None
    for k in range(first, n + 1):
        if below <= tail:
            low = k  # P[X < low] <= tail, so x(low) is below the quantile with 1 - tail
        if below >= 1 - tail:
            high = k
            break
        below += math.exp(_log_binomial(n, k, p))
    if low < 1 or high is None:
        return None
    return low, high


def _log_binomial(n: int, k: int, p: float) -> float:
    choose = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return choose + k * math.log(p) + (n - k) * math.log1p(-p)


def percentile(samples: Samples, p: float) -> Estimate | None:
    """The p-quantile (0 < p < 1) by nearest rank with its interval; None if not supported.

    The value is the order statistic of rank ceil(n p). A tail percentile that the sample cannot
    bound (see least_samples) is not reported at all.
    """
    n = len(samples)
    if n == 0 or (p > 0.5 and n < least_samples(p)):
        return None
    ranks = interval_ranks(n, p)
    rank = max(1, math.ceil(n * p - 1e-9))
    low, high = ranks or (rank, rank)
    ordered = np.partition(np.asarray(samples), sorted({rank - 1, low - 1, high - 1}))
    value = float(ordered[rank - 1])
    if ranks is None:
        return Estimate(value, None, None, n)
    return Estimate(value, float(ordered[low - 1]), float(ordered[high - 1]), n)


def median(samples: Samples) -> Estimate | None:
    """The middle order statistic with its interval; None for no samples."""
    return percentile(samples, 0.5)


def is_steady(samples: Samples, tolerance: float = 0.01, z: float = 2.58) -> bool:
    """Whether the first and second half of the samples have the same median.

    Their difference must be under `tolerance` of the median, or under z standard errors of a
    difference of medians (1.2533 x scale / sqrt(n) each, scale = 1.4826 x MAD), which lets a
    noisy but level series pass and a falling one not. False for fewer than LEAST_STEADY samples.
    """
    n = len(samples)
    if n < LEAST_STEADY:
        return False
    half = n // 2
    values = np.asarray(samples, dtype=np.float64)
    first, second = float(np.median(values[:half])), float(np.median(values[n - half :]))
    middle = float(np.median(values))
    scale = 1.4826 * float(np.median(np.abs(values[n - half :] - second)))
    error = 1.2533 * scale / math.sqrt(half)
    return abs(first - second) <= max(tolerance * middle, z * math.sqrt(2) * error)


def slope(points: Iterable[tuple[float, float]]) -> float:
    """Theil-Sen: the median of the slopes between all pairs of points, which a few wild points do
    not move. Raises ValueError for fewer than two points."""
    pairs = combinations(points, 2)
    return statistics.median((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in pairs)


def geometric_mean(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Geometric mean of positive per-trial values with a t interval on their logarithms.

    With fewer than three values no interval is given: two trials say nothing of the spread.
    Raises ValueError for no values or for one that is not positive and finite.
    """
    if not values or not all(v > 0 and math.isfinite(v) for v in values):
        raise ValueError("the geometric mean needs positive finite values")
    logs = np.log(np.asarray(values, dtype=np.float64))
    centre = float(logs.mean())
    # rounding must not carry it past its own values: equal ones have exactly themselves as mean
    value = min(max(math.exp(centre), min(values)), max(values))
    n = len(values)
    if n < 3:
        return Estimate(value, None, None, n)
    from scipy.special import stdtrit  # 0.2 s to import, needed only where trials are judged

    margin = float(stdtrit(n - 1, 0.5 + confidence / 2)) * float(logs.std(ddof=1)) / math.sqrt(n)
    low, high = math.exp(centre - margin), math.exp(centre + margin)
    return Estimate(value, min(low, value), max(high, value), n)
