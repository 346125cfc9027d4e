"""Energy from sensors that look at known curves; the truth is the curve's exact integral."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.energy.figures import figure, figures
from bench.energy.warnings import warnings
from bench.results.telemetry import EnergyFigure, Window
from bench.sensor import Channel, Quantity, Recording, Sample, SensorProbe, SensorRecord

from . import curves
from .curves import SECOND, Curve, averaged, counter, pointwise

START, END, UNTIL = 12.0, 72.0, 76.0
"""Idle from 0 to 12 s, load from 12 to 72 s, a little more after it."""
LOAD = curves.steady(100) + curves.step(START, 250) + curves.step(END, -250)
BATCH_S = 0.001

SENSORS = {
    "counter": counter,
    "counter every millisecond": lambda curve, until, rng: counter(curve, until, rng, 0.001),
    "average of 1 s": averaged,
    "average of 0.1 s": lambda curve, until, rng: averaged(curve, until, rng, 0.1, 0.1, "power_w"),
    "a quarter of the time": lambda curve, until, rng: averaged(
        curve, until, rng, 0.025, 0.1, "power_w"
    ),
    "jittered counter": lambda curve, until, rng: counter(curve, until, rng, jitter=0.01),
    "jittered average": lambda curve, until, rng: averaged(curve, until, rng, jitter=0.01),
}


def window(start: float = START, end: float = END, items: int = 6000) -> Window:
    return Window("round", round(start * SECOND), round(end * SECOND), items)


def measure(record: SensorRecord, start: float = START, end: float = END, **more) -> EnergyFigure:
    settings = {"idle": window(0.5, START - 0.5, 0), "repeat_s": BATCH_S, **more}
    return figure(record, [window(start, end)], **settings)


def rng(name: str = "") -> random.Random:
    return random.Random(f"energy {name}")


@pytest.mark.parametrize("name", SENSORS)
@pytest.mark.parametrize(
    "curve",
    [
        LOAD,
        LOAD + curves.ramp(20, 60, 200),
        LOAD + curves.step(30, 120) + curves.step(50, -170),
        LOAD + curves.wave(14, 60),
        LOAD + curves.square(BATCH_S, 0.5, 80),
    ],
    ids=["steady", "ramp", "steps", "slow wave", "on and off with every batch"],
)
def test_energy_within_one_percent_where_it_is_called_valid(curve, name):
    got = measure(SENSORS[name](curve, UNTIL, rng(name)))
    assert got.valid, got.reason
    assert got.gross_j == pytest.approx(curve.between(START, END), rel=0.01)


def test_every_figure_follows_from_the_energy():
    got = measure(counter(LOAD, UNTIL, rng()))
    assert (got.sensor, got.device, got.quantity, got.scope) == (
        "synthetic",
        "npu:0",
        "energy_j",
        "board",
    )
    assert got.valid and got.net_valid and got.reason is None and got.net_reason is None
    assert (got.items, got.duration_s) == (6000, pytest.approx(60))
    assert got.gross_j is not None and got.net_j is not None
    assert got.mean_w == pytest.approx(350, rel=0.01)
    assert got.idle_w == pytest.approx(100, rel=0.01)
    assert got.peak_w == pytest.approx(350, rel=0.03)
    assert got.net_j == pytest.approx(250 * 60, rel=0.01)
    assert got.gross_j_per_item == got.gross_j / 6000
    assert got.net_j_per_item == got.net_j / 6000
    assert got.items_per_j == 6000 / got.gross_j
    assert 0 < (got.uncertainty or 0) < 0.05


def test_several_windows_are_one_load():
    record = counter(LOAD, UNTIL, rng())
    got = figure(record, [window(13, 40, 100), window(41, 70, 200)])
    assert got.valid and got.items == 300
    assert got.gross_j == pytest.approx(350 * 56, rel=0.01)


def test_the_counter_is_preferred_then_instantaneous_power_then_averaged():
    def merged(*records: SensorRecord) -> SensorRecord:
        channels = tuple(channel for r in records for channel in r.probe.channels)
        samples = sorted((s for r in records for s in r.samples), key=lambda s: s.stamp_ns)
        return replace(records[0], probe=SensorProbe(channels), samples=tuple(samples))

    average = averaged(LOAD, UNTIL, rng("a"))
    instant = averaged(LOAD, UNTIL, rng("b"), 0.1, 0.1, "power_w")
    part_time = averaged(LOAD, UNTIL, rng("c"), 0.025, 0.1, "power_w")
    counted = counter(LOAD, UNTIL, rng("d"))
    assert measure(merged(average, instant, counted)).quantity == "energy_j"
    assert measure(merged(average, instant)).quantity == "power_w"
    # One that cannot be trusted here makes room for the next.
    assert measure(merged(average, part_time), repeat_s=0.1).quantity == "power_average_w"


# What a figure is not valid for, each with its reason.


@pytest.mark.parametrize(("period", "length"), [(0.1, 4.9), (0.5, 20.0), (1.0, 45.0)])
def test_a_window_shorter_than_50_updates_or_5_s(period, length):
    got = measure(counter(LOAD, UNTIL, rng(), period), 15, 15 + length)
    assert not got.valid and "this sensor needs" in (got.reason or "")
    assert not got.net_valid and got.gross_j == pytest.approx(350 * length, rel=0.05)
    assert measure(counter(LOAD, UNTIL, rng(), period), 15, 15 + max(5.1, 51 * period)).valid


@pytest.mark.parametrize("period", [0.1, 0.05, 0.02, 0.2, 0.3])
def test_work_that_repeats_in_step_with_a_part_time_sensor(period):
    # Four readings in four fall on the same part of the batch: half of the truth, or twice.
    curve = LOAD + curves.square(period, 0.25, 400)
    record = averaged(curve, UNTIL, rng(), 0.025, 0.1, "power_w")
    assert not measure(record, repeat_s=period).valid
    assert not measure(record, repeat_s=None).valid


def test_a_part_time_sensor_says_what_it_sees():
    record = averaged(LOAD, UNTIL, rng(), 0.025, 0.1, "power_w")
    assert "looks at only 25 % of the time" in (measure(record, repeat_s=None).reason or "")


@pytest.mark.parametrize("quantity", ["energy_j", "power_w"])
def test_a_stuck_sensor(quantity: Quantity):
    make = counter if quantity == "energy_j" else SENSORS["average of 0.1 s"]
    record = make(LOAD, UNTIL, rng())
    stuck_from = round(30 * SECOND)
    value = next(s.values for s in record.samples if s.stamp_ns > stuck_from)
    samples = tuple(
        replace(s, values=value) if s.stamp_ns > stuck_from else s for s in record.samples
    )
    got = measure(replace(record, samples=samples))
    assert not got.valid and ("stood still" in str(got.reason) or "stuck" in str(got.reason))


def test_a_counter_that_never_moves_is_none_and_not_zero():
    record = counter(LOAD, UNTIL, rng())
    samples = tuple(replace(s, values={"energy_j": 5.0}) for s in record.samples)
    got = measure(replace(record, samples=samples))
    assert got.gross_j is got.mean_w is got.gross_j_per_item is None
    assert got.reason == "the energy counter did not advance"


def test_a_steady_power_that_repeats_in_whole_watts_is_not_stuck():
    # Enflame, Cambricon and others print whole watts: 96 W all the time is 96 W.
    samples = [
        Sample(round(t * SECOND), {"power_w": 40.0 if t < START else 96.0})
        for t in curves.times(UNTIL, 1.0, rng())
    ]
    record = curves.record(samples, Channel("power_w", "board", 1.0, 1.0, None))
    got = measure(record, 15, 70)
    assert got.valid, got.reason
    assert got.gross_j == pytest.approx(96 * 55, rel=0.01)
    always = [replace(s, values={"power_w": 96.0}) for s in samples]
    assert not measure(replace(record, samples=tuple(always)), 15, 70).valid


@pytest.mark.parametrize("name", ["average of 1 s", "average of 0.1 s"])
def test_missing_samples(name):
    record = SENSORS[name](LOAD, UNTIL, rng())

    def without(start: float, end: float) -> SensorRecord:
        kept = [s for s in record.samples if not start * SECOND < s.stamp_ns < end * SECOND]
        return replace(record, samples=tuple(kept))

    assert measure(without(30, 30.25)).valid
    got = measure(without(30, 32))
    assert not got.valid and "silent for" in (got.reason or "")


def test_a_counter_bridges_missing_samples():
    record = counter(LOAD, UNTIL, rng())
    kept = [s for s in record.samples if not 30 * SECOND < s.stamp_ns < 45 * SECOND]
    got = measure(replace(record, samples=tuple(kept)))
    assert got.valid and got.gross_j == pytest.approx(350 * 60, rel=0.01)


def test_unless_it_may_have_started_again_unseen():
    record = counter(LOAD, UNTIL, rng())
    channel = replace(record.probe.channels[0], wrap_j=8_000.0)
    kept = [s for s in record.samples if not 30 * SECOND < s.stamp_ns < 45 * SECOND]
    cut = replace(record, probe=SensorProbe((channel,)), samples=tuple(kept))
    assert "started again unseen" in (measure(cut).reason or "")
    assert measure(replace(record, probe=SensorProbe((channel,)))).valid


@pytest.mark.parametrize(("first", "last"), [(14, 76), (0, 60), (20, 60)])
@pytest.mark.parametrize("name", SENSORS)
def test_a_sensor_that_covers_part_of_the_window(name, first, last):
    record = SENSORS[name](LOAD, UNTIL, rng())
    kept = [s for s in record.samples if first * SECOND <= s.stamp_ns <= last * SECOND]
    got = measure(replace(record, samples=tuple(kept)))
    assert got.gross_j is None and not got.valid
    assert "covers only" in (got.reason or "") and "of 60.0 s" in (got.reason or "")


@pytest.mark.parametrize("name", SENSORS)
def test_a_sampler_that_starts_and_stops_with_the_load(name):
    record = SENSORS[name](LOAD, UNTIL, rng(name))
    inside = [s for s in record.samples if 20 * SECOND < s.stamp_ns < 60.12 * SECOND]
    got = measure(replace(record, samples=tuple(inside)), 20, 60)
    assert got.valid, got.reason
    assert got.gross_j == pytest.approx(350 * 40, rel=0.01)


def test_a_sensor_that_vanished_gives_its_own_reason():
    record = averaged(LOAD, 40, rng())
    gone = replace(record, healthy=False, failure="NVML could not read cuda:0: GPU is lost")
    assert measure(gone).reason == "NVML could not read cuda:0: GPU is lost"


@pytest.mark.parametrize(
    ("quantity", "value", "reason"),
    [
        ("energy_j", 0.0, "went backwards"),
        ("energy_j", -5.0, "is no energy_j"),
        ("energy_j", 1e9, "jumped|backwards"),
        ("power_w", -3.0, "is no power_w"),
        ("power_w", float("nan"), "is no power_w"),
        ("power_w", 20_000.0, "cannot draw"),
        ("power_w", 700.0, "cannot draw"),  # the board's limit is 300 W
    ],
)
def test_absurd_values(quantity: Quantity, value, reason):
    make = counter if quantity == "energy_j" else SENSORS["average of 0.1 s"]
    record = make(LOAD, UNTIL, rng())
    facts = {"power_limit_w": "300.0"}
    bad = replace(record.samples[400], values={quantity: value})
    samples = (*record.samples[:400], bad, *record.samples[401:])
    got = measure(replace(record, probe=replace(record.probe, facts=facts), samples=samples))
    assert not got.valid
    assert any(part in (got.reason or "") for part in reason.split("|")), got.reason


@pytest.mark.parametrize(("length", "valid"), [(6, False), (50, True)])
def test_edges_of_a_load_blurred_by_the_averaging_window(length, valid):
    # The window begins and ends with the load: a trailing average of 1 s smears both edges.
    curve = curves.steady(20) + curves.step(12, 400) + curves.step(12 + length, -400)
    got = measure(averaged(curve, UNTIL, rng()), 12, 12 + length)
    assert got.valid == valid
    # Load that has begun before the window and goes on after it has no edges to smear.
    assert measure(averaged(LOAD, UNTIL, rng()), 20, 20 + length).valid


def test_another_throughput_than_the_timing_pass():
    record = counter(LOAD, UNTIL, rng())
    assert measure(record, timing_items_per_s=96.0).valid
    got = measure(record, timing_items_per_s=90.0)
    assert not got.valid and not got.net_valid
    assert got.reason == "the energy pass ran +11 % off the throughput of the timing pass"


def test_no_sensor_is_none_with_the_reason():
    probe = SensorProbe(reason="NVML does not start: Driver Not Loaded")
    record = SensorRecord("nvml", "cuda:0", probe)
    other = SensorRecord(
        "command:smi",
        "npu:0",
        SensorProbe(
            (Channel("temperature_c", "board"),), missing={"power_w": "the tool prints 'NA'"}
        ),
    )
    first, second = figures(Recording(0, 1, (record, other)), [window()])
    assert first.gross_j is None and first.reason == "NVML does not start: Driver Not Loaded"
    assert second.gross_j is None and "the tool prints 'NA'" in (second.reason or "")
    assert first.duration_s == 60.0


# Net energy


def test_net_needs_an_idle_baseline():
    got = measure(counter(LOAD, UNTIL, rng()), idle=None)
    assert got.valid and got.net_j is None and got.net_reason == "no idle baseline was taken"


def test_net_needs_ten_seconds_of_it():
    got = measure(counter(LOAD, UNTIL, rng()), idle=window(2, 8, 0))
    assert got.valid and not got.net_valid
    assert got.net_reason == "the idle baseline lasted 6.0 s; this sensor needs 10 s"
    assert got.net_j == pytest.approx(15_000, rel=0.02)


def test_net_of_a_load_that_adds_next_to_nothing():
    curve = curves.steady(100) + curves.step(START, 8)
    got = measure(averaged(curve, UNTIL, rng()))
    assert got.valid and not got.net_valid
    assert "adds so little" in (got.net_reason or "")
    cooler = measure(counter(curves.steady(100) + curves.step(START, -20), UNTIL, rng()))
    assert cooler.valid and cooler.net_j is None
    assert cooler.net_reason == "the device drew no more under load than idle"


# Never called valid where the error could exceed 5 %


@st.composite
def loads(draw) -> tuple[Curve, float, float, float]:
    """A curve over idle power, a window on it, and the time after which the load repeats."""
    idle_w = draw(st.floats(10, 400))
    more_w = idle_w * draw(st.floats(0, 6))
    start = draw(st.floats(2, 10))
    length = draw(st.sampled_from([5.5, 8.0, 20.0, 60.0]))
    repeat_s = draw(st.sampled_from([0.001, 0.013, 0.05, 0.1, 0.15, 0.2, 1.0, 1.5, 3.0, 11.0]))
    at = draw(st.floats(0, start + length))
    share = draw(st.floats(0.05, 0.95))
    phase = draw(st.floats(0, 1)) * repeat_s
    shape = draw(st.sampled_from(["step", "ramp", "square", "wave", "burst"]))
    curve = curves.steady(idle_w)
    if draw(st.booleans()):
        curve += curves.step(start, more_w) + curves.step(start + length, -more_w)
    if shape == "step":
        curve += curves.step(at, more_w)
    elif shape == "ramp":
        curve += curves.ramp(at, at + draw(st.floats(0.1, 20)), more_w)
    elif shape == "square":
        curve += curves.square(repeat_s, share, more_w, phase)
    elif shape == "wave":
        curve += curves.wave(repeat_s, more_w)
    else:
        curve += curves.step(at, more_w) + curves.step(at + length * share / 4, -more_w)
    return curve, start, start + length, repeat_s


@pytest.mark.parametrize("name", [*SENSORS, "tool"])
@settings(max_examples=60, deadline=None)
@given(load=loads(), seed=st.integers(0, 2**32))
def test_never_valid_with_an_error_above_five_percent(name, load, seed):
    curve, start, end, repeat_s = load
    look = {**SENSORS, "tool": lambda *args: pointwise(*args, period=0.2, step=0.1)}[name]
    record = look(curve, end + 3, random.Random(seed))
    got = figure(record, [window(start, end)], repeat_s=repeat_s)
    if got.valid:
        assert got.gross_j == pytest.approx(curve.between(start, end), rel=0.05)


# Warnings


def warm(facts: dict[str, str] | None = None, **values: float) -> SensorRecord:
    record = counter(LOAD, UNTIL, rng())
    samples = tuple(replace(s, values={**s.values, **values}) for s in record.samples)
    return replace(record, samples=samples, probe=replace(record.probe, facts=facts or {}))


IDLE = window(0.5, START - 0.5, 0)


def told(record: SensorRecord) -> list[str]:
    return warnings(record, [window()], IDLE)


def test_nothing_to_warn_about():
    facts = {"power_limit_w": "350.0", "power_limit_default_w": "350.0"}
    assert told(warm(facts, temperature_c=38.0, power_w=350.0)) == []


def test_a_power_cap_below_the_default():
    (text,) = told(warm({"power_limit_w": "250.0", "power_limit_default_w": "350.0"}))
    assert text.startswith("power cap: npu:0 is limited to 250 W, its default is 350 W")


def test_throttling_under_load_only():
    record = warm()
    hot = replace(record.samples[300], flags=("hw-thermal-slowdown",))
    samples = (*record.samples[:300], hot, *record.samples[301:])
    (text,) = told(replace(record, samples=samples))
    assert text == "throttle: npu:0 was held down under load by hw-thermal-slowdown"
    idle = replace(record.samples[5], flags=("sw-power-cap",))
    assert told(replace(record, samples=(*record.samples[:5], idle, *record.samples[6:]))) == []


def test_a_hot_start():
    (text,) = told(warm(temperature_c=75.0))
    assert text.startswith("hot start: npu:0 was at 75 C")
    record = warm()
    cooling = tuple(
        replace(s, values={**s.values, "temperature_c": 55 - s.stamp_ns / SECOND})
        for s in record.samples
    )
    assert told(replace(record, samples=cooling))[0].startswith("hot start")


def test_a_device_that_was_busy_during_the_baseline():
    (text,) = told(warm(utilization_percent=40.0))
    assert text.startswith("busy: npu:0 was 40 % busy during the idle baseline")


def test_power_that_drifts_under_load():
    record = SENSORS["average of 0.1 s"](LOAD + curves.ramp(12, 72, 100), UNTIL, rng())
    (text,) = told(record)
    assert text.startswith("drift: the power of npu:0 went from 358 W to 440 W")


def test_a_counter_and_a_power_that_disagree():
    record = warm(power_w=350.0)
    both = (*record.probe.channels, Channel("power_w", "board", 0.001, 0.1, 0.1))
    assert told(replace(record, probe=SensorProbe(both))) == []
    low = warm(power_w=300.0)
    (text,) = told(replace(low, probe=SensorProbe(both)))
    assert text.startswith("disagreement: synthetic counts 20992 J")
