"""A whole run: the devices held, every trial journalled, one results file at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from pydantic import ValidationError

from bench.adapter import Adapter
from bench.energy.meter import Meter
from bench.errors import CannotWrite, RefusedInput, UsageError
from bench.language.plain import first_line, short
from bench.results import file as results_file
from bench.results.records import Results
from bench.runner import again, assemble, duration, execute, parallel, state
from bench.runner.journal import SUFFIX, Journal, path_for
from bench.runner.listener import Listener
from bench.runner.plan import Plan
from bench.system import files
from bench.system.lock import DeviceLocks
from bench.system.utc import timestamp

HOLDER = "hetbench run"
LEAP_NS = 30 * 86_400 * 10**9
"""A month without a run's end is a wall clock that was set, as on boards without a battery."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a run left behind."""

    results: Results
    path: Path | None
    """Where the results went: where asked, beside it, or elsewhere; None when nowhere."""
    journal: Path | None
    """Where the run can be taken up again; None when all of it is done, or when it is gone."""
    problem: CannotWrite | None
    """Why the journal or the results could not be written where they belong."""


@dataclass(frozen=True, slots=True)
class _Work:
    """A run about to be carried out."""

    plan: Plan
    """As it began, which is what the results file says."""
    acting: Plan
    """The same with the cards, adapters and devices that are here now."""
    states: dict[str, state.CaseState]
    journal: Journal
    out: Path
    force: bool
    resumed: int
    changed: tuple[str, ...]


def start(plan: Plan, out: Path | None, force: bool, wait_s: float, listener: Listener) -> Finished:
    """Carry out a new plan; without `out` the file is named after time and suite.

    Raises DeviceBusy, UsageError for a journal in the way or for targets that cannot be measured
    at the same time, CannotWrite when it cannot begin.
    """
    parallel.check(plan)
    with execute.stoppable(), _devices(plan, wait_s, listener):
        meters = _meters(plan, {})
        if out is not None:
            journal = Journal.create(path_for(out), plan)
        else:
            journal, out = Journal.create_beside(_default_out(plan), plan)
        work = _Work(plan, plan, state.fresh(plan), journal, out, force, 0, ())
        with journal, _dropped_if_idle(journal), _kept_is_said(journal, listener):
            _check(work, meters, "this run")
            return _carry_out(work, meters, listener)


def resume(
    path: Path,
    out: Path | None,
    force: bool,
    adapters: Mapping[str, Adapter],
    allow_changed: bool,
    wait_s: float,
    listener: Listener,
) -> Finished:
    """Take up the run of a journal on the devices it began on; raises as `start` does, and
    RefusedInput for a damaged journal and, unless `allow_changed`, when anything is not as it
    was. `adapters` are those that may be used, by name."""
    journal, plan, entries = Journal.reopen(path)
    with execute.stoppable(), journal:
        out = out or _out_of(path)
        if out.absolute() == path.absolute():
            raise UsageError("--out and --resume name the same file; choose another --out")
        states = state.restore(plan, entries)
        times = [entry for entry in entries if "resumed" in entry]
        acting, changed = again.renew(plan, adapters)
        if changed and not allow_changed:
            raise RefusedInput(
                f"{path} cannot be continued as it began: {'; '.join(changed)}. Resume it where "
                "it was started, or let the two be mixed with --allow-changed, which the results "
                "file then says for ever"
            )
        changed += [text for entry in times for text in entry.get("changed", ())]
        parallel.check(acting)
        with _devices(acting, wait_s, listener), _kept_is_said(journal, listener):
            meters = _meters(acting, states)
            work = _Work(
                *(plan, acting, states, journal, out, force or _is_of(out, plan)),
                *(len(times) + 1, tuple(dict.fromkeys(changed))),
            )
            _check(work, meters, str(path))
            journal.append({"resumed": timestamp(), "changed": changed})
            return _carry_out(work, meters, listener)


@contextmanager
def _devices(plan: Plan, wait_s: float, listener: Listener) -> Iterator[None]:
    """Hold every device of the plan; say of one whose last holder was killed."""
    keys = [key for target in plan.targets for key in target.device.locks or (target.device.id,)]
    with DeviceLocks(keys, HOLDER, wait_s, listener.note) as locks:
        for holder in {str(one) for one in locks.left_behind.values()}:
            listener.note(f"took over the lock of a run that was killed: {holder}")
        yield


def powered(meters: Mapping[str, Meter]) -> set[str]:
    """The targets whose power is read."""
    return {target for target, meter in meters.items() if meter.device_power}


def _meters(plan: Plan, states: Mapping[str, state.CaseState]) -> dict[str, Meter]:
    """The sensors of every target, on the run's clock."""
    origin_ns = _origin_ns(plan, state.last_ns(states))
    return {one.target: Meter(one, origin_ns, not plan.parallel) for one in plan.targets}


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


@contextmanager
def _dropped_if_idle(journal: Journal) -> Iterator[None]:
    """After an error, drop a journal in which nothing is finished: it would only be in the way."""
    try:
        yield
    except BaseException:
        if journal.lines == 1:
            journal.remove()
        raise


@contextmanager
def _kept_is_said(journal: Journal, listener: Listener) -> Iterator[None]:
    """After an error, say where what was finished is kept."""
    try:
        yield
    except BaseException:
        if journal.lines > 1 and journal.exists():
            listener.note(
                f"what was finished is kept; go on with: hetbench run --resume {journal.path}"
            )
        raise


def _carry_out(work: _Work, meters: Mapping[str, Meter], listener: Listener) -> Finished:
    problem = None
    left = state.remaining(work.acting, work.states)
    listener.note(str(duration.estimate(work.acting, left, powered(meters))))
    try:
        complete = execute.execute(work.acting, work.states, meters, work.journal, listener)
    except CannotWrite as error:  # no more can be kept safe; what is there must still be
        if not any(one.trials for one in work.states.values()):
            raise
        complete, problem = False, error
    results = _results(work, meters, complete)
    path, failure = _write(work.out, results, work.force)
    problem = problem or failure
    if path is not None and path.parent == work.out.parent and path != work.out:
        listener.note(f"{work.out} is there meanwhile and stays; the results went beside it")
    if complete and problem is None:
        work.journal.remove()
        return Finished(results, path, None, None)
    kept = work.journal.path if work.journal.exists() else None
    return Finished(results, path, kept, problem)


def _write(out: Path, results: Results, replace: bool) -> tuple[Path | None, CannotWrite | None]:
    """Write the results at or beside `out`, or else anywhere: where they went, what went wrong."""
    text = results_file.dumps(results)
    try:
        return files.write_beside(out, text, replace), None
    except CannotWrite as error:
        try:
            return files.write_elsewhere(out.name, text), error
        except CannotWrite:
            return None, error


def _results(work: _Work, meters: Mapping[str, Meter], complete: bool) -> Results:
    return assemble.results(
        work.plan, work.states, meters, complete, work.resumed, list(work.changed)
    )


def _check(work: _Work, meters: Mapping[str, Meter], what: str) -> None:
    """Refuse a run of which no results file could be made, before anything is measured."""
    try:
        results_file.dumps(_results(work, meters, complete=False))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        record = error.title.removesuffix("Record").lower()  # of a part that is made on its own
        where = short(".".join([record, *map(str, first["loc"])]).removeprefix("results."))
        problem = f"{where}: {first['msg']}"  # apart, as a key is not translated
        raise RefusedInput(f"no results file can be made of {what}: {problem}") from error
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        problem = f"no results file can be made of {what}: {first_line(error)}"
        raise RefusedInput(problem) from error


def _default_out(plan: Plan) -> Path:
    """`results/DATE-SUITE.json`; of a person's own model `results/DATE-MODEL.json`."""
    stamp = plan.started_at.split("+")[0].replace(":", "").replace("-", "")
    name = plan.cases[0].card.name if plan.onnx else plan.suite.name
    return Path("results") / f"{stamp}-{files.slug(name)}.json"


def _out_of(journal: Path) -> Path:
    """The results file a journal belongs to; never the journal itself."""
    name = journal.name.removesuffix(SUFFIX)
    return journal.with_name(name if name != journal.name else f"{name}.json")


def _is_of(out: Path, plan: Plan) -> bool:
    """Whether a file is what an earlier part of this very run left, which is to be completed."""
    try:
        run = results_file.read(out).run
        return run.id == plan.run_id and not run.complete
    except RefusedInput:
        return False
