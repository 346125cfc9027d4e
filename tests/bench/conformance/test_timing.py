"""What speaks for and against a synchronize that waits, from times alone."""

from __future__ import annotations

import pytest

from bench.conformance import timing
from bench.conformance.timing import Times

MS = 1_000_000


def times(
    queued: dict[int, float],
    left: float = 0.03,
    copy: float = 0.03,
    fetched: float = 0.0,
    **more: float,
) -> Times:
    """In milliseconds; `fetched` is as long as the longest queue unless given."""
    longest = fetched or queued[max(queued)]
    single = more.get("single", 10.0)
    return Times(
        {runs: round(ms * MS) for runs, ms in queued.items()},
        *(round(ms * MS) for ms in (left, copy, longest, single)),
    )


STEADY = {2: 20.0, 4: 40.0, 6: 60.0, 8: 80.0}


@pytest.mark.parametrize(
    "seen",
    [
        times(STEADY),
        times({4: 25.0, 8: 45.0, 12: 65.0, 16: 85.0}, single=6.0),  # with a fixed cost of 5 ms
        times(STEADY, left=4.0, copy=3.5),  # large outputs take long to copy
        times({1: 15.4, 2: 30.9, 3: 33.0, 4: 98.2}, fetched=49.2, single=2.54),  # a busy machine
        times({3: 73.5, 6: 77.2, 9: 277.0, 12: 663.7}, fetched=322.0, single=19.3),  # busier
        times(STEADY, single=100.0),  # transfers take most of a single inference
    ],
)
def test_honest_devices(seen: Times) -> None:
    assert timing._problem(seen) is None


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (times({2: 0.1, 4: 0.2, 6: 0.3, 8: 0.4}, left=80.0, fetched=80.4), "left to do"),
        (times({2: 18.0, 4: 36.0, 6: 54.0, 8: 66.0}, left=14.0, fetched=80.0), "left to do"),
        # waits neither in synchronize nor in fetch, but only where nothing was synchronized
        (times({2: 0.1, 4: 0.2, 6: 0.3, 8: 0.4}, fetched=80.0), "without"),
        # computes the last run alone, when it is fetched
        (times({2: 0.1, 4: 0.2, 6: 0.3, 8: 0.4}, fetched=0.4), "not computed"),
        # waits for a fixed time at most
        (times({2: 20.0, 4: 30.0, 6: 32.0, 8: 34.0}, single=5.0), "in proportion"),
    ],
)
def test_dishonest_ones(seen: Times, says: str) -> None:
    assert says in str(timing._problem(seen))
