from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

import pytest

from bench.device import Device
from bench.sensor import Channel, Recording, Sample, Sensor, SensorError, SensorProbe
from bench.sensors.sampler import Sampler

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

    def probe(self) -> SensorProbe:
        self.probes += 1
        return SensorProbe((self.channel,))

    def read(self) -> Sample:
        self.reads.append(time.monotonic_ns())
        value = self.play(len(self.reads))
        return Sample(time.monotonic_ns(), {"power_w": value})

    def close(self) -> None:
        self.closed += 1


def sample(*sensors: Sensor, seconds: float, **settings: int) -> Recording:
    sampler = Sampler(sensors, seed=1, **settings)
    sampler.start()
    time.sleep(seconds)
    return sampler.stop()


@pytest.fixture
def quick(monkeypatch):
    """A hundred readings a second, so that tests are short."""
    monkeypatch.setattr("bench.sensors.sampler.MIN_PERIOD_S", 0.01)
    monkeypatch.setattr("bench.sensors.sampler.STOP_S", 0.3)


@pytest.mark.skipif(sys.platform != "linux", reason="says what is true of Linux")
def test_the_samples_clock_is_the_workers_clock():
    clocks = {time.get_clock_info("monotonic").implementation}
    clocks.add(time.get_clock_info("perf_counter").implementation)
    assert len(clocks) == 1
    assert abs(time.monotonic_ns() - time.perf_counter_ns()) < 1e8


def test_every_sample_is_kept_in_order_repeated_values_too(quick):
    sensor = Played(lambda n: 100.0)
    recording = sample(sensor, seconds=0.3)
    (record,) = recording.sensors
    stamps, values = record.series("power_w")
    assert len(values) == len(sensor.reads) >= 10
    assert stamps == sorted(stamps) and set(values) == {100.0}
    assert recording.start_ns <= stamps[0] <= stamps[-1] <= recording.end_ns
    assert record.healthy and record.failures == record.dropped == 0
    assert sensor.closed == 1


def test_the_last_sample_is_taken_after_the_stop(quick):
    sampler = Sampler([Played(lambda n: 1.0)], seed=1)
    sampler.start()
    time.sleep(0.1)
    end = sampler.mark()
    record = sampler.stop().sensors[0]
    assert record.samples[-1].stamp_ns >= end


@pytest.mark.parametrize("window_s", [1.0, None])
def test_a_sensor_is_never_read_faster_than_it_changes(quick, window_s):
    sensor = Played(lambda n: 1.0, update_period_s=0.05, window_s=window_s)
    sample(sensor, seconds=0.5)
    gaps = [b - a for a, b in zip(sensor.reads, sensor.reads[1:], strict=False)]
    assert len(gaps) >= 3 and min(gaps) >= 0.05e9


def test_nor_more_than_ten_times_a_second():
    sensor = Played(lambda n: 1.0, update_period_s=0.001)
    sample(sensor, seconds=0.35)
    gaps = [b - a for a, b in zip(sensor.reads, sensor.reads[1:], strict=False)]
    assert len(gaps) >= 2 and min(gaps) >= 0.1e9


def test_sensors_that_only_look_are_read_at_random_moments(quick):
    looks = Played(lambda n: 1.0, update_period_s=0.02, window_s=None)
    averages = Played(lambda n: 1.0, update_period_s=0.02, window_s=0.02)
    sample(looks, averages, seconds=0.6)
    spacing = {
        sensor: [(b - a) / 1e9 for a, b in zip(sensor.reads[:-1], sensor.reads[1:-1], strict=False)]
        for sensor in (looks, averages)
    }
    assert max(spacing[looks]) > 0.03
    assert sorted(spacing[averages])[len(spacing[averages]) // 2] == pytest.approx(0.02, abs=0.005)


def test_a_failing_sensor_is_asked_again_and_the_failures_counted(quick):
    def play(n: int) -> float:
        if n in (2, 3):
            raise SensorError("bus error")
        return 1.0

    record = sample(Played(play), seconds=0.4).sensors[0]
    assert (record.failures, record.failure) == (2, "bus error")
    assert record.healthy and len(record.samples) >= 3


def test_a_sensor_that_vanishes_keeps_what_it_told_and_is_left_alone_more_and_more(quick):
    def play(n: int) -> float:
        if n > 3:
            raise OSError("No such device")
        return 1.0

    sensor = Played(play)
    record = sample(sensor, seconds=0.6).sensors[0]
    assert len(record.samples) == 3 and not record.healthy
    assert record.failure == "No such device"
    assert record.failures <= 8


def test_whatever_a_foreign_sensor_raises_does_not_stop_the_others(quick):
    def play(n: int) -> float:
        raise KeyError("whatever")

    bad, good = sample(Played(play), Played(lambda n: 1.0), seconds=0.2).sensors
    assert not bad.healthy and "whatever" in (bad.failure or "")
    assert good.healthy and good.samples


def test_a_hanging_sensor_is_left_behind_and_named(quick):
    release = threading.Event()

    def play(n: int) -> float:
        if n == 3:
            release.wait(20)
        return 1.0

    start = time.monotonic()
    hung, good = sample(Played(play), Played(lambda n: 1.0), seconds=0.3).sensors
    release.set()
    assert time.monotonic() - start < 2
    assert not hung.healthy and len(hung.samples) == 2
    assert "did not answer for" in (hung.failure or "")
    assert good.healthy and good.samples


def test_a_probe_that_hangs_leaves_a_record_with_the_reason(quick):
    release = threading.Event()
    sensor = Played(lambda n: 1.0)
    sensor.probe = lambda: SensorProbe(reason=str(release.wait(20)))  # type: ignore[method-assign]
    sampler = Sampler([sensor], seed=1)
    sampler.start()
    assert not sampler.probed(0.05)
    record = sampler.stop().sensors[0]
    release.set()
    assert not record.samples and "did not answer for" in (record.probe.reason or "")


def test_a_sensor_without_channels_is_not_read(quick):
    sensor = Played(lambda n: 1.0)
    sensor.probe = lambda: SensorProbe(reason="no driver")  # type: ignore[method-assign]
    record = sample(sensor, seconds=0.1).sensors[0]
    assert record.probe.reason == "no driver" and not sensor.reads


def test_answers_given_are_not_asked_for_again_and_the_sensor_stays_open(quick):
    sensor = Played(lambda n: 1.0)
    sampler = Sampler([sensor], 1, probes=[SensorProbe((sensor.channel,))])
    sampler.start()
    time.sleep(0.1)
    assert sampler.stop().sensors[0].samples
    assert (sensor.probes, sensor.closed) == (0, 0)


def test_a_long_recording_is_thinned_and_says_so(quick):
    sensor = Played(lambda n: float(n))
    record = sample(sensor, seconds=0.6, capacity=16).sensors[0]
    stamps, values = record.series("power_w")
    assert len(values) <= 16 < len(sensor.reads)
    assert record.dropped == len(sensor.reads) - len(values)
    assert stamps == sorted(stamps) and values[-1] == len(sensor.reads)
    assert values[0] == 1.0


def test_the_cost_of_sampling_is_measured(quick):
    def play(n: int) -> float:
        end = time.thread_time() + 0.004
        while time.thread_time() < end:
            pass
        return 1.0

    recording = sample(Played(play, update_period_s=0.02), seconds=0.4)
    record = recording.sensors[0]
    assert record.cpu_s >= 0.004 * len(record.samples)
    assert recording.cpu_share == pytest.approx(
        record.cpu_s / ((recording.end_ns - recording.start_ns) / 1e9)
    )


def test_between_keeps_one_sample_on_each_side(quick):
    recording = sample(Played(lambda n: float(n)), seconds=0.3)
    stamps, _ = recording.sensors[0].series("power_w")
    part = recording.between(stamps[3] + 1, stamps[6] - 1)
    assert part.sensors[0].series("power_w")[0] == stamps[3:7]
    assert (part.start_ns, part.end_ns) == (stamps[3] + 1, stamps[6] - 1)
