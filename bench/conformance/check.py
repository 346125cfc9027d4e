"""The parent: prepares what is needed, runs the checks in children, and puts the report together.

A child does one check after the other and says each result at once. When it dies, the check it was
at has failed by how it died, and the next child goes on behind it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import get_args

from bench import registry
from bench.conformance import preparing, sensing
from bench.conformance.context import Files, Job, Listed
from bench.conformance.preparing import ORDER, Tell, how, hung, prepare, probe_model
from bench.conformance.verdict import Check, Report, Status
from bench.devices import datasheet
from bench.energy.meter import own_sensors
from bench.language.plain import short
from bench.model import PRECISIONS, ModelCard, Precision
from bench.results.telemetry import Window
from bench.system import cache, process
from bench.system.utc import timestamp
from bench.target import Resolved

LIMIT_S = 120.0
"""Most time of one check; a compiler's time is in it."""
MAX_HANGS = 2
"""After so many checks that did not end, the rest is not tried."""
MAX_SEEN = 1000
"""Characters of what a check says."""


def models() -> list[ModelCard]:
    """The lightweight models of the zoo, the smallest first."""
    light = [card for card in registry.models().values() if card.size == "lightweight"]
    return sorted(light, key=lambda card: card.parameters)


def session_checks(cards: Sequence[ModelCard]) -> tuple[str, ...]:
    """Checks that share a process, in the order of the report."""
    return (
        *("probe-reasons", "devices-stable"),
        *(f"supports-{precision}" for precision in PRECISIONS),
        *(f"fidelity-{card.name}" for card in cards),
        *("inputs-matter", "outputs-repeat", "fetch-last", "fetch-keeps", "placement"),
        *("sync-waits", "throughput-limit", "memory-steady"),
    )


def check(
    target: Resolved,
    tell: Tell,
    cards: Sequence[ModelCard] | None = None,
    limit_s: float = LIMIT_S,
) -> Report:
    """Run every check on the target; `tell` hears what is being done.

    Raises HetbenchError when the target runs the probe model at no precision at all.
    """
    start = time.monotonic()
    started_at = timestamp()
    seed = secrets.randbelow(1 << 31)
    cards = list(cards or models())
    files = prepare(target, cards, seed, tell)
    try:
        precision = preparing.precision(target, files)
        if precision != ORDER[0]:
            files += prepare(target, cards, seed, tell, precision)
        checks = _Run(target, _job(target, cards, files, seed, precision, limit_s), tell).all()
    finally:
        for reference in {one.reference for one in files if one.reference}:
            cache.drop(Path(reference))
    return Report(
        target=target.target,
        adapter=target.adapter.name,
        device=target.device,
        simulated=target.simulated,
        versions=target.versions,
        precision=precision,
        seed=seed,
        started_at=started_at,
        wall_s=time.monotonic() - start,
        checks=tuple(checks),
    )


def _job(
    target: Resolved,
    cards: Sequence[ModelCard],
    files: Sequence[Files],
    seed: int,
    precision: Precision,
    limit_s: float,
) -> Job:
    peak, reason = datasheet.peak_flops(target.device, precision)
    return Job(
        backend=target.backend,
        adapter=target.adapter,
        options=target.options,
        device=target.device,
        threads=target.threads,
        cores=target.device.cores,
        seed=seed,
        limit_s=limit_s,
        checks=(),
        precision=precision,
        probe=probe_model(),
        cards=tuple(cards),
        files=tuple(files),
        peak_flops=peak,
        peak_reason=reason,
    )


class _Run:
    """The children of one report."""

    def __init__(self, target: Resolved, job: Job, tell: Tell) -> None:
        self._target = target
        self._job = job
        self._tell = tell
        self._hangs = 0
        self._listing: list[Listed] = []
        self._checks: dict[str, Check] = {}
        self._load: Window | None = None
        self._load_start = 0

    def all(self) -> list[Check]:
        """Every check, in the order of the report."""
        self._children(replace(self._job, checks=session_checks(self._job.cards)))
        self._two_processes()
        self._children(replace(self._job, checks=("memory-errors",)))
        for one in sensing.check(
            own_sensors(self._target), self._target.device, self._job.seed, self._busy
        ):
            self._checks[one.id] = one
        return list(self._checks.values())

    def _children(self, job: Job) -> None:
        """Do the job's checks, in as many children as it takes."""
        left = list(job.checks)
        while left:
            if self._hangs >= MAX_HANGS:
                for id in left:
                    reason = f"not tried: {self._hangs} checks before it did not end"
                    self._checks[id] = Check(id, "skip", reason)
                return
            outcome = self._child(replace(job, checks=tuple(left)), left)
            if left:
                self._hangs += hung(outcome)
                id = left.pop(0)
                self._checks[id] = Check(id, "fail", f"the process {how(outcome, job.limit_s)}")

    def _child(self, job: Job, left: list[str]) -> process.Outcome:
        """One child; takes what it has done off `left`."""

        def on_event(event: process.Event) -> None:
            name = event["event"]
            if name == "begin":
                self._tell(f"checking {event['id']}")
            elif name == "listing":
                self._listing = [Listed(**device) for device in event["devices"]]
            elif name == "closed":
                self._second()
                child.tell("go")
            elif name == "busy":
                self._load_start = int(event["stamp_ns"])
            elif name == "idle":
                self._load = Window("busy", self._load_start, int(event["stamp_ns"]), 0)
            elif name == "check" and left and event["id"] == left[0]:
                self._checks[left.pop(0)] = _checked(event)

        # The child's own watchdog is quicker, and says where it hung.
        limit_s = (len(job.checks) + 1) * job.limit_s + job.busy_s
        environment = self._target.environment
        child = process.start("bench.conformance.session", asdict(job), limit_s, environment)
        return process.follow([child], lambda place, event: on_event(event))[0]

    def _two_processes(self) -> None:
        """A first process lets go of the device, and a second one takes it."""
        self._children(replace(self._job, checks=("device-freed",)))
        first = self._checks.pop("device-freed")
        if "second-process" not in self._checks:
            seen = f"in the first process: {first.seen}"
            self._checks["devices-same-elsewhere"] = Check("devices-same-elsewhere", "skip", seen)
            self._checks["second-process"] = Check("second-process", first.status, seen)

    def _second(self) -> None:
        """While the first process has closed its session and lives, use the device in another."""
        # The first one's watchdog counts this time too.
        limit_s = self._job.limit_s / 4
        self._children(
            replace(
                self._job,
                checks=("devices-same-elsewhere", "second-process"),
                listing=tuple(self._listing),
                limit_s=limit_s,
            )
        )

    def _busy(self, seconds: float) -> Window | str:
        """The load that sensors are checked under."""
        self._children(replace(self._job, checks=("busy",), busy_s=seconds))
        ended = self._checks.pop("busy")
        if ended.status != "pass" or self._load is None:
            return ended.seen
        return self._load


def _checked(event: process.Event) -> Check:
    """A child's answer, which foreign code may have had a hand in."""
    status: Status = event["status"] if event["status"] in get_args(Status) else "fail"
    return Check(str(event["id"]), status, short(str(event["seen"]), MAX_SEEN))
