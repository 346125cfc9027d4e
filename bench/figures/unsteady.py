"""Whether a figure repeats from trial to trial: its interval against a bound, and two states.

A pure function of the trials' values and of the bounds, both of which a results file holds, so
that anyone can compute the flag again. `docs/decisions.md` says why these bounds and this rule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bench.language import units

LEAST_TRIALS = 4
"""Two states are two groups of at least two trials each."""
SPREAD = 2.0
"""Trials may spread over this many times the bound of their interval, which narrows with their
number: more trials tell the mean better, and do not make them alike."""
LEAST_STEP = 0.05
"""Two states whose levels are nearer than this share are as good as one."""


def bound(metric: str, bounds: Mapping[str, float]) -> float:
    """The bound of a metric: by its name, else by the longest beginning that fits; else none."""
    if metric in bounds:
        return bounds[metric]
    fitting = [key for key in bounds if key.endswith("*") and metric.startswith(key[:-1])]
    return bounds[max(fitting, key=len)] if fitting else math.inf


def reason(
    metric: str, values: Sequence[float], width: float, bounds: Mapping[str, float]
) -> str | None:
    """Why the figure does not repeat; None when it does.

    `values` are the trials' values, all positive; `width` is that of their 95 % interval as a
    share of their mean.
    """
    states = two_states(values)
    if states is not None:
        low, high = states
        return (
            f"two states: {units.shown(metric, low[0])} in {low[1]} trials, "
            f"{units.shown(metric, high[0])} in {high[1]}"
        )
    most = bound(metric, bounds)
    if width > most:
        return (
            f"the interval between trials is {width:.0%} of the value wide; at most {most:.0%} is "
            "steady"
        )
    spread = _spread(values)
    if spread > SPREAD * most:
        return (
            f"trials spread over {spread:.0%} of the value; at most {SPREAD * most:.0%} is steady, "
            "however many there are"
        )
    return None


def _spread(values: Sequence[float]) -> float:
    """Width of the range that holds 95 % of log-normal trials, as a share of their mean."""
    logs = [math.log(value) for value in values]
    mean = math.fsum(logs) / len(logs)
    deviation = math.sqrt(math.fsum((x - mean) ** 2 for x in logs) / (len(logs) - 1))
    return 2 * math.sinh(1.96 * deviation)


def two_states(values: Sequence[float]) -> tuple[tuple[float, int], tuple[float, int]] | None:
    """The two levels (geometric mean) among positive values and how many are at each, or None.

    The widest gap of the sorted logarithms must have two values or more on either side and be
    wider than either group, by a factor that falls with their number n: 10 / (n - 3), at least
    1. Of normal or log-normal values, 3 to 30, about one set in a hundred is taken for two
    states; the tests hold that. Levels within LEAST_STEP of each other are one state.
    """
    n = len(values)
    if n < LEAST_TRIALS:
        return None
    logs = sorted(math.log(value) for value in values)
    gap, at = max((logs[i] - logs[i - 1], i) for i in range(1, n))
    low, high = logs[:at], logs[at:]
    if min(len(low), len(high)) < 2 or gap <= math.log1p(LEAST_STEP):
        return None
    if gap <= max(low[-1] - low[0], high[-1] - high[0]) * max(1.0, 10 / (n - 3)):
        return None
    return _level(low), _level(high)


def _level(logs: Sequence[float]) -> tuple[float, int]:
    return math.exp(math.fsum(logs) / len(logs)), len(logs)
