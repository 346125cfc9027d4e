"""Cards of several vendors through their own management libraries (package gpustack-runtime).

Written against gpustack-runtime 0.2.6. Its detectors are asked one by one, because its own
`detect_devices` hides a vendor whose library fails. What it gets wrong is put right here:

- Moore Threads' power comes in milliwatts though the field says watts: divided by 1000.
- Utilisation that could not be read comes as 0: a 0 is left out until this card has shown
  another figure. So does used memory when nothing else could be read.
- Whether a vendor's cards are present is looked up once per process: the memory of that is
  cleared at every probe.

All but Ascend give whole watts. MetaX searches all of /opt for its library once, at the probe.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from bench.adapter import SensorSpec
from bench.device import Device
from bench.sensor import Channel, Quantity, Sample, Sensor, SensorError, SensorProbe
from bench.sensors import bus_id, options

CLASSES = {
    "amd": "AMDDetector",
    "ascend": "AscendDetector",
    "cambricon": "CambriconDetector",
    "hygon": "HygonDetector",
    "iluvatar": "IluvatarDetector",
    "metax": "MetaXDetector",
    "mthreads": "MThreadsDetector",
    "thead": "THeadDetector",
}
POWER_RANGE_W = (2.0, 2000.0)
"""What one card can draw. Milliwatts and watts of such a card cannot be confused."""
MIB = 1 << 20


class Feed:
    """One vendor's detector, shared by all its cards: one pass reads them all."""

    def __init__(self, vendor: str) -> None:
        self.vendor = vendor
        self._lock = threading.Lock()
        self._detector: Any = None
        self._cards: list[Any] = []
        self._read_ns = 0
        self._span_ns = 0

    def open(self) -> list[Any]:
        """The vendor's cards; raises SensorError with the reason when there are none."""
        try:
            module = import_module(f"gpustack_runtime.detector.{self.vendor}")
        except ImportError as error:
            raise SensorError(
                f"the package gpustack-runtime cannot be imported ({error}); "
                "pip install 'hetbench[npu]'"
            ) from error
        with self._lock:
            detector = getattr(module, CLASSES[self.vendor])()
            detector.is_supported.cache_clear()
            detector.detect_pci_devices.cache_clear()
            if not detector.is_supported():
                raise SensorError(self._absence(detector))
            self._cards = self._ask(detector.detect_info) or []
            if not self._cards:
                raise SensorError(f"the management library of {self.vendor} lists no card")
            if len({card.uuid for card in self._cards}) < len(self._cards):
                raise SensorError(
                    f"several cards of {self.vendor} have one UUID, so their figures get mixed up"
                )
            self._detector = detector
            self._read_ns = 0
            return self._cards

    def usage(self, max_age_s: float) -> tuple[list[Any], int, int]:
        """Cards with usage not older than asked, when they were read, and for how long (ns)."""
        with self._lock:
            start = time.monotonic_ns()
            if start - self._read_ns > max_age_s * 1e9:
                for card in self._cards:  # a card that is not read keeps its old figures
                    card.power_used = card.temperature = None
                    card.cores_utilization = card.memory_used = 0
                self._ask(lambda: self._detector.detect_usage(self._cards))
                self._read_ns = time.monotonic_ns()
                self._span_ns = self._read_ns - start
            return self._cards, self._read_ns - self._span_ns // 2, self._span_ns

    def _ask(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except Exception as error:  # eight vendors' libraries, each with its own errors
            raise SensorError(
                f"the management library of {self.vendor} failed for all its cards: "
                f"{type(error).__name__}: {error}"
            ) from error

    def _absence(self, detector: Any) -> str:
        if not detector.detect_pci_devices():
            return f"no PCI device of {self.vendor} is visible here"
        return (
            f"a card of {self.vendor} is on the PCI bus, but its management library does not "
            "start; install the vendor's driver, and in a container mount its libraries"
        )


_FEEDS: dict[str, Feed] = {}


class Gpustack(Sensor):
    """One card, found by UUID, else by PCI bus id, else by the vendor's index."""

    def __init__(self, device: Device, spec: SensorSpec) -> None:
        super().__init__(device)
        self.vendor = options(spec, vendor="")["vendor"]
        self.name = f"gpustack:{self.vendor}"
        self.spec = spec
        self._position = 0
        self._was_busy = False

    def probe(self) -> SensorProbe:
        """Channels that answer now, with what is missing."""
        if self.vendor not in CLASSES:
            known = ", ".join(CLASSES)
            return SensorProbe(
                reason=f"the sensor's option vendor is {self.vendor!r}; write one of {known}"
            )
        try:
            cards = self._feed().open()
            self._position, found_by = self._find(cards)
            sample = self.read()
        except SensorError as error:
            return SensorProbe(reason=str(error))
        card = cards[self._position]
        facts = {"found_by": found_by, "name": str(card.name), "uuid": str(card.uuid)}
        if card.driver_version:
            facts["driver"] = str(card.driver_version)
        if card.power:
            facts["power_limit_w"] = str(card.power)
        if self._in_milliwatts(card):
            facts["power_unit"] = "milliwatts, divided by 1000"
        wanted: tuple[Quantity, ...] = (
            "power_w",
            "temperature_c",
            "utilization_percent",
            "memory_used_bytes",
        )
        missing: dict[str, str] = {
            q: self._why_missing(q, card) for q in wanted if q not in sample.values
        }
        # Utilisation stays a channel: it may be left out now only because the card is idle.
        kept = [q for q in wanted if q in sample.values or q == "utilization_percent"]
        return SensorProbe(tuple(self._channel(q) for q in kept), None, missing, facts)

    def read(self) -> Sample:
        """One card's figures out of a pass over all cards of the vendor."""
        # A pass made for a neighbouring card within half a period serves this one too.
        cards, stamp_ns, span_ns = self._feed().usage(self.spec.update_period_s / 2)
        card = cards[self._position]
        values: dict[Quantity, float] = {}
        if (power_w := self._power_w(card)) is not None:
            values["power_w"] = power_w
        if card.temperature is not None:
            values["temperature_c"] = float(card.temperature)
        if card.memory_used > 0:
            values["memory_used_bytes"] = float(card.memory_used) * MIB
        self._was_busy |= card.cores_utilization > 0
        # A card of which nothing else could be read has no readable utilisation either.
        if card.cores_utilization > 0 or (self._was_busy and values):
            values["utilization_percent"] = float(card.cores_utilization)
        if not values:
            raise SensorError(f"the management library of {self.vendor} read nothing of this card")
        return Sample(stamp_ns, values, (), span_ns)

    def _feed(self) -> Feed:
        return _FEEDS.setdefault(self.vendor, Feed(self.vendor))

    def _in_milliwatts(self, card: Any) -> bool:
        return self.vendor == "mthreads" and (card.power_used or 0) > POWER_RANGE_W[1]

    def _power_w(self, card: Any) -> float | None:
        if card.power_used is None:
            return None
        low, high = POWER_RANGE_W
        watts = float(card.power_used) / (1000 if self._in_milliwatts(card) else 1)
        return watts if low <= watts <= high else None

    def _find(self, cards: list[Any]) -> tuple[int, str]:
        uuid = (self.device.uuid or "").lower()
        address = bus_id(self.device)
        for position, card in enumerate(cards):
            if uuid and uuid == str(card.uuid).lower():
                return position, "uuid"
        for position, card in enumerate(cards):
            if address and address == str((card.appendix or {}).get("bdf")).lower():
                return position, "PCI bus id"
        wanted = self.device.properties.get("tool_index", str(self.device.index))
        for position, card in enumerate(cards):
            if str(card.index) == wanted:
                return position, "index"
        raise SensorError(
            f"the management library of {self.vendor} lists {len(cards)} cards, "
            f"none of which is {self.device.id}"
        )

    def _why_missing(self, quantity: Quantity, card: Any) -> str:
        if quantity == "utilization_percent":
            return "0 so far, which is also what an unreadable utilisation is given as"
        if quantity == "power_w" and card.power_used is not None:
            return f"{card.power_used} is no power in watts that one card can draw"
        return f"the management library of {self.vendor} gave none"

    def _channel(self, quantity: Quantity) -> Channel:
        resolution = 1.0
        if quantity == "power_w" and self.vendor in ("ascend", "mthreads"):
            resolution = {"ascend": 0.1, "mthreads": 0.001}[self.vendor]
        elif quantity == "memory_used_bytes":
            resolution = float(MIB)
        return Channel(quantity, self.spec.scope, resolution, self.spec.update_period_s)


SENSOR = Gpustack
