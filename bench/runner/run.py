"""A whole run: the devices held, every trial journalled, one results file at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from bench import discover, registry, results_file, trust
from bench.errors import UsageError
from bench.lock import DeviceLocks
from bench.probe import Candidate
from bench.results import Results
from bench.runner import assemble, duration, execute, state
from bench.runner.journal import Journal, path_for
from bench.runner.listener import Listener
from bench.runner.meter import Meter
from bench.runner.plan import Plan, timestamp

HOLDER = "hetbench run"
LEAP_NS = 30 * 86_400 * 10**9
"""A month without a run's end is a wall clock that was set, as on boards without a battery."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a run left behind."""

    results: Results
    path: Path
    journal: Path | None
    """Where a run that was stopped can be taken up again; None when all of it was done."""


def start(plan: Plan, out: Path, wait_s: float, listener: Listener) -> Finished:
    """Carry out a new plan; raises DeviceBusy, RefusedInput for a journal in the way, and
    HetbenchError when nothing can be written."""
    with _devices(plan, wait_s, listener), Journal.create(path_for(out), plan) as journal:
        return _carry_out(plan, state.fresh(plan), journal, out, 0, listener)


def resume(path: Path, wait_s: float, trusted: bool, listener: Listener) -> Finished:
    """Take up the run of a journal on the devices it began on; raises as `start` does, and
    UsageError when this is another machine, or when the journal holds an adapter from outside
    and `trusted` is False."""
    journal, plan, entries = Journal.reopen(path)
    with journal:
        for adapter in {target.adapter.name: target.adapter for target in plan.targets}.values():
            if registry.adapters().get(adapter.name) != adapter:
                trust.require_trust(adapter, path, trusted)
        done = [entry for entry in entries if "resumed" not in entry]
        states = state.restore(plan, done)
        _check_devices(plan)
        with _devices(plan, wait_s, listener):
            journal.append({"resumed": timestamp()})
            out = path.with_name(path.name.removesuffix(".journal"))
            times = len(entries) - len(done) + 1
            return _carry_out(plan, states, journal, out, times, listener)


@contextmanager
def _devices(plan: Plan, wait_s: float, listener: Listener) -> Iterator[None]:
    """Hold every device of the plan; say of one whose last holder was killed."""
    keys = [key for target in plan.targets for key in target.device.locks or (target.device.id,)]
    with DeviceLocks(keys, HOLDER, wait_s, listener.note) as locks:
        for holder in {str(one) for one in locks.left_behind.values()}:
            listener.note(f"took over the lock of a run that was killed: {holder}")
        yield


def _carry_out(
    plan: Plan,
    states: dict[str, state.CaseState],
    journal: Journal,
    out: Path,
    resumed: int,
    listener: Listener,
) -> Finished:
    origin_ns = _origin_ns(plan, state.last_ns(states))
    meters = {target.target: Meter(target, origin_ns) for target in plan.targets}
    left = state.remaining(plan, states)
    listener.note(str(duration.estimate(plan, left, powered(meters))))
    complete = execute.execute(plan, states, meters, journal, listener)
    results = assemble.results(plan, states, meters, complete, resumed)
    results_file.write(out, results)
    if not complete:
        return Finished(results, out, journal.path)
    journal.remove()
    return Finished(results, out, None)


def powered(meters: Mapping[str, Meter]) -> set[str]:
    """The targets whose power is read."""
    return {target for target, meter in meters.items() if meter.device_power}


def _origin_ns(plan: Plan, last_ns: int) -> int:
    """The reading of this machine's monotonic clock that is 0 on the run's clock.

    The run's clock is monotonic time since the run began, so that no stamp grows with the time
    that the machine is up. That time starts again when the machine does: a run that is taken up
    goes on at the wall clock's time since its beginning, or at `last_ns`, its latest stamp, where
    the wall clock was set back or leapt.
    """
    began = datetime.fromisoformat(plan.started_at).astimezone(timezone.utc)
    elapsed_ns = round((datetime.now(timezone.utc) - began).total_seconds() * 1e9)
    so_far_ns = elapsed_ns if last_ns <= elapsed_ns < LEAP_NS else last_ns
    return time.monotonic_ns() - so_far_ns


def _check_devices(plan: Plan) -> None:
    """Refuse to mix two machines in one results file."""
    wanted: list[Candidate] = []
    for target in plan.targets:
        candidate = Candidate(target.backend, target.adapter, target.options)
        if candidate not in wanted:
            wanted.append(candidate)
    found = discover.discover(wanted)
    for before in plan.targets:
        now = discover.resolve(before.target, found)
        if (now.device.name, now.device.uuid) != (before.device.name, before.device.uuid):
            raise UsageError(
                f"the run was started on {before.device.name}, but {before.target} is now "
                f"{now.device.name}; resume it on the machine it was started on"
            )
