"""Reading sensors beside a trial: one thread each, every sample kept, the cost measured.

The threads sleep between readings and touch nothing of the trial, which runs in another process.
A sensor that fails is asked again, less and less often; one that hangs is left behind. Neither
stops a trial: the recording says what happened.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence

from bench import sensors as registry
from bench.sensor import (
    POWER,
    Channel,
    Recording,
    Sample,
    Sensor,
    SensorProbe,
    SensorRecord,
)

MIN_PERIOD_S = 0.1
"""Shortest time between two readings of a sensor: 10 Hz."""
UNKNOWN_PERIOD_S = 1.0
"""Time between readings of a sensor that does not say how often it changes."""
MAX_PERIOD_S = 10.0
"""Longest time between readings that a failing sensor is left alone for."""
CAPACITY = 20_000
"""Samples kept per sensor: half an hour at 10 Hz before the first thinning."""
STOP_S = 5.0
"""How long `stop` waits for readings that are under way."""


class Sampler:
    """Reads sensors from `start` to `stop`.

    Stamps are time.monotonic_ns, on Linux the clock of time.perf_counter_ns, so a worker's
    stamps and the samples can be laid over each other.
    """

    def __init__(
        self,
        sensors: Sequence[Sensor],
        seed: int,
        probes: Sequence[SensorProbe] | None = None,
        capacity: int = CAPACITY,
    ) -> None:
        """`probes` are the sensors' answers if they have been asked already; without them each
        is asked at the start and closed at the end."""
        known: Sequence[SensorProbe | None] = probes or [None] * len(sensors)
        self._readers = [
            _Reader(sensor, probe, random.Random(f"{seed}/{i}"), capacity)
            for i, (sensor, probe) in enumerate(zip(sensors, known, strict=True))
        ]
        self._start_ns = 0

    def start(self) -> None:
        """Begin reading, each sensor in its own thread."""
        self._start_ns = time.monotonic_ns()
        for reader in self._readers:
            reader.thread.start()

    def mark(self) -> int:
        """The present on the samples' clock, in nanoseconds."""
        return time.monotonic_ns()

    def probed(self, timeout_s: float) -> bool:
        """Wait until every sensor has answered its probe; False when one has not in time."""
        deadline = time.monotonic() + timeout_s
        return all(r.probed.wait(max(deadline - time.monotonic(), 0.0)) for r in self._readers)

    def stop(self) -> Recording:
        """Take a last sample of each sensor, as soon as its update period allows, and hand
        everything over. A sensor that is not done within STOP_S counts as hung."""
        deadline = time.monotonic() + STOP_S
        for reader in self._readers:
            reader.stopping.set()
        for reader in self._readers:
            reader.thread.join(max(deadline - time.monotonic(), 0.0))
        end_ns = time.monotonic_ns()
        records = tuple(reader.record(end_ns) for reader in self._readers)
        return Recording(self._start_ns, end_ns, records)


class _Reader:
    """One sensor's thread and what it has read so far."""

    def __init__(
        self, sensor: Sensor, probe: SensorProbe | None, rng: random.Random, capacity: int
    ) -> None:
        self.sensor = sensor
        self.owned = probe is None
        self.rng = rng
        self.capacity = capacity
        self.stopping = threading.Event()
        self.probed = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"sensor {sensor.name}", daemon=True)
        self.lock = threading.Lock()
        self.probe = probe
        self.samples: list[Sample] = []
        self.dropped = 0
        self.failures = 0
        self.failed_in_a_row = 0
        self.failure: str | None = None
        self.cpu_s = 0.0
        self.busy_since_ns: int | None = None

    def record(self, now_ns: int) -> SensorRecord:
        """What is known now; the thread may still hang in a reading."""
        with self.lock:
            hung, failure = self.busy_since_ns is not None, self.failure
            if self.busy_since_ns is not None:
                waited_s = (now_ns - self.busy_since_ns) / 1e9
                failure = f"the sensor {self.sensor.name} did not answer for {waited_s:.1f} s"
            return SensorRecord(
                sensor=self.sensor.name,
                device=self.sensor.device.id,
                probe=self.probe or SensorProbe(reason=failure),
                samples=tuple(self.samples),
                failures=self.failures + hung,
                failure=failure,
                healthy=not hung and not self.failed_in_a_row,
                dropped=self.dropped,
                cpu_s=self.cpu_s,
            )

    def _run(self) -> None:
        began_s = time.thread_time()
        self.busy_since_ns = time.monotonic_ns()
        probe = self.probe or registry.ask(self.sensor)
        with self.lock:
            self.probe, self.busy_since_ns = probe, None
            self.cpu_s = time.thread_time() - began_s
        self.probed.set()
        period_s = _period_s(probe.channels)
        # A sensor that looks only now and then is read at random moments, so that work which
        # repeats in step with the readings cannot show the same side every time.
        spread = 0.0 if _sees_all(probe.channels) else 1.0
        earliest = time.monotonic()
        due = earliest + self.rng.random() * period_s
        while probe.channels:
            stopping = self.stopping.wait(max(due - time.monotonic(), 0.0))
            if stopping:
                if earliest - time.monotonic() > STOP_S / 2:
                    break
                time.sleep(max(earliest - time.monotonic(), 0.0))
            earliest = time.monotonic() + period_s
            self._read()
            with self.lock:
                self.cpu_s = time.thread_time() - began_s
            if stopping:
                break
            patience_s = period_s * 2 ** min(self.failed_in_a_row, 10)
            wait_s = min(patience_s, max(period_s, MAX_PERIOD_S)) * (1 + spread * self.rng.random())
            due = max(due + wait_s, earliest)
        if self.owned:
            self.sensor.close()

    def _read(self) -> None:
        with self.lock:
            self.busy_since_ns = time.monotonic_ns()
        sample, failure = None, None
        try:
            sample = self.sensor.read()
        except Exception as error:  # noqa: BLE001 - a foreign library may raise anything here
            failure = str(error) or type(error).__name__
        with self.lock:
            self.busy_since_ns = None
            if sample is None:
                self.failures += 1
                self.failed_in_a_row += 1
                self.failure = failure
                return
            self.failed_in_a_row = 0
            self.samples.append(sample)
            if len(self.samples) >= self.capacity:
                # Thin out the older half: every second sample of it stays.
                half = len(self.samples) // 2
                self.dropped += half // 2
                del self.samples[1:half:2]


def _period_s(channels: Sequence[Channel]) -> float:
    """Time between readings: the quickest channel's update period, at most 10 Hz."""
    periods = [c.update_period_s or UNKNOWN_PERIOD_S for c in channels]
    return max(min(periods, default=UNKNOWN_PERIOD_S), MIN_PERIOD_S)


def _sees_all(channels: Sequence[Channel]) -> bool:
    """Whether some channel misses nothing between two updates."""
    return any(
        c.quantity == "energy_j"
        or (c.averaging_window_s or 0.0) >= (c.update_period_s or UNKNOWN_PERIOD_S)
        for c in channels
        if c.quantity in POWER
    )
