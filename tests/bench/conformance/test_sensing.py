"""Bounds and movement of sensors' figures, on recordings with known curves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.conformance import sensing
from bench.device import Device
from bench.results.telemetry import Window
from bench.sensor import Channel, Quantity, Sample, SensorProbe, SensorRecord

DEVICE = Device("npu:0", "npu", 0, "Acme A100-like", memory_bytes=1 << 30)
S = 1_000_000_000
IDLE, BUSY = Window("idle", 0, 5 * S, 0), Window("busy", 6 * S, 10 * S, 0)


def record(scope: str = "board", **curves: tuple[float, float]) -> SensorRecord:
    """Ten seconds at 5 Hz: the first value at rest until 5.5 s, then the second."""
    samples = []
    for step in range(51):
        values = {name: pair[step >= 28] for name, pair in curves.items()}
        samples.append(Sample(step * S // 5, values))  # type: ignore[arg-type]
    channels = tuple(Channel(name, scope, update_period_s=0.1) for name in curves)  # type: ignore[arg-type]
    return SensorRecord("acme", "npu:0", SensorProbe(channels), tuple(samples))


def counter(rest_w: float, load_w: float) -> SensorRecord:
    """An energy counter over the same load."""
    made = record(energy_j=(0.0, 0.0))
    total, samples = 1e6, []
    for step, sample in enumerate(made.samples):
        total += (load_w if step >= 28 else rest_w) / 5
        samples.append(replace(sample, values={"energy_j": total}))
    return replace(made, samples=tuple(samples))


@pytest.mark.parametrize(
    "seen",
    [
        record(power_w=(60, 300), temperature_c=(35, 70), utilization_percent=(0, 100)),
        record(power_average_w=(60, 70), memory_used_bytes=(0, 1 << 29)),
        record(scope="node", power_w=(2000, 9000)),
        counter(60, 300),
    ],
)
def test_honest_sensors(seen: SensorRecord) -> None:
    assert sensing.judge_bounds(seen, DEVICE).status == "pass"
    assert sensing.judge_moves(seen, IDLE, BUSY).status == "pass"


@pytest.mark.parametrize(
    ("quantity", "rest", "load"),
    [
        ("power_w", 60, 10_001),
        ("power_w", -1, 300),
        ("power_w", 0, 300),
        ("temperature_c", 35, 131),
        ("temperature_c", -41, 35),
        ("utilization_percent", 0, 101),
        ("clock_sm_mhz", 300, 1.4e9),
        ("memory_used_bytes", 0, 1 << 31),
    ],
)
def test_figures_that_cannot_be(quantity: Quantity, rest: float, load: float) -> None:
    found = sensing.judge_bounds(record(**{quantity: (rest, load)}), DEVICE)
    assert found.status == "fail"
    assert quantity in found.seen


def test_a_counter_that_runs_backwards_or_too_fast() -> None:
    assert sensing.judge_bounds(counter(60, -60), DEVICE).status == "fail"
    assert sensing.judge_bounds(counter(60, 10_001), DEVICE).status == "fail"


def test_twice_the_datasheets_or_the_limits_power_is_the_bound() -> None:
    h100 = replace(DEVICE, name="NVIDIA H100 80GB HBM3")
    assert sensing.judge_bounds(record(power_w=(60, 1399)), h100).status == "pass"
    assert sensing.judge_bounds(record(power_w=(60, 1401)), h100).status == "fail"
    limited = record(power_w=(60, 501), power_limit_w=(250, 250))
    assert sensing.judge_bounds(limited, DEVICE).status == "fail"
    assert sensing.judge_bounds(record(power_w=(60, 501)), DEVICE).status == "pass"


@pytest.mark.parametrize(
    "seen",
    [
        record(power_w=(60, 60)),
        record(power_w=(60, 61)),
        record(power_w=(60, 40)),
        record(utilization_percent=(3, 3)),
        counter(60, 60),
    ],
)
def test_figures_that_do_not_move(seen: SensorRecord) -> None:
    assert sensing.judge_moves(seen, IDLE, BUSY).status == "fail"


def test_what_cannot_be_told_is_said() -> None:
    assert sensing.judge_moves(record(temperature_c=(30, 60)), IDLE, BUSY).status == "skip"
    nothing = replace(record(power_w=(60, 300)), samples=(), failure="the driver is gone")
    assert sensing.judge_bounds(nothing, DEVICE).seen.endswith("the driver is gone")
    none = sensing.check((), DEVICE, 1, lambda seconds: "never asked")
    assert [one.status for one in none] == ["skip", "skip"]


def test_slow_sensors_are_watched_longer() -> None:
    quick = [Channel("power_w", "board", update_period_s=0.1)]
    slow = [Channel("power_w", "board", update_period_s=1.0)]
    averaged = [Channel("power_w", "board", update_period_s=0.1, averaging_window_s=1.0)]
    glacial = [Channel("power_w", "node", update_period_s=60.0)]
    windows = [sensing._window_s(one) for one in (quick, slow, averaged, glacial)]
    assert windows == [2.0, 10.0, 10.0, 20.0]


def test_a_counters_step_counts_in_watts() -> None:
    """A step of 50 J is 12.5 W over four seconds, and no reason to call 20 W more no rise."""
    seen = counter(60, 80)
    channel = replace(seen.probe.channels[0], resolution=50.0)
    coarse = replace(seen, probe=SensorProbe((channel,)))
    assert sensing.judge_moves(coarse, IDLE, BUSY).status == "pass"
