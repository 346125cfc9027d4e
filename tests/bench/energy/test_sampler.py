from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from bench.device import Device
from bench.energy.sampler import Sampler
from bench.sensor import Channel, Recording, Sample, Sensor, SensorError, SensorProbe

DEVICE = Device("npu:0", "npu", 0, "Test NPU")


class Played(Sensor):
    """A sensor whose readings are played by a function of the number of the reading."""

    def __init__(
        self,
        play: Callable[[int], float],
        update_period_s: float | None = 0.01,
        window_s: float | None = 1.0,
    ) -> None:
        super().__init__(DEVICE)
        self.name = "played"
        self.play = play
        self.channel = Channel("power_w", "board", None, update_period_s, window_s)
        self.reads: list[int] = []
        self.closed = 0
        self.probes = 0
        self.now_ns = time.monotonic_ns

    def probe(self) -> SensorProbe:
        self.probes += 1
        return SensorProbe((self.channel,))

    def read(self) -> Sample:
        self.reads.append(self.now_ns())
        value = self.play(len(self.reads))
        return Sample(self.now_ns(), {"power_w": value})

    def close(self) -> None:
        self.closed += 1


class Stage:
    """A clock that only waiting moves, on which sensors are read one after another: each from 0
    until it is told to stop."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.cpu_s = 0.0
        self.stop_s = 0.0

    # what the sampler takes from `time`
    def monotonic(self) -> float:
        return self.now_s

    def monotonic_ns(self) -> int:
        return round(self.now_s * 1e9)

    def thread_time(self) -> float:
        return self.cpu_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    # and from `threading`
    Lock = threading.Lock

    def Event(self) -> StopEvent:
        return StopEvent(self)

    def Thread(self, target: Callable[[], None], **_: object) -> PlayedThread:
        return PlayedThread(self, target)

    def sample(self, *sensors: Played, seconds: float, **settings: int) -> Recording:
        """What is recorded in that time."""
        self.stop_s = seconds
        for sensor in sensors:
            sensor.now_ns = self.monotonic_ns
        sampler = Sampler(sensors, seed=1, **settings)
        sampler.start()
        return sampler.stop()


class StopEvent(threading.Event):
    """Set from the moment of the stop on."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage

    def wait(self, timeout: float | None = None) -> bool:
        stage = self._stage
        stopping = stage.now_s + (timeout or 0.0) >= stage.stop_s
        stage.now_s = max(stage.now_s, stage.stop_s) if stopping else stage.now_s + (timeout or 0.0)
        return stopping


class PlayedThread:
    """Does all its work when it is started."""

    def __init__(self, stage: Stage, target: Callable[[], None]) -> None:
        self._stage, self._target = stage, target

    def start(self) -> None:
        self._stage.now_s = 0.0
        self._target()

    def join(self, timeout: float) -> None: ...


@pytest.fixture
def stage(monkeypatch) -> Stage:
    """Time moved by hand."""
    made = Stage()
    monkeypatch.setattr("bench.energy.sampler.time", made)
    monkeypatch.setattr("bench.energy.sampler.threading", made)
    return made


@pytest.fixture
def quick(monkeypatch):
    """A hundred readings a second, in real time."""
    monkeypatch.setattr("bench.energy.sampler.MIN_PERIOD_S", 0.01)
    monkeypatch.setattr("bench.energy.sampler.STOP_S", 1.0)


def when(condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    while not condition():
        time.sleep(0.005)


@pytest.mark.skipif(sys.platform != "linux", reason="says what is true of Linux")
def test_the_samples_clock_is_the_workers_clock():
    clocks = {time.get_clock_info("monotonic").implementation}
    clocks.add(time.get_clock_info("perf_counter").implementation)
    assert len(clocks) == 1
    before, stamp, after = time.monotonic_ns(), time.perf_counter_ns(), time.monotonic_ns()
    assert before <= stamp <= after


def test_every_sample_is_kept_in_order_repeated_values_too(stage):
    sensor = Played(lambda n: 100.0)
    recording = stage.sample(sensor, seconds=2)
    (record,) = recording.sensors
    stamps, values = record.series("power_w")
    assert stamps == sensor.reads == sorted(stamps) and len(stamps) in (20, 21)
    assert set(values) == {100.0}
    assert recording.start_ns <= stamps[0] <= stamps[-1] <= recording.end_ns
    assert record.healthy and record.failures == record.dropped == 0
    assert sensor.closed == 1


def test_the_last_sample_is_taken_after_the_stop(quick):
    sensor = Played(lambda n: 1.0)
    sampler = Sampler([sensor], seed=1)
    sampler.start()
    when(lambda: len(sensor.reads) > 1)
    end = sampler.mark()
    record = sampler.stop().sensors[0]
    assert record.samples[-1].stamp_ns >= end


def gaps_s(sensor: Played) -> list[float]:
    """Between one reading and the next, without the last, which is taken at the stop."""
    return [(b - a) / 1e9 for a, b in pairwise(sensor.reads[:-1])]


@pytest.mark.parametrize("window_s", [1.0, None])
def test_a_sensor_is_never_read_faster_than_it_changes(stage, window_s):
    sensor = Played(lambda n: 1.0, update_period_s=0.5, window_s=window_s)
    stage.sample(sensor, seconds=20.1)
    every = [(b - a) / 1e9 for a, b in pairwise(sensor.reads)]
    assert len(every) > 20 and min(every) >= 0.5 - 1e-6


def test_nor_more_than_ten_times_a_second(stage):
    sensor = Played(lambda n: 1.0, update_period_s=0.001)
    stage.sample(sensor, seconds=3)
    assert gaps_s(sensor) == pytest.approx([0.1] * (len(sensor.reads) - 2))
    assert len(sensor.reads) in (30, 31)


def test_sensors_that_only_look_are_read_at_random_moments(stage):
    looks = Played(lambda n: 1.0, update_period_s=0.2, window_s=None)
    averages = Played(lambda n: 1.0, update_period_s=0.2, window_s=0.2)
    stage.sample(looks, averages, seconds=60)
    assert gaps_s(averages) == pytest.approx([0.2] * (len(averages.reads) - 2))
    spread = gaps_s(looks)
    assert 0.2 - 1e-6 <= min(spread) < 0.22 and 0.38 < max(spread) <= 0.4 + 1e-6


def test_a_failing_sensor_is_asked_again_and_the_failures_counted(stage):
    def play(n: int) -> float:
        if n in (2, 3):
            raise SensorError("bus error")
        return 1.0

    record = stage.sample(Played(play), seconds=3).sensors[0]
    assert (record.failures, record.failure) == (2, "bus error")
    assert record.healthy and len(record.samples) >= 3


def test_a_sensor_that_vanishes_keeps_what_it_told_and_is_left_alone_more_and_more(stage):
    def play(n: int) -> float:
        if n > 3:
            raise OSError("No such device")
        return 1.0

    sensor = Played(play)
    record = stage.sample(sensor, seconds=60).sensors[0]
    assert len(record.samples) == 3 and not record.healthy
    assert record.failure == "No such device"
    waits = gaps_s(sensor)[3:]
    assert waits == [pytest.approx(min(0.1 * 2**n, 10.0)) for n in range(1, len(waits) + 1)]
    assert waits[-1] == pytest.approx(10.0)


def test_whatever_a_foreign_sensor_raises_does_not_stop_the_others(quick):
    def play(n: int) -> float:
        raise KeyError("whatever")

    sensors = Played(play), Played(lambda n: 1.0)
    sampler = Sampler(sensors, seed=1)
    sampler.start()
    when(lambda: all(sensor.reads for sensor in sensors))
    bad, good = sampler.stop().sensors
    assert not bad.healthy and "whatever" in (bad.failure or "")
    assert good.healthy and good.samples


def test_a_hanging_sensor_is_left_behind_and_named(quick):
    release = threading.Event()

    def play(n: int) -> float:
        if n == 3:
            release.wait()
        return 1.0

    hangs, goes_on = Played(play), Played(lambda n: 1.0)
    sampler = Sampler((hangs, goes_on), seed=1)
    sampler.start()
    when(lambda: len(hangs.reads) == 3 and len(goes_on.reads) > 3)
    hung, good = sampler.stop().sensors  # returns although the reading does not
    release.set()
    assert not hung.healthy and len(hung.samples) == 2
    assert "did not answer for" in (hung.failure or "")
    assert good.healthy and good.samples


def test_a_probe_that_hangs_leaves_a_record_with_the_reason(quick):
    release = threading.Event()
    sensor = Played(lambda n: 1.0)
    sensor.probe = lambda: SensorProbe(reason=str(release.wait()))  # type: ignore[method-assign]
    sampler = Sampler([sensor], seed=1)
    sampler.start()
    assert not sampler.probed(0.05)
    record = sampler.stop().sensors[0]
    release.set()
    assert not record.samples and "did not answer for" in (record.probe.reason or "")


def test_a_sensor_without_channels_is_not_read(stage):
    sensor = Played(lambda n: 1.0)
    sensor.probe = lambda: SensorProbe(reason="no driver")  # type: ignore[method-assign]
    record = stage.sample(sensor, seconds=1).sensors[0]
    assert record.probe.reason == "no driver" and not sensor.reads


def test_answers_given_are_not_asked_for_again_and_the_sensor_stays_open(quick):
    sensor = Played(lambda n: 1.0)
    sampler = Sampler([sensor], 1, probes=[SensorProbe((sensor.channel,))])
    sampler.start()
    when(lambda: bool(sensor.reads))
    assert sampler.stop().sensors[0].samples
    assert (sensor.probes, sensor.closed) == (0, 0)


def test_a_long_recording_is_thinned_and_says_so(stage):
    sensor = Played(lambda n: float(n))
    record = stage.sample(sensor, seconds=10, capacity=16).sensors[0]
    stamps, values = record.series("power_w")
    assert len(values) <= 16 < len(sensor.reads)
    assert record.dropped == len(sensor.reads) - len(values)
    assert stamps == sorted(stamps) and values[-1] == len(sensor.reads)
    assert values[0] == 1.0


def test_the_cost_of_sampling_is_measured(stage):
    def play(n: int) -> float:
        stage.cpu_s += 0.004
        return 1.0

    recording = stage.sample(Played(play, update_period_s=0.2), seconds=4)
    record = recording.sensors[0]
    assert record.cpu_s == pytest.approx(0.004 * len(record.samples))
    assert recording.cpu_share == pytest.approx(
        record.cpu_s / ((recording.end_ns - recording.start_ns) / 1e9)
    )
